"""Batches of photos for the network. The order and every random change follow from the seed."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from training.errors import ConfigError
from training.learning.augment import Augment
from training.learning.photo_cache import DecodedPhotos

Key = tuple[int, int, int]
"""What a training photo follows from: its epoch, its index, and its side in pixels."""
Batch = tuple[Tensor, Tensor]
_Indices = npt.NDArray[np.int64]


class AugmentedPhotos(Dataset[Batch]):
    """Training photos, each changed as (seed, epoch, index) say, whichever process asks."""

    def __init__(self, photos: DecodedPhotos, augment: Augment, seed: int) -> None:
        self.photos = photos
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: Any) -> Batch:
        x_nhwc, truth = self.__getitems__([key])
        return x_nhwc[0], truth[0]

    def __getitems__(self, keys: list[Key]) -> Batch:
        """Returns the batch of some keys of one side; `DataLoader` asks so for a whole batch."""
        side_px = keys[0][2]
        x_nhwc = torch.empty((len(keys), side_px, side_px, 3), dtype=torch.uint8)
        if get_worker_info() is not None:
            # Written where the training process reads it, instead of being copied there after.
            x_nhwc.share_memory_()  # type: ignore[no-untyped-call]
        pixels_nhwc = x_nhwc.numpy()
        for row, (epoch, index, _) in enumerate(keys):
            random = np.random.default_rng((self.seed, epoch, index))
            pixels_nhwc[row] = self.augment(self.photos.pixels(index), side_px, random)
        truth = torch.tensor([int(self.photos.class_indices[index]) for _, index, _ in keys])
        return x_nhwc, truth


class EpochBatches:
    """Sampler whose batches depend on the seed and the epoch alone.

    Every batch is full, so that BN never sees a stray single photo: an epoch leaves out the
    remainder, other photos each time. Fewer photos than one batch make a single smaller one.

    Processes that share the work each take their slice of the same batches, so that together they
    see what one process alone would.

    Args:
        class_indices: the label of each photo.
        batch_size: photos a step, over all processes together.
        seed: of the order.
        side_px: side of the photos.
        balance: 0 takes every photo once an epoch; above it, a class of n photos is drawn with
            weight n ** -balance a photo, as many photos an epoch as before. A photo is repeated
            only when all photos of its class are used up.
        rank: number of this process, from 0.
        world_size: number of processes.

    Attributes:
        epoch: set it before each epoch.
        side_px: side of the epoch's photos, in pixels; set it where it changes.
        first_step: steps that this epoch leaves out, because they were taken before a kill.

    Raises:
        ConfigError: processes cannot share a batch evenly.
    """

    def __init__(
        self,
        class_indices: Sequence[int] | _Indices,
        batch_size: int,
        seed: int,
        side_px: int,
        *,
        balance: float = 0.0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._photos = len(class_indices)
        self._batch_size = min(batch_size, self._photos)
        if self._batch_size % world_size:
            raise ConfigError(
                f"train.batch_size is {self._batch_size}: allowed are multiples of {world_size}, "
                "the number of processes"
            )
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._classes = _Classes(class_indices, balance, seed) if balance else None
        self.epoch = 0
        self.side_px = side_px
        self.first_step = 0

    @property
    def steps(self) -> int:
        """Steps of a whole epoch, those before `first_step` included."""
        return self._photos // self._batch_size

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[Key]]:
        order = self._draw_order()
        slice_size = self._batch_size // self._world_size
        for step in range(self.first_step, self.steps):
            start = step * self._batch_size + self._rank * slice_size
            chosen = order[start : start + slice_size]
            yield [(self.epoch, int(index), self.side_px) for index in chosen]

    def _draw_order(self) -> _Indices:
        random = np.random.default_rng((self._seed, self.epoch))
        if self._classes is None:
            return random.permutation(self._photos)
        return random.permutation(self._classes.draw(self.epoch, random))


class _Classes:
    """Draws photos class by class, by systematic sampling: each class within one of its share."""

    def __init__(self, class_indices: Sequence[int] | _Indices, balance: float, seed: int) -> None:
        labels = np.asarray(class_indices, np.int64)
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        # All photos, class after class, within a class in a random order that stays.
        self._members = shuffled[np.argsort(labels[shuffled], kind="stable")]
        counts = np.bincount(labels)
        self._sizes = counts[counts > 0]
        self._starts = np.cumsum(self._sizes) - self._sizes
        weights = self._sizes.astype(np.float64) ** (1 - balance)
        self._shares = len(labels) * weights / weights.sum()

    def draw(self, epoch: int, random: np.random.Generator) -> _Indices:
        """Returns the photos of an epoch, as many as there are photos, class after class."""
        edges = np.floor(np.cumsum(self._shares) + random.random()).astype(np.int64)
        edges[-1] = len(self._members)
        counts = np.diff(edges, prepend=0)
        # Each epoch goes on in a class where the one before stopped, so that all get their turn.
        turns = np.floor(epoch * self._shares).astype(np.int64)
        chosen = [
            self._members[start + (turn + np.arange(count)) % size]
            for start, size, turn, count in zip(
                self._starts, self._sizes, turns, counts, strict=True
            )
        ]
        return np.concatenate(chosen)


def load_batches(
    dataset: AugmentedPhotos, batches: EpochBatches, workers: int
) -> DataLoader[Batch]:
    """Returns a loader of (x_nhwc uint8 [N, H, W, 3], class indices int64 [N])."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_is,
        persistent_workers=workers > 0,
        # Its own: a loader draws from torch's when it starts, and a resumed run starts one more.
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="spawn" if workers else None,
    )


def _as_is(batch: Any) -> Any:
    return batch
