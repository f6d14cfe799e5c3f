"""What a network answers on photos, and how good that is."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from training.checkpoint import Checkpoint
from training.data import Photo
from training.errors import DataError
from training.ghostnet import GhostNet
from training.metrics import Indices, Probabilities, summarise
from training.normalise import Normalise
from training.photo_cache import DecodedPhotos, decode_all, read_preprocessed

_BATCH = 64


def predict(
    model: GhostNet, photos: DecodedPhotos, normalise: Normalise, device: torch.device
) -> tuple[Probabilities, float]:
    """Answers on preprocessed photos.

    Args:
        model: the network, already on `device`; it is put into evaluation mode.
        photos: as `read_preprocessed` gives them, all of one size.
        normalise: scaling of the pixels.
        device: where to compute.

    Returns:
        Probabilities, float32, shape [N, classes]; and the mean cross-entropy in nats.
    """
    model.eval()
    answers: list[Probabilities] = []
    truth = torch.tensor(photos.class_indices)
    loss = 0.0
    with torch.inference_mode():
        for start in range(0, len(photos), _BATCH):
            indices = range(start, min(start + _BATCH, len(photos)))
            pixels = np.stack([photos.pixels(index) for index in indices])
            logits = model(normalise(torch.from_numpy(pixels).to(device))).float().cpu()
            expected = truth[start : start + len(indices)]
            loss += float(torch.nn.functional.cross_entropy(logits, expected, reduction="sum"))
            answers.append(logits.softmax(dim=1).numpy())
    return np.concatenate(answers), loss / len(photos)


def truth_of(photos: Sequence[Photo] | DecodedPhotos) -> Indices:
    """Returns the true class of each photo, int64, shape [N]."""
    if isinstance(photos, DecodedPhotos):
        return np.array(photos.class_indices, np.int64)
    return np.array([photo.class_index for photo in photos], np.int64)


def evaluate(checkpoint: Checkpoint, photos: Sequence[Photo], workers: int) -> dict[str, Any]:
    """Measures a checkpoint on labelled photos.

    Args:
        checkpoint: the model; it defines the preprocessing.
        photos: labelled in the order of the checkpoint's labels.
        workers: processes to decode with.

    Returns:
        The figures of `training.metrics.summarise`.

    Raises:
        DataError: no photos.
        PhotoError: a photo cannot be decoded.
    """
    if not photos:
        raise DataError("no photos to evaluate on")
    decode = partial(read_preprocessed, preprocess=checkpoint.preprocess)
    device = torch.device("cpu")
    with decode_all(photos, decode, workers, "decode") as decoded:
        probabilities, loss = predict(checkpoint.model, decoded, checkpoint.normalise, device)
    target = checkpoint.settings.train.target_precision
    figures = summarise(probabilities, truth_of(photos), checkpoint.labels.names, target)
    return {"loss": loss, **figures}
