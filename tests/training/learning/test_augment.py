"""Random changes of training photos: repeatable, right in shape, and never out of range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from training.learning.augment import (
    CHANGES,
    Augment,
    crop_and_resize,
    erase_rectangle,
    jitter_colour,
)
from training.preprocess import PixelsHwc
from training.recipe import TrainSettings

PLAIN = TrainSettings(policy="none", flip=False, colour_jitter=0, crop_scale_min=1.0)


def photo(width: int = 80, height: int = 60) -> PixelsHwc:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_photo() -> PixelsHwc:
    return np.asarray(Image.fromarray(photo(6, 5)).resize((70, 60), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("policy", ["none", "trivial", "rand"])
def test_the_same_seed_gives_the_same_photo(policy: str) -> None:
    augment = Augment(TrainSettings(policy=policy, erase_share=0.5))
    first, again, other = (
        augment(photo(), 32, np.random.default_rng(seed)) for seed in ((1, 2), (1, 2), (1, 3))
    )
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("index", range(len(CHANGES)))
@pytest.mark.parametrize("strength", [-1.0, 0.0, 1.0])
def test_every_change_keeps_size_and_mode(index: int, strength: float) -> None:
    changed = CHANGES[index](Image.fromarray(photo()), strength)
    assert changed.size == (80, 60)
    assert changed.mode == "RGB"


def test_all_off_leaves_only_the_crop() -> None:
    square = photo(64, 64)
    result = Augment(PLAIN)(square, 64, np.random.default_rng(0))
    # A crop of the whole area may only differ by its aspect ratio, which cannot exceed the photo.
    assert np.abs(result.astype(int) - square).mean() < 1


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1), st.integers(0, 2**32))
def test_any_photo_can_be_cropped(width: int, height: int, scale: float, seed: int) -> None:
    x_hwc = np.zeros((height, width, 3), np.uint8)
    result = crop_and_resize(x_hwc, 32, scale, np.random.default_rng(seed))
    assert result.shape == (32, 32, 3)


def test_a_reduced_crop_has_the_pixels_that_pillow_gives() -> None:
    x_hwc = photo(64, 64)
    result = crop_and_resize(x_hwc, 24, 1.0, np.random.default_rng(0))
    image = Image.fromarray(x_hwc).resize((24, 24), Image.Resampling.BILINEAR)
    assert np.abs(result.astype(int) - np.asarray(image)).max() <= 1


def test_mirroring_is_of_the_same_crop() -> None:
    plain, mirrored = (
        crop_and_resize(photo(), 32, 0.3, np.random.default_rng(7), turned)
        for turned in (False, True)
    )
    assert np.array_equal(plain[:, ::-1], mirrored)


@given(st.integers(0, 2**32))
def test_the_colour_matrix_is_brightness_contrast_and_saturation_in_this_order(seed: int) -> None:
    # Values in the middle, so that nothing is cut off on the way.
    image = Image.fromarray((smooth_photo() // 4 + 96).astype(np.uint8))
    jittered = jitter_colour(image, 0.2, np.random.default_rng(seed))
    factors = np.random.default_rng(seed).uniform(0.8, 1.2, 3)
    expected = image
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for enhance, factor in zip(kinds, factors, strict=True):
        expected = enhance(expected).enhance(factor)
    # Pillow rounds after each of the three, the matrix once.
    assert np.abs(np.asarray(jittered, int) - np.asarray(expected, int)).max() <= 3


@given(st.integers(1, 64), st.integers(1, 64), st.integers(0, 2**32))
def test_erasing_leaves_most_of_a_photo(height: int, width: int, seed: int) -> None:
    x_hwc = np.zeros((height, width, 3), np.uint8)
    erase_rectangle(x_hwc, np.random.default_rng(seed))
    changed = x_hwc.any(axis=2).mean()
    assert changed <= 0.4 + 2 * (height + width) / (height * width)
    if min(height, width) >= 16:
        assert changed > 0.005


def test_erasing_happens_to_the_share_of_photos_that_was_asked_for() -> None:
    augment = Augment(TrainSettings(policy="none", colour_jitter=0, erase_share=0.25))
    black = np.zeros((40, 40, 3), np.uint8)
    erased = sum(augment(black, 32, np.random.default_rng(seed)).any() for seed in range(200))
    assert 30 < erased < 75
