"""The words of every README: templates filled in with what a bundle says."""

import re
from functools import cache
from importlib.resources import files
from string import Template

from mobile_assets.export.content import Content, first_answer, first_photo
from mobile_assets.selftest import MAX_KNOWN_SCORE_DIFFERENCE, MAX_PROBABILITY_DIFFERENCE

# A template's own name stands for its text: `§{run-android-litert.kt}`.
_INCLUDED = re.compile(r"§\{([a-z-]+\.[a-z]+)\}")
NO_THRESHOLDS = "// There are no thresholds to judge by: say that you are unsure."
RUNTIME_NAMES = {"litert": "LiteRT", "executorch": "ExecuTorch", "coreml": "Core ML"}


class _Filled(Template):
    # A sign that stands in none of Kotlin, Swift, JavaScript, HTML and Markdown.
    delimiter = "§"


def fill(name: str, **values: object) -> str:
    """Returns a file of `templates/` with its `§{name}` places filled in, all of them."""
    return _Filled(_read(name)).substitute(values)


@cache
def _read(name: str) -> str:
    text = (files("mobile_assets.export") / "templates" / name).read_text(encoding="utf-8")
    return _INCLUDED.sub(lambda found: _read(found[1]).strip(), text)


def fill_readme(name: str, content: Content, **values: object) -> bytes:
    """Returns a README; model, version, sizes and the parts on answers are the same everywhere."""
    manifest, artifact = content.manifest, content.artifact
    shared = {
        "model": manifest.model,
        "version": manifest.version,
        "runtime": RUNTIME_NAMES[artifact.runtime],
        "precision": artifact.precision,
        "size": f"{artifact.file.size_bytes / 1e6:.1f} MB",
        "manifest_sha256": content.manifest_sha256,
        "expected": describe_expected(content),
        "answers": describe_answers(content),
    }
    return fill(name, **{**shared, **values}).encode()


def describe_contract(content: Content, platform: str, which: str = "") -> str:
    """Returns the section on the sources that prepare photos and judge answers.

    Args:
        content: what an app gets.
        platform: "android" or "ios".
        which: a comment on the choice of the artifact, where an app may get another one.
    """
    template = {"android": "judge-android.kt", "ios": "judge-ios.swift"}[platform]
    judge = fill(template, artifact=content.artifact.path, which=which).strip()
    if content.artifact.confidence is None:
        judge = NO_THRESHOLDS
    return fill(f"contract-{platform}.md", folder=content.manifest.model, judge=judge)


def describe_expected(content: Content) -> str:
    """Returns what the five lines must print."""
    photo, answer = first_photo(content), first_answer(content)
    if answer is None:
        return (
            f"The photo is `{photo.file}`, of {photo.label}. No machine here ran this file, so the "
            "bundle says nothing of what it answers: compare with another precision.\n"
        )
    index = content.manifest.labels.index(answer[0])
    return (
        f"The likeliest must be **{answer[0]}**, output {index} counted from 0, with the "
        f"probability {answer[1]:.4f}, at most {MAX_PROBABILITY_DIFFERENCE} apart. The photo is "
        f"`{photo.file}`, of {photo.label}.\n"
    )


def describe_answers(content: Content) -> str:
    """Returns the sections on preprocessing and on what an answer is worth."""
    steps = content.manifest.preprocess.steps()
    confidence = content.artifact.confidence
    if confidence is None:
        words = "This file was taken by hand and has no thresholds: nothing that it says is sure."
    else:
        sure = confidence.confidence.sure
        reached = sure.cross_fitted or sure
        words = (
            "No answer of this file is sure: too few were right on its validation photos."
            if sure.min_probability is None or reached.precision is None
            else f"On {reached.photos} validation photos {reached.coverage:.1%} were sure, and "
            f"{reached.precision:.1%} of these right."
        )
    return fill(
        "answers.md",
        steps="\n".join(f"{place}. {step}" for place, step in enumerate(steps, 1)),
        tolerance=MAX_PROBABILITY_DIFFERENCE,
        score_tolerance=MAX_KNOWN_SCORE_DIFFERENCE,
        thresholds=words,
    )
