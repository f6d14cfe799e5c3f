"""Two scores are compared on the same photos, and a gain is only claimed where it is shown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.score_choice import compare_hits


def flags(hits: int, photos: int) -> np.ndarray:
    """The first of some photos are hits."""
    return np.arange(photos) < hits


def test_known_things_and_each_kind_of_unknown_ones_weigh_by_design():
    default = [flags(95, 100), flags(20, 100), flags(2, 10)]
    own = [flags(90, 100), flags(40, 100), flags(6, 10)]
    found = compare_hits(own, default)
    assert (found.kept, found.rejected) == (0.9, 0.5)
    assert found.gain == pytest.approx(0.5 * -0.05 + 0.25 * 0.2 + 0.25 * 0.4)


def test_a_few_photos_that_all_agree_prove_nothing():
    none, all_of_them = [flags(9, 9), flags(0, 2)], [flags(9, 9), flags(2, 2)]
    few = compare_hits(all_of_them, none)
    assert few.gain == 0.5
    assert few.gain_interval_95[0] <= 0.0
    many = compare_hits([flags(40, 40), flags(40, 40)], [flags(40, 40), flags(0, 40)])
    assert many.gain_interval_95[0] > 0.3


def test_the_interval_holds_the_true_gain_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        draws = rng.random((2, 60)), rng.random((2, 60))
        own = [draws[0][0] < 0.95, draws[1][0] < 0.5]
        default = [draws[0][1] < 0.95, draws[1][1] < 0.3]
        low, high = compare_hits(own, default).gain_interval_95
        held += low <= 0.5 * (0.5 - 0.3) <= high
    assert 0.92 <= held / 400 <= 0.99


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_a_gain_is_the_loss_of_the_other(seed, photos, kinds):
    rng = np.random.default_rng(seed)
    own, default = (
        [rng.random(photos) < 0.5 for _ in range(kinds + 1)] for _ in ("own", "default")
    )
    there, back = compare_hits(own, default), compare_hits(default, own)
    assert there.gain == pytest.approx(-back.gain)
    assert there.gain_interval_95 == pytest.approx(
        tuple(-end for end in back.gain_interval_95[::-1])
    )
    same = compare_hits(own, own)
    assert same.gain == 0
    assert same.gain_interval_95[0] < 0 < same.gain_interval_95[1]
