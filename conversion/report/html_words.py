"""The words of the HTML report: plain ones for whoever decides on a release."""

from conversion.artifact import Artifact
from conversion.parity.report import (
    FAILED,
    INCONCLUSIVE,
    NOT_EXECUTED,
    PASSED,
    ParityReport,
    points,
)

BADGES = {
    PASSED: "✓ passed",
    FAILED: "✗ failed",
    INCONCLUSIVE: "? undecided",
    NOT_EXECUTED: "- not checked",
}
MEANINGS = {
    PASSED: "may be released",
    FAILED: "must not be released",
    INCONCLUSIVE: "more photos are needed before anyone can say",
    NOT_EXECUTED: "for phones only, not checked on this machine",
}
_PLACES = {
    ("executorch", "xnnpack"): "Android and iOS apps, on the processor",
    ("executorch", "coreml"): "iOS apps, on Apple's accelerators",
    ("executorch", "vulkan"): "Android apps, on the graphics chip",
    ("litert", ""): "Android apps and web pages",
    ("coreml", ""): "iPhone and iPad apps",
}
KINDS = {
    "lost": "wrong, unlike the trained model",
    "won": "right, unlike the trained model",
    "other": "wrong, as is the trained model",
}


def place_of(artifact: Artifact) -> str:
    """Returns where such a file is used."""
    return _PLACES[artifact.runtime, artifact.backend]


def explain(report: ParityReport) -> str:
    """Returns in one sentence why an artifact has its verdict; details stand elsewhere.

    Args:
        report: of the artifact.
    """
    worst, margin = points(max(0.0, report.loss_high)), points(report.loss_margin)
    if report.verdict == PASSED and report.loss_high < 0.00005:
        return "It is right as often as the trained model, as far as these photos can tell."
    if report.verdict == PASSED:
        return (
            f"At worst it gets {worst} more photos in 100 wrong than the trained model; "
            f"less than {margin} is allowed."
        )
    if report.verdict == NOT_EXECUTED:
        return "It needs a phone's own hardware. Its contents were looked at, its answers were not."
    if report.verdict == INCONCLUSIVE:
        return _explain_doubt(report, worst, margin)
    if report.failure or not report.photos:
        return "It could not be run, so nobody knows what it would answer."
    if report.structure_faults or not report.labels_match:
        return "Its contents are not what its name promises."
    if report.loss_low >= report.loss_margin:
        return (
            f"It surely gets {points(report.loss_low)} or more photos in 100 wrong that the "
            f"trained model gets right; less than {margin} is allowed."
        )
    return "Its answers differ from the trained model's by more than is allowed."


def _explain_doubt(report: ParityReport, worst: str, margin: str) -> str:
    words = (
        f"With {report.photos} photos it may be up to {worst} photos in 100 worse than the trained "
        f"model; less than {margin} must be shown."
    )
    needed = report.photos_needed
    if needed is None:
        return f"{words} More photos are unlikely to help."
    return f"{words} About {needed:,} photos would decide."
