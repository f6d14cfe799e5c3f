"""Languages as BCP 47 tags: how names' files are called, and which one fits best. Free of torch."""

import re
from collections.abc import Sequence

# Language, script and region are enough for names of items; variants and extensions are not taken.
_LANGUAGE = r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?"
LANGUAGE = re.compile(_LANGUAGE)
LANGUAGE_ALLOWED = "BCP 47 tags of language, script and region, as in en, zh-Hans or pt-BR"
NAMES_FILE = re.compile(rf"({_LANGUAGE})\.json")
NAMES_FILE_ALLOWED = f"a language and .json: {LANGUAGE_ALLOWED}"
# In lower case: the parts of any tag that choosing looks at.
WANTED = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?(?:-.*)?")
_TRADITIONAL = ("tw", "hk", "mo")


def normalise_language(text: str) -> str | None:
    """Returns a tag as files are called, as "zh-Hans" for "ZH-hans"; None where it is none."""
    first, *rest = text.split("-")
    form = {2: str.upper, 4: str.capitalize}
    tag = "-".join([first.lower(), *(form.get(len(part), str)(part) for part in rest)])
    return tag if LANGUAGE.fullmatch(tag) else None


def choose_language(languages: Sequence[str], wanted: str) -> str | None:
    """Returns the language that fits a wanted one best, or None where none does.

    The language must be the same, and the script, where both name one; then the same region is
    better than none, and none better than another. Chinese without a script is in Hant for TW, HK
    and MO and in Hans elsewhere, as Unicode's likely subtags have it.

    Args:
        languages: those that there are, each as `LANGUAGE`.
        wanted: any BCP 47 tag, as a phone or a browser names it: "zh-CN", "en-GB", "de".
    """
    asked = _split(wanted)
    if asked is None:
        return None
    ranks = {tag: _rank(_split(tag), asked) for tag in languages}
    best = max(ranks.values(), default=0)
    return next((tag for tag in languages if ranks[tag] == best > 0), None)


def _split(tag: str) -> tuple[str, str, str] | None:
    """Returns language, script and region in lower case; the latter empty where not named."""
    match = WANTED.fullmatch(tag.lower())
    if match is None:
        return None
    language, script, region = match[1], match[2] or "", match[3] or ""
    if language == "zh" and not script:
        script = "hant" if region in _TRADITIONAL else "hans"
    return language, script, region


def _rank(found: tuple[str, str, str] | None, asked: tuple[str, str, str]) -> int:
    """Returns 0 where a language does not fit, and more the better it does."""
    if found is None or found[0] != asked[0]:
        return 0
    if found[1] != asked[1] and found[1] and asked[1]:
        return 0
    same_script, same_region, no_region = found[1] == asked[1], found[2] == asked[2], not found[2]
    return 1 + 4 * same_script + 2 * same_region + no_region
