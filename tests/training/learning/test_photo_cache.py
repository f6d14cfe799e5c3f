"""Decoded photos on disk: the same pixels from the file, from a decoder, and in any process."""

import io
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.config import DataSettings
from training.learning.photo_cache import (
    decode_all,
    read_preprocessed,
    read_whole,
    remove_leftovers,
)
from training.photos import Photo
from training.preprocess import Preprocess
from training.sources.data import open_source


def some_photos(count: int) -> list[Photo]:
    source = open_source(DataSettings(train_per_class=2, validation_per_class=1))
    return list(source.train[:count])


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


@pytest.mark.parametrize("fitting", [0, 2, 5])
def test_photos_beyond_the_size_are_decoded_when_asked_for(fitting: int, tmp_path: Path) -> None:
    photos, decode = some_photos(5), partial(read_whole, short_px=48)
    sizes = [decode(photo).nbytes for photo in photos]
    limit = sum(sizes[:fitting])
    with decode_all(photos, decode, 0, "decode", tmp_path, size_bytes=limit) as decoded:
        assert decoded.kept == fitting
        assert decoded.size_bytes == decoded.path.stat().st_size == limit
        # As a worker process gets it.
        elsewhere = pickle.loads(pickle.dumps(decoded))
        for index, photo in enumerate(photos):
            assert np.array_equal(decoded.pixels(index), decode(photo))
            assert np.array_equal(elsewhere.pixels(index), decode(photo))
    assert list(tmp_path.iterdir()) == []


def test_changes_of_a_photo_do_not_reach_the_file() -> None:
    with decode_all(some_photos(1), partial(read_whole, short_px=48), 0, "decode") as decoded:
        before = decoded.pixels(0).copy()
        copy = pickle.loads(pickle.dumps(decoded))
        decoded.pixels(0)[:] = 0
        assert np.array_equal(copy.pixels(0), before)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    context = decode_all(some_photos(1), partial(read_whole, short_px=48), 0, "decode", tmp_path)
    context.__enter__()  # and never left
    kept = tmp_path / "checkpoint"
    kept.touch()
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


class EncodedPhoto:
    """Bytes of a large JPEG, as a photo's `read` gives them."""

    def __call__(self) -> bytes:
        small = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((800, 600), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        return buffer.getvalue()


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    photo = Photo("large.jpg", 0, EncodedPhoto())
    quick = read_whole(photo, short_px=100)
    assert quick.shape == (100, 133, 3)
    image = Image.open(io.BytesIO(photo.read())).resize((133, 100), Image.Resampling.LANCZOS)
    assert np.abs(quick.astype(int) - np.asarray(image, int)).mean() < 2
