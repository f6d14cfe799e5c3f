"""From a photo's bytes to names: what an app does with a pulled model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conversion.runners import open_runner
from mobile_assets.errors import BundleError
from mobile_assets.installed import PulledModel
from mobile_assets.manifest import Manifest

SURE_THRESHOLD = "sure"


@dataclass(frozen=True)
class Answer:
    """A label and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True)
class Recognition:
    """What a model says of a photo.

    Attributes:
        model: name of the model.
        version: its version.
        answers: the likeliest labels, the first first.
        is_sure: whether the first answer reaches the threshold "sure".
    """

    model: str
    version: str
    answers: tuple[Answer, ...]
    is_sure: bool

    @property
    def verdict(self) -> str:
        """Returns "sure" or "unsure"."""
        return "sure" if self.is_sure else "unsure"


def rank_answers(
    manifest: Manifest, probabilities: npt.NDArray[np.float32], top_k: int
) -> Recognition:
    """Names the likeliest labels.

    Args:
        manifest: gives the labels and the threshold.
        probabilities: float32, shape [classes], 0 to 1.
        top_k: how many answers at most, from 1.
    """
    # Stable, so that equal probabilities come in label order everywhere.
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    answers = tuple(
        Answer(manifest.labels.names[int(index)], float(probabilities[index])) for index in order
    )
    threshold = manifest.thresholds.get(SURE_THRESHOLD)
    is_sure = threshold is not None and threshold.is_reached(answers[0].probability)
    return Recognition(manifest.model, manifest.version, answers, is_sure)


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
        PhotoError: not a readable photo.
        RuntimeMissingError: the runtime of the pulled artifact is not installed here.
        ArtifactError: the runtime cannot load the artifact.
        BundleError: the artifact answers for another number of labels.
    """
    manifest, artifact = pulled.manifest, pulled.artifacts[0]
    x_hwc = manifest.preprocess.read(photo, where)
    runner = open_runner(pulled.artifact_path(artifact), artifact.runtime)
    probabilities = runner.probabilities(x_hwc[None])[0]
    if probabilities.shape != (len(manifest.labels),):
        raise BundleError(
            f"{artifact.path} gives {probabilities.size} answers for {len(manifest.labels)} labels"
        )
    return rank_answers(manifest, probabilities, top_k)
