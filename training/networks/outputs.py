"""Asking a network: features and logits of photos, batch by batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.answers import Answers
from training.feature_density import FeatureDensity
from training.networks.ghostnet import GhostNet
from training.networks.normalise import Normalise


@dataclass(frozen=True)
class Outputs:
    """What a network makes of a batch, on the CPU.

    Attributes:
        features: what the classifier reads, float32, shape [N, 1280].
        logits: float32, shape [N, classes].
    """

    features: Tensor
    logits: Tensor

    def to_answers(self, density: FeatureDensity) -> Answers:
        """Returns probabilities, and the score of the features under the density."""
        scores = density(self.features.numpy()).astype(np.float32)
        return Answers(self.logits.softmax(dim=1).numpy(), scores)


def ask(
    model: GhostNet,
    normalise: Normalise,
    batches: Iterable[npt.NDArray[np.uint8]],
    device: torch.device | None = None,
) -> Iterator[Outputs]:
    """Yields what a network makes of each batch.

    Args:
        model: already on `device`; it is put into evaluation mode.
        normalise: scaling of the pixels.
        batches: preprocessed photos, uint8, shape [N, input_px, input_px, 3], RGB.
        device: where to compute; the CPU when not given.
    """
    model.eval()
    for x_nhwc in batches:
        # Within the loop: a generator that stands at a `yield` would leave the mode on outside.
        with torch.inference_mode():
            features = model.embed(normalise(torch.from_numpy(x_nhwc).to(device)))
            logits = model.classifier(features)
            outputs = Outputs(features.float().cpu(), logits.float().cpu())
        yield outputs
