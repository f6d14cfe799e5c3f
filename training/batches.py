"""Batches of photos for the network. The order and every random change follow from the seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.augment import Augment
from training.photo_cache import DecodedPhotos

Key = tuple[int, int]


class AugmentedPhotos(Dataset[tuple[Tensor, int]]):
    """Training photos, each changed as (seed, epoch, index) say, whichever process asks."""

    def __init__(self, photos: DecodedPhotos, augment: Augment, seed: int) -> None:
        self.photos = photos
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: Any) -> tuple[Tensor, int]:
        epoch, index = key
        random = np.random.default_rng((self.seed, epoch, index))
        pixels = self.augment(Image.fromarray(self.photos.pixels(index)), random)
        return torch.from_numpy(pixels.copy()), self.photos.class_indices[index]


class EpochBatches:
    """Sampler whose batches depend on the seed and the epoch alone.

    Every batch is full, so that BN never sees a stray single photo: an epoch leaves out the
    remainder, other photos each time. Fewer photos than one batch make a single smaller one.
    """

    def __init__(self, photos: int, batch_size: int, seed: int) -> None:
        self.photos = photos
        self.batch_size = min(batch_size, photos)
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.photos // self.batch_size

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.photos)
        for step in range(len(self)):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield [(self.epoch, int(index)) for index in chosen]


def load_batches(
    dataset: Dataset[tuple[Tensor, int]], batches: EpochBatches, workers: int
) -> DataLoader[tuple[Tensor, int]]:
    """Returns a loader of (x_nhwc uint8 [N, H, W, 3], class indices int64 [N])."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Its own: a loader draws from torch's when it starts, and a resumed run starts one more.
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="spawn" if workers else None,
    )
