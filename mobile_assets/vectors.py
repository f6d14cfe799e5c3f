"""The test vectors that every client must give alike, whatever language it is written in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conversion.variants import VARIANTS
from mobile_assets.bucketing import WHOLE_SHARE_BP, find_bucket, is_included
from mobile_assets.languages import choose_language
from mobile_assets.platforms import RUNTIMES_OF
from mobile_assets.reading import canonical_json
from mobile_assets.vector_decisions import OFFERS, RELEASES, make_decisions
from mobile_assets.vector_documents import make_documents
from mobile_assets.vector_recognition import make_preprocess, make_verdicts
from mobile_assets.versions import VersionRange, runs_on_executorch

SCHEMA = "ghostlens.vectors/1"
VECTORS_PATH = Path(__file__).with_name("clients") / "vectors.json"
_SALTS = ("0" * 32, "00112233445566778899aabbccddeeff", "f" * 32)
_DEVICE_IDS = (
    "a",
    "7b9d2f5e-3c41-4f6a-9e0d-5a8c1b2d3e4f",
    "device:with:colons",
    "Gerät-№ 7",
    "端末",
    "\U0001f34c\U0001f34c",
    " leading and trailing ",
    "x" * 128,
)
_SHARES_BP = (0, 1, 100, 1000, 2500, 5000, 9999, WHOLE_SHARE_BP)
# Each before the next; the first eight are the specification's own example (section 11).
_ASCENDING = (
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0",
    "1.0.1-0.0",
    "1.0.1-9",
    "1.0.1-10",
    "1.0.1--",
    "1.0.1-0a",
    "1.0.1-A",
    "1.0.1-Z",
    "1.0.1-a",
    "1.0.1-a.-",
    "1.0.1-a.b.c",
    "1.0.1-a-b",
    "1.0.1",
    "1.9.0",
    "1.10.0",
    "2.0.0-rc.9007199254740992",
    "2.0.0-rc.9007199254740993",
    "2.0.0",
    "9007199254740992.0.0",
    "9007199254740993.0.0",
)
_SAME = (("1.2.3", "1.2.3+45"), ("1.2.3-rc.1+a", "1.2.3-rc.1+b.c"), ("1.2.3+007", "1.2.3+0-1"))
_NO_VERSIONS = (
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "01.2.3",
    "1.02.3",
    "1.2.3-01",
    "1.2.3-",
    "1.2.3-a..b",
    "1.2.3+",
    "v1.2.3",
    " 1.2.3",
    "1.2.3\n",
    "1.2.-3",
    "1.2.3-ü",
    "\u0661.2.3",
    "1.2.3-" + "a" * 123,
)
_RANGES = (
    ("=1.2.3", ("1.2.3", "1.2.3+45", "1.2.3-rc.1", "1.2.4")),
    (">=1.2.0 <3.0.0", ("1.1.9", "1.2.0-rc.1", "1.2.0", "2.99.0", "3.0.0-rc.1", "3.0.0")),
    (">1.0.0", ("1.0.0", "1.0.0+1", "1.0.1-0", "1.0.1")),
    ("<=1.0.0-rc.2", ("1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0")),
    ("<1.0.0-0", ("0.9.9", "1.0.0-0", "1.0.0-alpha")),
    (">=2.0.0 <1.0.0", ("1.5.0", "2.0.0")),
    (">=1.0.0 >=1.1.0 <1.2.0 <2.0.0", ("1.0.5", "1.1.5", "1.5.0")),
)
_NO_RANGES = (
    "",
    "1.2.3",
    "^1.2.3",
    "~1.2.3",
    ">= 1.2.3",
    ">=1.2",
    ">=1.2.3,<2.0.0",
    ">=1.2.3  <2.0.0",
    " >=1.2.3",
    ">=1.2.3 ",
    "==1.2.3",
    "!=1.2.3",
    "=>1.2.3",
    ">=1.2.3 || <1.0.0",
    "*",
    " ".join([">=1.0.0"] * 9),
)
_SYSTEMS = (("8", "8.0", 0), ("8.0.0.0", "8", 0), ("8.1", "8", 1), ("16", "9", 1))
_MORE_SYSTEMS = (("17.4.1", "17.4", 1), ("17.10", "17.9", 1), ("15.8.3", "16", -1))
_NO_SYSTEMS = ("", "S", "13a", "1..2", ".1", "1.", "1.2.3.4.5", "01", "-1", "1.2-beta", "1" * 10)
_EXECUTORCH = (
    ("1.4.1", "1.4.1"),
    ("1.4.1", "1.4.0"),
    ("1.4.1", "1.5.0"),
    ("1.4.1", "1.6.0"),
    ("1.4.1", "1.3.9"),
    ("1.4.1", "2.0.0"),
    ("1.9.0", "1.10.0"),
    ("1.4.1+cpu", "1.4"),
    ("1.4.0a0+abc", "1.4.0"),
    ("1.4", "1.5.0-rc1"),
    ("0.7.0", "1.0.0"),
    ("", "1.4.0"),
    ("1.4.0", ""),
    ("1.4.0", "1"),
    ("1.4.0", "v1.4.0"),
    ("1.4.0", "01.4.0"),
)
_LANGUAGES = (
    (("de", "en", "zh-Hans"), ("zh-CN", "zh", "ZH-hans-cn", "zh-TW", "zh-Hant", "zh-Hans-HK")),
    (("de", "en", "zh-Hans"), ("en-GB", "de", "fr", "zho", "", "e", "en_GB", "-", "x-en")),
    (("de", "en", "zh-Hans"), ("de-1996", "de-DE-u-co-phonebk", "en-Latn-US")),
    (("zh-Hans", "zh-Hant"), ("zh-TW", "zh-MO", "zh-SG", "zh-Hant-CN", "zh-Hans-TW")),
    (("zh-CN", "zh-TW"), ("zh-Hant", "zh-Hans", "zh-HK", "zh")),
    (("pt-BR", "pt-PT"), ("pt-PT", "pt", "pt-AO", "pt-Latn-PT")),
    (("es", "es-419", "es-ES"), ("es-419", "es-MX", "es-ES", "es")),
    (("sr", "sr-Cyrl", "sr-Latn"), ("sr-Latn", "sr-Cyrl-RS", "sr-Latn-ME", "sr")),
    ((), ("en",)),
)
_NAMES = {"apple": "苹果", "lemon": "柠檬", "pome": "仁果"}
_NO_NAMES = (
    "[]",
    '{"apple": 1}',
    '{"apple": ""}',
    '{"apple": null}',
    '{"apple": " a"}',
    '{"apple": "a\\tb"}',
    '{"apple": "a", "apple": "b"}',
    '{"apple": "' + "a" * 201 + '"}',
)


def make_vectors() -> dict[str, Any]:
    """Returns all vectors, as `clients/vectors.json` holds them."""
    return {
        "schema": SCHEMA,
        "constants": {
            "runtimes_of": {name: list(runtimes) for name, runtimes in RUNTIMES_OF.items()},
            "variants": [
                {**vars(variant), "executed_here": variant.executed_here} for variant in VARIANTS
            ],
        },
        "bucketing": list(_make_bucketing()),
        "version_order": {
            "ascending": list(_ASCENDING),
            "same": [list(pair) for pair in _SAME],
            "malformed": list(_NO_VERSIONS),
        },
        "ranges": {
            "cases": [
                {"range": text, "version": version, "contains": version in VersionRange(text)}
                for text, versions in _RANGES
                for version in versions
            ],
            "malformed": list(_NO_RANGES),
        },
        "systems": {
            "cases": [
                {"left": left, "right": right, "order": order}
                for left, right, order in (*_SYSTEMS, *_MORE_SYSTEMS)
            ],
            "malformed": list(_NO_SYSTEMS),
        },
        "executorch": [
            {
                "made_with": made_with,
                "linked": linked,
                "runs": runs_on_executorch(made_with, linked),
            }
            for made_with, linked in _EXECUTORCH
        ],
        "decisions": {"releases": RELEASES, "offers": OFFERS, "cases": make_decisions()},
        "preprocess": make_preprocess(),
        "verdicts": make_verdicts(),
        "documents": make_documents(),
        "languages": [
            {"there": list(there), "wanted": wanted, "chosen": choose_language(there, wanted)}
            for there, asked in _LANGUAGES
            for wanted in asked
        ],
        "names": {"valid": dict(_NAMES), "refused": list(_NO_NAMES)},
    }


def vectors_bytes() -> bytes:
    """Returns the bytes of `clients/vectors.json`."""
    return canonical_json(make_vectors())


def _make_bucketing() -> Iterator[dict[str, Any]]:
    """Yields devices with their bucket, and whether some shares include them.

    Among the shares are the least that includes a device and the greatest that does not.
    """
    for salt in _SALTS:
        for device_id in _DEVICE_IDS:
            least = next(
                share_bp
                for share_bp in range(WHOLE_SHARE_BP + 1)
                if is_included(salt, device_id, share_bp)
            )
            shares_bp = sorted({*_SHARES_BP, least - 1, least})
            yield {
                "salt": salt,
                "device_id": device_id,
                "bucket": find_bucket(salt, device_id),
                "included": {
                    str(share_bp): is_included(salt, device_id, share_bp) for share_bp in shares_bp
                },
            }
    for missing in (None, ""):
        included = {str(share_bp): False for share_bp in _SHARES_BP}
        yield {"salt": _SALTS[1], "device_id": missing, "bucket": None, "included": included}
