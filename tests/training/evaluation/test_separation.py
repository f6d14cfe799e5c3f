"""How well a score separates: known areas, and intervals that hold what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import DataError
from training.evaluation.separation import auroc_interval, compare_areas, measure_separation

SCORES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(known: np.ndarray, unknown: np.ndarray) -> None:
    wins = (known[:, None] > unknown) + 0.5 * (known[:, None] == unknown)
    found = measure_separation(known, unknown)
    assert found.auroc == pytest.approx(wins.mean())
    low, high = found.auroc_interval_95
    assert 0 <= low <= found.auroc <= high <= 1


@given(SCORES, SCORES)
def test_the_threshold_keeps_95_percent_of_known_things(
    known: np.ndarray, unknown: np.ndarray
) -> None:
    allowed = [t for t in known if (known >= t).mean() >= 0.95]
    expected = (unknown >= max(allowed)).mean()
    found = measure_separation(known, unknown)
    assert found.fpr == pytest.approx(expected)
    assert found.fpr_interval_95[0] <= found.fpr <= found.fpr_interval_95[1]


def test_few_photos_that_do_not_overlap_prove_little() -> None:
    few = measure_separation(np.array([3.0, 4.0]), np.array([1.0, 2.0]))
    many = measure_separation(np.arange(100) + 500.0, np.arange(100.0))
    assert few.auroc == many.auroc == 1
    assert few.auroc_interval_95[0] < 0.6 < 0.95 < many.auroc_interval_95[0] < 1
    assert few.fpr_interval_95[1] > 0.5


def test_the_interval_holds_the_true_area_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    truth = 0.8556  # normal distributions of variance 1, 1.5 apart: Phi(1.5 / sqrt(2))
    held = 0
    for _ in range(400):
        known, unknown = rng.normal(1.5, 1, 60), rng.normal(0, 1, 40)
        low, high = measure_separation(known, unknown).auroc_interval_95
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.99


def test_the_difference_of_two_areas_knows_that_the_photos_are_the_same() -> None:
    rng = np.random.default_rng(2)
    known, unknown = rng.normal(1.5, 1, 150), rng.normal(0, 1, 120)
    noisy = known + rng.normal(0, 0.8, 150), unknown + rng.normal(0, 0.8, 120)
    gain, (low, high) = compare_areas(known, unknown, *noisy)
    first, second = measure_separation(known, unknown), measure_separation(*noisy)
    assert gain == pytest.approx(first.auroc - second.auroc)
    assert low <= gain <= high
    alone = np.hypot(*(np.ptp(found.auroc_interval_95) for found in (first, second)))
    assert high - low < 0.8 * alone
    assert compare_areas(known, unknown, known, unknown) == (0, (0, 0))


def test_the_interval_of_a_difference_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        shared_known, shared_unknown = rng.normal(1.5, 1, 60), rng.normal(0, 1, 40)
        one, two = (
            (shared_known + rng.normal(0, 0.5, 60), shared_unknown + rng.normal(0, 0.5, 40))
            for _ in range(2)
        )
        low, high = compare_areas(*one, *two)[1]
        held += low <= 0 <= high
    assert 0.91 <= held / 400 <= 0.99


def test_the_interval_of_chance_holds_one_half() -> None:
    low, high = auroc_interval(0.5, 50, 50)
    assert low == pytest.approx(1 - high)
    assert 0.35 < low < 0.45


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")]])
def test_no_scores_or_no_numbers_are_refused(bad: list[float]) -> None:
    for known, unknown in ((bad, [1.0]), ([1.0], bad)):
        with pytest.raises(DataError, match="all must be finite, from one"):
            measure_separation(np.array(known), np.array(unknown))
