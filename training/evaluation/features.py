"""What a network makes of photos before the softmax: logits, and the features under them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from training.checkpoint import Checkpoint
from training.errors import DataError
from training.learning.photo_cache import decode_all, read_preprocessed
from training.networks.outputs import ask
from training.photos import Photo

_BATCH = 64


@dataclass(frozen=True)
class Features:
    """Answers on some photos, in their order.

    Attributes:
        logits: float32, shape [N, classes].
        embeddings: float32, shape [N, 1280].
        class_indices: int64, shape [N]; `UNKNOWN` for photos of none of the labels.
    """

    logits: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32]
    class_indices: npt.NDArray[np.int64]

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """The softmax of the logits, float64, shape [N, classes]."""
        powers = np.exp(self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def select(self, chosen: npt.NDArray[np.bool_]) -> "Features":
        """Returns some of the photos.

        Args:
            chosen: which, shape [N].
        """
        return Features(self.logits[chosen], self.embeddings[chosen], self.class_indices[chosen])


def read_features(
    checkpoint: Checkpoint, photos: Sequence[Photo], workers: int, progress: str = "decode"
) -> Features:
    """Asks the network about photos, preprocessed as an app does.

    Args:
        checkpoint: the model; it defines the preprocessing.
        photos: any; their classes are passed on.
        workers: processes to decode with.
        progress: words beside the progress bar.

    Raises:
        DataError: no photos.
        PhotoError: a photo cannot be decoded.
    """
    if not photos:
        raise DataError("no photos to ask the network about")
    decode = partial(read_preprocessed, preprocess=checkpoint.preprocess)
    with decode_all(photos, decode, workers, progress) as decoded:
        outputs = list(ask(checkpoint.model, checkpoint.normalise, decoded.batches(_BATCH)))
        classes = np.array(decoded.class_indices, np.int64)
    return Features(
        np.concatenate([each.logits.numpy() for each in outputs]),
        np.concatenate([each.features.numpy() for each in outputs]),
        classes,
    )
