"""From a photo's bytes to names: what an app does with a pulled model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from conversion.runners import open_runner
from mobile_assets.errors import BundleError
from mobile_assets.installed import PulledModel
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from training.answers import Answers
from training.errors import ConfidenceError, PhotoError
from training.evaluation.confidence import COARSE, SURE, UNKNOWN, UNSURE, decide


@dataclass(frozen=True)
class Answer:
    """A name and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class CoarseAnswer(Answer):
    """A coarse class and its probability, the sum over its labels.

    Attributes:
        choices: its labels, the likeliest first: what to ask a person to choose from.
    """

    choices: tuple[Answer, ...]


@dataclass(frozen=True)
class Recognition:
    """What a model says of a photo.

    Attributes:
        model: name of the model.
        version: its version.
        answers: the likeliest labels, the first first; calibrated where the artifact has a
            confidence.
        coarse: the likeliest coarse class; None where the model has none.
        known_score: how much the photo looks like those of known things, as the artifact gives
            it; higher is more alike.
        verdict: "sure" (the first answer stands), "coarse" (only the coarse class does), "unsure"
            (ask a better model, or a person) or "unknown" (none of the labels).
    """

    model: str
    version: str
    answers: tuple[Answer, ...]
    coarse: CoarseAnswer | None
    known_score: float
    verdict: str

    def named(self, names: Mapping[str, str]) -> "Recognition":
        """Returns the same with names in place of labels, as `PulledModel.names` gives them.

        It is for showing: what is counted, stored or sent goes by labels.
        """

        def name(answer: Answer) -> Answer:
            return replace(answer, label=names.get(answer.label, answer.label))

        coarse = self.coarse
        if coarse is not None:
            label = names.get(coarse.label, coarse.label)
            coarse = replace(coarse, label=label, choices=tuple(map(name, coarse.choices)))
        return replace(self, answers=tuple(map(name, self.answers)), coarse=coarse)

    def in_words(self) -> str:
        """Returns the verdict as one would say it."""
        first = self.answers[0].label
        if self.verdict == SURE:
            return first
        if self.verdict == COARSE and self.coarse is not None:
            if len(self.coarse.choices) == 1:
                return f"likely {self.coarse.choices[0].label}"
            return f"{self.coarse.label} (which one is not sure)"
        if self.verdict == UNKNOWN:
            return f"not a known item (nearest: {first})"
        return f"not sure: perhaps {first}"


def rank_answers(
    manifest: Manifest,
    artifact: BundledArtifact,
    given: Answers,
    top_k: int,
) -> Recognition:
    """Names the likeliest labels and says how far they can be trusted.

    Args:
        manifest: gives the labels and the coarse classes.
        artifact: the one that answered; gives temperature and thresholds. Of one that was taken
            without, nothing is sure.
        given: what the artifact gives of one photo.
        top_k: how many answers at most, from 1.

    Raises:
        BundleError: the artifact gives no probabilities, or a known score that is no number.
    """
    try:
        judged, coarse, verdict = _judge(manifest, artifact, given)
    except ConfidenceError as error:
        raise BundleError(f"{artifact.path}: {error}") from error
    answers = _rank(manifest, judged, range(len(judged)), top_k)
    score = float(given.known_scores[0])
    return Recognition(manifest.model, manifest.version, answers, coarse, score, verdict)


def _rank(
    manifest: Manifest,
    judged: npt.NDArray[np.floating],
    indices: Sequence[int],
    top_k: int | None = None,
) -> tuple[Answer, ...]:
    # Of so few numbers plain ones take less time. Equal ones stay in label order, as everywhere.
    values, names = judged.tolist(), manifest.labels.names
    ordered = sorted(indices, key=values.__getitem__, reverse=True)[:top_k]
    return tuple(Answer(names[index], values[index]) for index in ordered)


def _judge(
    manifest: Manifest, artifact: BundledArtifact, given: Answers
) -> tuple[npt.NDArray[np.floating], CoarseAnswer | None, str]:
    if artifact.confidence is None:
        return given.probabilities[0], None, UNSURE
    hierarchy = manifest.hierarchy
    decision = decide(given, artifact.confidence.confidence, hierarchy)
    coarse = None
    if hierarchy is not None and decision.coarse_index is not None:
        index = decision.coarse_index
        children = [place for place, parent in enumerate(hierarchy.parents) if parent == index]
        coarse = CoarseAnswer(
            hierarchy.coarse.names[index],
            decision.coarse_probability or 0.0,
            _rank(manifest, decision.probabilities, children),
        )
    return decision.probabilities, coarse, decision.verdict


def recognise(
    pulled: PulledModel, photo: bytes, top_k: int = 5, where: str = "photo"
) -> Recognition:
    """Recognises a photo with a pulled model.

    Args:
        pulled: as `load_current` or a pull gives it.
        photo: the bytes of a photo file.
        top_k: how many answers at most, from 1.
        where: the photo's name, for messages.

    Raises:
        PhotoError: not a readable photo, or of a format that only the server takes.
        RuntimeMissingError: the runtime of the pulled artifact is not installed here.
        ArtifactError: the runtime cannot load the artifact.
        BundleError: the artifact answers for another number of labels.
    """
    manifest, artifact = pulled.manifest, pulled.artifacts[0]
    try:
        x_hwc = manifest.preprocess.read(photo, where)
    except PhotoError as error:
        if isinstance(error.__context__, UnidentifiedImageError):
            raise PhotoError(
                f"{error} on the device; the server takes AVIF besides, and HEIC where its decoder "
                "is installed"
            ) from None
        raise
    runner = open_runner(pulled.artifact_path(artifact), artifact.runtime)
    given = runner.answer(x_hwc[None])
    labels = given.probabilities.shape[1]
    if labels != len(manifest.labels):
        raise BundleError(
            f"{artifact.path} gives {labels} answers for {len(manifest.labels)} labels"
        )
    return rank_answers(manifest, artifact, given, top_k)
