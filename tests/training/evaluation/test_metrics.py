"""Figures: intervals, ranks, confusions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.metrics import count_confusions, measure_accuracy, rank_hits
from training.evaluation.metrics import wilson_interval as wilson


def test_wilson_interval_matches_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263; 15 of 148; 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share(case: tuple[int, int]) -> None:
    low, high = wilson(*case)
    assert 0 <= low <= case[0] / case[1] <= high <= 1


def test_counts_the_true_class_among_the_best() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]], np.float32)
    truth = np.array([2, 0, 0])
    assert [rank_hits(probabilities, truth, k) for k in (1, 2, 3, 5)] == [1, 2, 3, 3]


def test_confusions_have_truth_in_rows() -> None:
    counts = count_confusions(np.array([1, 1, 0]), np.array([0, 0, 0]), 2)
    assert counts.tolist() == [[1, 2], [0, 0]]


def test_summary_gives_precision_and_recall_of_each_class() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0]], np.float32)
    figures = measure_accuracy(probabilities, np.array([0, 1, 1]), ("a", "b", "c"))
    assert figures["top1"] == pytest.approx(2 / 3)
    assert [entry["precision"] for entry in figures["per_class"]] == [0.5, 1.0, None]
    assert [entry["recall"] for entry in figures["per_class"]] == [1.0, 0.5, None]
