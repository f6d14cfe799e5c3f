"""What a network answers on photos."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from training.answers import Answers
from training.checkpoint import Checkpoint
from training.evaluation.judged import Judged
from training.evaluation.metrics import Indices, Probabilities
from training.evaluation.summary import Predictions
from training.feature_density import FeatureDensity
from training.learning.photo_cache import Decode, DecodedPhotos, decode_all, read_preprocessed
from training.networks.ghostnet import GhostNet
from training.networks.normalise import Normalise
from training.networks.outputs import ask
from training.photos import UNKNOWN
from training.sources.data import Photo

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
        Probabilities, float32, shape [N, classes]; and the mean cross-entropy in nats, to which
        photos of unknown things add nothing.
    """
    answers: list[Probabilities] = []
    truth = torch.tensor(photos.class_indices)
    loss = 0.0
    batches = ask(model, normalise, photos.batches(_BATCH), device)
    for outputs, expected in zip(batches, torch.split(truth, _BATCH), strict=True):
        logits = outputs.logits
        loss += float(cross_entropy(logits, expected, reduction="sum", ignore_index=UNKNOWN))
        answers.append(logits.softmax(dim=1).numpy())
    return np.concatenate(answers), loss / len(photos)


def answer_all(
    model: GhostNet,
    density: FeatureDensity,
    photos: DecodedPhotos,
    normalise: Normalise,
    device: torch.device,
) -> Answers:
    """Answers on preprocessed photos with both outputs.

    Args:
        model: the network, already on `device`; it is put into evaluation mode.
        density: of the network's features on its training photos.
        photos: as `read_preprocessed` gives them, all of one size.
        normalise: scaling of the pixels.
        device: where to compute.
    """
    outputs = ask(model, normalise, photos.batches(_BATCH), device)
    return Answers.concatenate(each.to_answers(density) for each in outputs)


def truth_of(photos: Sequence[Photo] | DecodedPhotos) -> Indices:
    """Returns the true class of each photo, int64, shape [N]."""
    if isinstance(photos, DecodedPhotos):
        return np.array(photos.class_indices, np.int64)
    return np.array([photo.class_index for photo in photos], np.int64)


def evaluate(checkpoint: Checkpoint, judged: Judged, workers: int) -> Predictions:
    """Answers on the photos that a checkpoint is to be judged on.

    Args:
        checkpoint: the model; it defines the preprocessing.
        judged: photos with the checkpoint's own labels, and photos of unknown things.
        workers: processes to decode with.

    Raises:
        PhotoError: a photo cannot be decoded.
    """
    device = torch.device("cpu")

    def answer(decoded: DecodedPhotos) -> Answers:
        return answer_all(
            checkpoint.model, checkpoint.density, decoded, checkpoint.normalise, device
        )

    decode = partial(read_preprocessed, preprocess=checkpoint.preprocess)
    with decode_all(judged.photos, decode, workers, "decode") as decoded:
        known = answer(decoded)
    unknown = answer_unknown(judged.unknown, decode, answer, workers)
    return Predictions(known, truth_of(judged.photos), unknown)


def answer_unknown(
    photos: Mapping[str, Sequence[Photo]],
    decode: Decode,
    answer: Callable[[DecodedPhotos], Answers],
    workers: int,
) -> dict[str, Answers]:
    """Answers on photos of unknown things.

    Args:
        photos: kind -> photos of it.
        decode: from a photo to the network's input.
        answer: from decoded photos to answers.
        workers: processes to decode with.

    Returns:
        Kind -> answers.
    """
    answers = {}
    for kind, those in photos.items():
        with decode_all(those, decode, workers, f"decode {kind}") as decoded:
            answers[kind] = answer(decoded)
    return answers
