"""Order of photos and their changes follow from the seed and the epoch alone."""

from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.config import DataSettings
from training.errors import ConfigError
from training.learning.augment import Augment
from training.learning.batches import AugmentedPhotos, EpochBatches, load_batches
from training.learning.photo_cache import decode_all, read_whole
from training.recipe import TrainSettings
from training.sources.data import open_source


def make_batches(photos: int, batch_size: int, seed: int, **more: Any) -> EpochBatches:
    return EpochBatches([0] * photos, batch_size, seed, 64, **more)


def test_every_epoch_has_its_own_order_and_repeats_it() -> None:
    batches = make_batches(20, 6, seed=1)
    first = list(batches)
    batches.epoch = 1
    batches.side_px = 96
    second = list(batches)
    batches.epoch = 0
    batches.side_px = 64
    assert list(batches) == first != second
    assert len(first) == len(batches) == batches.steps == 3
    assert all(len(batch) == 6 for batch in first)
    indices = [index for batch in first for _, index, _ in batch]
    assert len(set(indices)) == 18
    assert {side_px for batch in first for *_, side_px in batch} == {64}
    assert {(epoch, side_px) for batch in second for epoch, _, side_px in batch} == {(1, 96)}


def test_fewer_photos_than_a_batch_make_one_smaller_batch() -> None:
    assert [len(batch) for batch in make_batches(3, 8, seed=0)] == [3]


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    slice_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    balance=st.sampled_from([0.0, 0.5, 1.0]),
    epoch=st.integers(0, 9),
)
def test_the_slices_of_all_processes_are_the_batches_of_one(
    labels: list[int], slice_size: int, world_size: int, seed: int, balance: float, epoch: int
) -> None:
    batch_size = slice_size * world_size
    if len(labels) < batch_size:
        labels = labels * batch_size
    one, *several = (
        EpochBatches(labels, batch_size, seed, 64, balance=balance, rank=rank, world_size=size)
        for rank, size in [(0, 1), *((rank, world_size) for rank in range(world_size))]
    )
    for batches in (one, *several):
        batches.epoch = epoch
    together = [list(chain(*parts)) for parts in zip(*several, strict=True)]
    assert together == list(one)


def test_processes_that_cannot_share_a_batch_evenly_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiples of 3"):
        make_batches(40, 16, seed=0, rank=1, world_size=3)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 40), st.booleans())
def test_a_resumed_epoch_goes_on_where_it_was(
    photos: int, batch_size: int, step: int, balanced: bool
) -> None:
    batches = make_batches(photos, batch_size, seed=5, balance=1.0 if balanced else 0.0)
    whole = list(batches)
    batches.first_step = min(step, batches.steps)
    assert list(batches) == whole[batches.first_step :]
    assert len(batches) == len(whole) - batches.first_step


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    balance=st.floats(0.01, 1),
    epoch=st.integers(0, 20),
    seed=st.integers(0, 2**32),
)
def test_balanced_classes_get_their_share_with_as_little_repetition_as_possible(
    sizes: list[int], balance: float, epoch: int, seed: int
) -> None:
    labels = np.repeat(np.arange(len(sizes)) * 2, sizes)  # every other class has no photo
    np.random.default_rng(seed).shuffle(labels)
    batches = EpochBatches(labels, 1, seed, 64, balance=balance)
    batches.epoch = epoch
    drawn = np.array([index for batch in batches for _, index, _ in batch])
    assert len(drawn) == len(labels)
    weights = np.array(sizes, float) ** (1 - balance)
    shares = len(labels) * weights / weights.sum()
    for place, share in enumerate(shares):
        times = np.bincount(drawn, minlength=len(labels))[labels == 2 * place]
        assert abs(times.sum() - share) < 1 + 1e-9
        assert times.max() - times.min() <= 1


def test_balanced_epochs_take_turns_through_a_large_class() -> None:
    labels = [0] * 90 + [1] * 10
    batches = EpochBatches(labels, 10, 0, 64, balance=1.0)
    seen: set[int] = set()
    for epoch in range(2):  # 50 of the 90 each
        batches.epoch = epoch
        seen |= {index for batch in batches for _, index, _ in batch}
    assert len(seen) == 100


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_made_at_the_side_of_their_epoch(workers: int) -> None:
    photos = open_source(DataSettings(train_per_class=1, validation_per_class=1)).train[:4]
    augment = Augment(TrainSettings(policy="trivial", erase_share=0.5))
    with decode_all(photos, partial(read_whole, short_px=64), 0, "decode") as decoded:
        dataset = AugmentedPhotos(decoded, augment, seed=3)
        batches = EpochBatches(decoded.class_indices, 2, 3, 32)
        loader = load_batches(dataset, batches, workers)
        for epoch, side_px in enumerate((32, 64)):
            batches.epoch, batches.side_px = epoch, side_px
            for (x_nhwc, truth), keys in zip(loader, batches, strict=True):
                assert x_nhwc.shape == (2, side_px, side_px, 3)
                assert x_nhwc.dtype == torch.uint8
                assert truth.tolist() == [photos[index].class_index for _, index, _ in keys]
                # Whoever asks, alone or in a batch, gets the same photo for the same key.
                assert all(
                    torch.equal(dataset[key][0], x_hwc)
                    for key, x_hwc in zip(keys, x_nhwc, strict=True)
                )
