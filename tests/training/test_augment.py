"""Random changes of training photos: repeatable, right in shape, and never out of range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.augment import CHANGES, Augment, crop_and_resize
from training.recipe import TrainSettings


def photo(width: int = 80, height: int = 60) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("policy", ["none", "trivial", "rand"])
def test_the_same_seed_gives_the_same_photo(policy: str) -> None:
    augment = Augment(TrainSettings(policy=policy), 32)
    first, again, other = (
        augment(photo(), np.random.default_rng(seed)) for seed in ((1, 2), (1, 2), (1, 3))
    )
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("index", range(len(CHANGES)))
@pytest.mark.parametrize("strength", [-1.0, 0.0, 1.0])
def test_every_change_keeps_size_and_mode(index: int, strength: float) -> None:
    changed = CHANGES[index](photo(), strength)
    assert changed.size == (80, 60)
    assert changed.mode == "RGB"


def test_all_off_leaves_only_the_crop() -> None:
    settings = TrainSettings(policy="none", flip=False, colour_jitter=0, crop_scale_min=1.0)
    square = photo(64, 64)
    result = Augment(settings, 64)(square, np.random.default_rng(0))
    # A crop of the whole area may only differ by its aspect ratio, which cannot exceed the photo.
    assert np.abs(result.astype(int) - np.asarray(square, int)).mean() < 1


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1), st.integers(0, 2**32))
def test_any_photo_can_be_cropped(width: int, height: int, scale: float, seed: int) -> None:
    result = crop_and_resize(
        Image.new("RGB", (width, height)), 32, scale, np.random.default_rng(seed)
    )
    assert result.size == (32, 32)
