"""Mixup and CutMix: right targets, repeatable, and the same in slices as in one batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.learning.mixing import draw_box, mix, pair_neighbours

BOTH = [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat_photos(values: torch.Tensor) -> torch.Tensor:
    """Photos of one value each, so that a mixed photo's mean tells its ratio."""
    return values.float().view(-1, 1, 1, 1).expand(-1, 3, 16, 20).contiguous()


@given(st.integers(1, 9), st.sampled_from(BOTH), st.integers(0, 2**40))
def test_the_target_says_what_share_of_the_photo_is_of_which_class(
    count: int, alphas: tuple[float, float], seed: int
) -> None:
    truth = torch.arange(count)
    x, targets = mix(flat_photos(truth), truth, count, generator(seed), *alphas)
    assert targets.shape == (count, count)
    assert torch.allclose(targets.sum(1), torch.ones(count))
    # A photo's value is its class, so the mean over pixels is the mean of the target.
    assert torch.allclose(x.mean((1, 2, 3)), targets @ truth.float(), atol=1e-4)


@pytest.mark.parametrize("alphas", BOTH)
def test_slices_of_a_batch_are_mixed_as_the_whole_batch_is(alphas: tuple[float, float]) -> None:
    x, truth = torch.rand(8, 3, 8, 8), torch.arange(8)
    for seed in range(4):
        whole = mix(x, truth, 8, generator(seed), *alphas)
        parts = [
            mix(x[part], truth[part], 8, generator(seed), *alphas)
            for part in (slice(0, 4), slice(4, 8))
        ]
        for which in (0, 1):
            assert torch.equal(whole[which], torch.cat([part[which] for part in parts]))


def test_a_generator_repeats_and_goes_on() -> None:
    x, truth = torch.rand(4, 3, 8, 8), torch.arange(4)
    random = generator(1)
    first, second = (mix(x, truth, 4, random, 0.4, 1.0)[1] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, mix(x, truth, 4, generator(1), 0.4, 1.0)[1])


def test_with_both_alphas_a_batch_takes_one_of_the_two() -> None:
    x, truth = torch.rand(2, 3, 8, 8), torch.arange(2)
    cut = sum(
        bool(torch.isin(mix(x, truth, 2, generator(seed), 0.4, 1.0)[0], x).all())
        for seed in range(100)
    )
    assert 30 < cut < 70


def test_none_leaves_photos_and_memory_format_alone() -> None:
    x = torch.rand(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    truth = torch.tensor([0, 2, 1, 1])
    same, targets = mix(x, truth, 3, generator(0), 0.0, 0.0)
    assert same is x
    assert torch.equal(targets.argmax(1), truth)
    for alphas in BOTH[:2]:
        mixed, _ = mix(x, truth, 3, generator(0), *alphas)
        assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_an_odd_last_photo_stays() -> None:
    assert pair_neighbours(5).tolist() == [1, 0, 3, 2, 4]


@settings(max_examples=50)
@given(st.integers(1, 64), st.integers(1, 64), st.floats(0, 1), st.integers(0, 2**32))
def test_a_box_lies_in_the_photo(height: int, width: int, share: float, seed: int) -> None:
    top, bottom, left, right = draw_box(height, width, share, np.random.default_rng(seed))
    assert 0 <= top <= bottom <= height
    assert 0 <= left <= right <= width
