"""The self-test of a device: do the golden photos get the answers that were expected?

Raw JPEG bytes go in, so that decoding, turning, resizing and cropping are tested as well as the
model file and its runtime.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conversion.artifact import artifact_bytes
from conversion.errors import ArtifactError, RuntimeMissingError
from conversion.runners import Runner, open_runner
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact, Golden
from mobile_assets.released import ReleasedModel
from mobile_assets.unpacking import placed_path
from training.errors import PhotoError
from training.labels import LabelSet

# The answers expected come from the same file in the same runtime on the build machine, so what may
# differ honestly is the order of float additions on another CPU and the JPEG decoder. Measured with
# a GhostNet 0.5x of 16 classes at 96 px on 200 photos, as the largest difference of a probability:
# a decoder that is one level of 255 off in random pixels gives 0.015 at most; among any 16 photos,
# squashing instead of cropping gives 0.10 at least, ImageNet's mean and deviation replaced by one
# half 0.18, swapped channels 0.67. Another resampler gives 0.02 to 0.03 usually: caught mostly.
MAX_PROBABILITY_DIFFERENCE = 0.02
# Of a known score. Measured with a GhostNet 0.5x of 16 classes at 64 px on 64 photos: random pixels
# one level off give 0.07 at most; swapped channels 0.76 to 0.92 on the worst photo, 0.07 at the
# median, so that it is the probabilities that catch most faults, and this a broken score.
MAX_KNOWN_SCORE_DIFFERENCE = 0.1
_NOTHING_EXPECTED = "the bundle holds no expected answers for it"


@dataclass(frozen=True)
class PhotoResult:
    """How one golden photo was answered.

    Attributes:
        file: its path in the bundle.
        label: its true label.
        expected: the label expected first.
        answered: the label answered first.
        probability_difference: the largest over the labels, 0 to 1; infinite for no number.
        known_score_difference: of the known score; infinite for no number.
    """

    file: str
    label: str
    expected: str
    answered: str
    probability_difference: float
    known_score_difference: float

    @property
    def passed(self) -> bool:
        """Whether the answer is the one expected, within the tolerance."""
        return (
            self.probability_difference <= MAX_PROBABILITY_DIFFERENCE
            and self.known_score_difference <= MAX_KNOWN_SCORE_DIFFERENCE
        )


@dataclass(frozen=True)
class SelfTestReport:
    """How one artifact did on the golden photos.

    Attributes:
        artifact: its path in the bundle.
        evaluator: what ran it; empty where nothing did.
        not_executed: why it was not run here; empty where it was.
        failure: why it could not be run to the end, though its runtime is here.
        photos: one result a golden photo.
    """

    artifact: str
    evaluator: str
    not_executed: str
    failure: str
    photos: tuple[PhotoResult, ...]

    @property
    def executed(self) -> bool:
        """Whether the artifact was run here."""
        return not self.not_executed

    @property
    def passed(self) -> bool:
        """Whether it was run and every photo was answered as expected."""
        return self.executed and not self.reasons()

    @property
    def max_probability_difference(self) -> float:
        """The largest difference over photos and labels; 0 where nothing was run."""
        return max((photo.probability_difference for photo in self.photos), default=0.0)

    def reasons(self) -> list[str]:
        """Returns why it failed, in words; empty when it passed or was not run."""
        failure = [self.failure] if self.failure else []
        return failure + [
            f"{photo.file} is {photo.answered!r}, expected {photo.expected!r}; a probability "
            f"differs by {photo.probability_difference:.3g}, allowed is "
            f"{MAX_PROBABILITY_DIFFERENCE}, the known score by "
            f"{photo.known_score_difference:.3g}, allowed is {MAX_KNOWN_SCORE_DIFFERENCE}"
            for photo in self.photos
            if not photo.passed
        ]

    def describe(self) -> str:
        """Returns one line for a person."""
        if not self.executed:
            return f"{self.artifact}: not executed here: {self.not_executed}"
        if not self.passed:
            return f"{self.artifact}: FAILED: {'; '.join(self.reasons())}"
        return (
            f"{self.artifact}: {len(self.photos)} golden photos answered as expected "
            f"({self.evaluator}, largest probability difference "
            f"{self.max_probability_difference:.2g})"
        )


def run_golden(manifest: Manifest, folder: Path, artifact: BundledArtifact) -> SelfTestReport:
    """Runs the golden photos through an artifact of the network for devices.

    Args:
        manifest: names photos, expected answers and preprocessing.
        folder: holds the bundle's files under their paths, a `.mlpackage.zip` unpacked.
        artifact: which one.

    Returns:
        The figures. An artifact whose runtime is not installed here is reported as not executed.
    """
    if not _list_expected(manifest.device, artifact):
        return _skip(artifact, _NOTHING_EXPECTED)
    try:
        runner = open_runner(placed_path(folder, artifact), artifact.runtime)
    except RuntimeMissingError as error:
        return _skip(artifact, str(error))
    except ArtifactError as error:
        return SelfTestReport(artifact.path, "", "", str(error), ())
    return ask_golden(
        manifest.labels,
        manifest.device,
        artifact,
        runner,
        lambda path: artifact_bytes(folder / path),
    )


def ask_golden(
    labels: LabelSet,
    model: ReleasedModel,
    artifact: BundledArtifact,
    runner: Runner,
    read: Callable[[str], bytes],
) -> SelfTestReport:
    """Asks an opened artifact for the golden photos of its network.

    Args:
        labels: the release's.
        model: names photos, expected answers and preprocessing.
        artifact: which of its artifacts the runner holds.
        runner: the artifact in its runtime.
        read: returns the bytes of a file at a path of the bundle.
    """
    expected = _list_expected(model, artifact)
    if not expected:
        return _skip(artifact, _NOTHING_EXPECTED)
    if runner.labels is not None and tuple(runner.labels) != labels.names:
        failure = f"the labels inside {artifact.path} are not those of the manifest"
        return SelfTestReport(artifact.path, runner.evaluator, "", failure, ())
    try:
        photos = tuple(
            _answer(labels, model, artifact, runner, golden, read(golden.file))
            for golden in expected
        )
    except (ArtifactError, PhotoError) as error:
        return SelfTestReport(artifact.path, runner.evaluator, "", str(error), ())
    return SelfTestReport(artifact.path, runner.evaluator, "", "", photos)


def _skip(artifact: BundledArtifact, why: str) -> SelfTestReport:
    return SelfTestReport(artifact.path, "", why, "", ())


def _list_expected(model: ReleasedModel, artifact: BundledArtifact) -> list[Golden]:
    return [golden for golden in model.golden if artifact.path in golden.answers]


def _answer(
    labels: LabelSet,
    model: ReleasedModel,
    artifact: BundledArtifact,
    runner: Runner,
    golden: Golden,
    photo: bytes,
) -> PhotoResult:
    given = runner.answer(model.preprocess.read(photo, golden.file)[None])
    probabilities = given.probabilities[0]
    wanted = np.array(golden.answers[artifact.path])
    if probabilities.shape != wanted.shape:
        raise ArtifactError(
            f"{artifact.path} gives {probabilities.size} answers for {len(labels)} labels"
        )
    difference = float(np.max(np.abs(probabilities - wanted)))
    score_difference = abs(float(given.known_scores[0]) - golden.known_scores[artifact.path])
    return PhotoResult(
        file=golden.file,
        label=golden.label,
        expected=labels.names[int(wanted.argmax())],
        answered=labels.names[int(probabilities.argmax())],
        probability_difference=_or_infinite(difference),
        known_score_difference=_or_infinite(score_difference),
    )


def _or_infinite(difference: float) -> float:
    return difference if np.isfinite(difference) else float("inf")
