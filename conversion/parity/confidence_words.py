"""The temperature and the thresholds of each artifact in words, for both reports."""

from collections.abc import Sequence

from conversion.parity.confidences import ArtifactConfidence
from conversion.parity.files import Finding
from training.evaluation.confidence import Reached, Rejection, Share, Threshold

HEADINGS = (
    "Fitted on answers of",
    "Temperature",
    "Sure from: of all photos, right among them",
    "Only the coarse class from: of all photos, right among them",
    "Not a known thing below: known photos kept, unknown ones rejected",
)
_NEVER = "never"


def describe_target(findings: Sequence[Finding]) -> str:
    """Returns what the thresholds are for, in two sentences."""
    first = findings[0].confidence.confidence.sure
    return (
        f"Thresholds on calibrated probabilities, chosen so that {first.target_precision:.0%} of "
        "the answers that stand are right. The shares, with their 95 % intervals, are cross-fitted "
        "where there are photos enough: each photo is judged by thresholds chosen on others."
    )


def to_cells(found: ArtifactConfidence) -> list[str]:
    """Returns what stands below `HEADINGS`."""
    confidence = found.confidence
    return [
        "the file" if found.fitted_on == "artifact" else "the trained model",
        f"{confidence.temperature:.2f}",
        _describe_threshold(confidence.sure),
        "-" if confidence.coarse is None else _describe_threshold(confidence.coarse),
        _describe_known(found),
    ]


def _describe_threshold(threshold: Threshold) -> str:
    if threshold.min_probability is None:
        return _NEVER
    reached: Reached = threshold.cross_fitted or threshold
    coverage = Share(reached.coverage, reached.coverage_interval_95, reached.photos)
    precision = Share(reached.precision, reached.precision_interval_95, reached.photos)
    return f"{threshold.min_probability:.2f}: {_describe(coverage)}, {_describe(precision)}"


def _describe_known(found: ArtifactConfidence) -> str:
    known = found.confidence.known
    if known.min_score is None:
        return _NEVER
    reached: Rejection = known.cross_fitted or known
    score = known.score.replace("_", " ")
    words = [f"{score} {known.min_score:.2f}: {_describe(reached.kept)}"]
    words += [f"{kind} {_describe(share)}" for kind, share in reached.rejected.items()]
    return ", ".join(words)


def _describe(share: Share) -> str:
    if share.value is None:
        return "no photos"
    low, high = share.interval_95
    return f"{share.value:.1%} ({low:.1%} to {high:.1%})"
