"""Order of photos and their changes follow from the seed and the epoch alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from training.batches import EpochBatches
from training.config import DataSettings
from training.data import open_source
from training.photo_cache import decode_all, read_preprocessed, read_whole
from training.preprocess import Preprocess


def test_every_epoch_has_its_own_order_and_repeats_it() -> None:
    batches = EpochBatches(photos=20, batch_size=6, seed=1)
    first = list(batches)
    batches.epoch = 1
    second = list(batches)
    batches.epoch = 0
    assert list(batches) == first != second
    assert len(first) == len(batches) == 3
    assert all(len(batch) == 6 for batch in first)
    indices = [index for batch in first for _epoch, index in batch]
    assert len(set(indices)) == 18


def test_fewer_photos_than_a_batch_make_one_smaller_batch() -> None:
    assert [len(batch) for batch in EpochBatches(photos=3, batch_size=8, seed=0)] == [3]


@pytest.mark.parametrize("workers", [0, 2])
def test_decoded_photos_are_the_photos(workers: int) -> None:
    photos = open_source(DataSettings(train_per_class=15, validation_per_class=1)).train
    preprocess = Preprocess.for_input(64)
    decode = partial(read_preprocessed, preprocess=preprocess)
    with decode_all(photos, decode, workers, "decode") as decoded:
        path = decoded.path
        assert len(decoded) == len(photos)
        for index in (0, 1, len(photos) - 1):
            expected = preprocess.read(photos[index].read())
            assert np.array_equal(decoded.pixels(index), expected)
            assert decoded.class_indices[index] == photos[index].class_index
    assert not path.exists()


def test_large_photos_are_reduced_and_small_ones_kept() -> None:
    photo = open_source(DataSettings(train_per_class=1, validation_per_class=1)).train[0]
    reduced = read_whole(photo, short_px=50)
    assert min(reduced.shape[:2]) == 50
    assert min(read_whole(photo, short_px=4000).shape[:2]) > 50


def test_the_temporary_file_goes_even_after_an_error() -> None:
    photos = open_source(DataSettings(train_per_class=1, validation_per_class=1)).train
    seen: list[Path] = []
    with (
        pytest.raises(ValueError, match="stop"),
        decode_all(photos, partial(read_whole, short_px=50), 0, "decode") as decoded,
    ):
        seen.append(decoded.path)
        raise ValueError("stop")
    assert not seen[0].exists()
