"""The density of a trained network's features, from the photos that it was trained on."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from training.feature_density import FeatureDensity, fit_feature_density
from training.learning.photo_cache import DecodedPhotos
from training.networks.ghostnet import GhostNet
from training.networks.normalise import Normalise
from training.networks.outputs import ask
from training.preprocess import Preprocess

# Features of so many photos are held at once, 100 MB; more would hardly move the density, which
# has as many numbers as 65 photos have.
MOST_PHOTOS = 20_000
_BATCH = 64


def fit_density(
    model: GhostNet,
    photos: DecodedPhotos,
    preprocess: Preprocess,
    normalise: Normalise,
    device: torch.device,
) -> FeatureDensity:
    """Fits the density to features of training photos, resized and cropped as an app does.

    Args:
        model: the averaged network, already on `device`.
        photos: training photos as `read_whole` gives them. They were made smaller before, which
            blurs them less than the resize does that follows.
        preprocess: the resize and crop of the network.
        normalise: scaling of the pixels.
        device: where to compute.

    Raises:
        DataError: fewer than two photos.
        PhotoError: a photo that was not kept decoded cannot be decoded.
    """
    batches = _preprocessed(photos, choose_evenly(len(photos), MOST_PHOTOS), preprocess)
    outputs = ask(model, normalise, batches, device)
    return fit_feature_density(np.concatenate([each.features.numpy() for each in outputs]))


def choose_evenly(count: int, most: int) -> npt.NDArray[np.int64]:
    """Returns the places of at most `most` of `count` photos, as far apart as they can be.

    Sources list photos class after class, so that each class keeps its share.
    """
    chosen = min(count, most)
    return np.arange(chosen, dtype=np.int64) * count // max(chosen, 1)


def _preprocessed(
    photos: DecodedPhotos, places: npt.NDArray[np.int64], preprocess: Preprocess
) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(places), _BATCH):
        chosen = places[start : start + _BATCH]
        yield np.stack([preprocess(Image.fromarray(photos.pixels(int(at)))) for at in chosen])
