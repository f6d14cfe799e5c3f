"""Fits temperature and thresholds to each artifact, from the answers that parity compares.

An int8 artifact is sure in another way than the network that it was made of.
"""

from collections.abc import Iterator

import numpy as np

from conversion.answers import Replies
from conversion.artifact import Artifact, Build
from conversion.parity.confidences import OWN, REFERENCE, ArtifactConfidence
from conversion.parity.verdicts import PhotoVerdicts
from training.answers import Answers
from training.errors import ConfidenceError
from training.evaluation.confidence import Confidence, fit_confidence, judge
from training.evaluation.distribution import Distribution, count_answers
from training.photos import find_kinds


def fit_confidences(
    build: Build, answers: Replies, target_precision: float
) -> dict[str, ArtifactConfidence]:
    """Returns artifact file name -> its confidence, for every artifact of a build.

    Args:
        build: gives the coarse classes.
        answers: what everyone answered.
        target_precision: see `training.evaluation.confidence.fit_confidence`.
    """
    unknown = answers.unknown
    reference = _fit(
        build,
        answers,
        answers.reference,
        None if unknown is None else unknown.reference,
        target_precision,
    )
    return {
        artifact.file_name: _fit_one(build, answers, artifact, target_precision)
        or ArtifactConfidence(REFERENCE, reference)
        for artifact in build.artifacts
    }


def judge_photos(
    build: Build, answers: Replies, confidences: dict[str, ArtifactConfidence]
) -> Iterator[tuple[str, PhotoVerdicts, Distribution]]:
    """Yields artifact file name, what it said of each photo, and how often, for all that answered.

    Args:
        build: gives the coarse classes.
        answers: what everyone answered.
        confidences: by artifact file name.
    """
    for name, own in answers.artifacts.items():
        limits = confidences[name].confidence.limits
        try:
            calibrated, verdicts = judge(own, limits, build.hierarchy)
        except ConfidenceError:
            continue  # what answers no probabilities fails its parity, which says so
        yield (
            name,
            PhotoVerdicts(
                photos=tuple(photo.name for photo in answers.photos),
                sizes_bytes=tuple(int(size) for size in answers.sizes_bytes),
                truth=tuple(int(index) for index in answers.truth),
                answers=tuple(int(index) for index in calibrated.argmax(axis=1)),
                verdicts=tuple(str(verdict) for verdict in verdicts),
            ),
            count_answers(build.labels, calibrated, verdicts),
        )


def _fit_one(
    build: Build, answers: Replies, artifact: Artifact, target_precision: float
) -> ArtifactConfidence | None:
    own = answers.artifacts.get(artifact.file_name)
    if own is None:
        return None
    unknown = answers.unknown
    strange = None if unknown is None else unknown.artifacts[artifact.file_name]
    try:
        return ArtifactConfidence(OWN, _fit(build, answers, own, strange, target_precision))
    except ConfidenceError:
        return None  # what answers no probabilities fails its parity, which says so


def _fit(
    build: Build,
    answers: Replies,
    own: Answers,
    strange: Answers | None,
    target_precision: float,
) -> Confidence:
    by_kind: dict[str, Answers] = {}
    if answers.unknown is not None and strange is not None:
        kinds = find_kinds(answers.unknown.photos)
        by_kind = {kind: strange[np.array(places)] for kind, places in kinds.items()}
    return fit_confidence(own, answers.truth, target_precision, build.hierarchy, by_kind)
