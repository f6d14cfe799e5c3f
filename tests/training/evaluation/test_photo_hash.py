"""Perceptual hashes: alike photos are near, others are far, and the file keeps both."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from training.config import DataSettings
from training.errors import DataError, PhotoError
from training.evaluation.leakage import LIMIT_BITS
from training.evaluation.photo_hash import PhotoHashes, hash_image, hash_photos, hash_pixels
from training.photos import Photo
from training.preprocess import decode_photo
from training.sources.data import open_source

Change = Callable[[Image.Image], Image.Image]


def count_bits(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(one ^ other).sum())


def encode_badly(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


CHANGES: dict[str, Change] = {
    "encoded badly": encode_badly,
    "half as large": lambda image: image.resize((image.width // 2, image.height // 2)),
    "stretched": lambda image: image.resize((image.width, image.height * 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "cut at the edges": lambda image: ImageOps.crop(image, image.width // 50),
}


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    settings = DataSettings(train_per_class=1, validation_per_class=1)
    return [decode_photo(photo.read()) for photo in open_source(settings).train]


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_near_its_photo(name: str, photos: list[Image.Image]) -> None:
    for photo in photos:
        copy = hash_image(CHANGES[name](photo))[0]
        assert count_bits(copy, hash_image(photo)[0]) <= LIMIT_BITS


def test_other_photos_are_far(photos: list[Image.Image]) -> None:
    words = [hash_image(photo)[0] for photo in photos]
    nearest = min(count_bits(a, b) for i, a in enumerate(words) for b in words[:i])
    assert nearest > LIMIT_BITS


def test_the_second_row_is_the_hash_of_the_mirror_image(photos: list[Image.Image]) -> None:
    for photo in photos:
        upright, mirrored = hash_image(photo)
        assert count_bits(hash_image(ImageOps.mirror(photo))[0], mirrored) <= 4
        assert count_bits(upright, mirrored) > LIMIT_BITS


@pytest.mark.parametrize("colour", ["white", "black", "#777"])
def test_a_plain_photo_has_a_hash(colour: str) -> None:
    assert hash_image(Image.new("RGB", (5, 300), colour)).shape == (2, 3)


def test_hashes_survive_their_file_and_the_same_give_the_same_bytes() -> None:
    photos = open_source(DataSettings(train_per_class=1, validation_per_class=1)).train
    renamed = [Photo(f"Äpfel, {i}\n", 0, photo.read) for i, photo in enumerate(photos)]
    hashes = hash_photos(renamed, 2)
    back = PhotoHashes.from_bytes(hashes.to_bytes(), "here")
    assert back.names == hashes.names
    assert np.array_equal(back.words, hashes.words)
    assert np.array_equal(back.mirrored, hashes.mirrored)
    assert hashes.to_bytes() == hash_photos(renamed, 1).to_bytes()
    empty = PhotoHashes.from_bytes(hash_photos([]).to_bytes(), "here")
    assert len(empty) == 0


def test_photos_that_are_decoded_already_have_the_hashes_of_their_files() -> None:
    photos = open_source(DataSettings(train_per_class=1, validation_per_class=1)).train

    def read_reduced(index: int) -> np.ndarray:
        image = decode_photo(photos[index].read())
        return np.array(image.resize((image.width * 2 // 3, image.height * 2 // 3)))

    reduced = hash_pixels([photo.name for photo in photos], read_reduced, 2)
    whole = hash_photos(photos, 2)
    assert reduced.names == whole.names
    assert np.bitwise_count(reduced.words ^ whole.words).sum(axis=1).max() <= LIMIT_BITS // 4


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_file_of_something_else_is_named(data: bytes) -> None:
    with pytest.raises(DataError, match=r"here\.npz holds no hashes"):
        PhotoHashes.from_bytes(data, "here.npz")


def test_a_photo_that_cannot_be_read_is_named() -> None:
    with pytest.raises(PhotoError, match="broken"):
        hash_photos([Photo("broken", 0, lambda: b"no photo")])
