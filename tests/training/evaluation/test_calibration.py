"""Calibration: known cases by hand, and an honest network."""

import numpy as np
import pytest

from training.evaluation.calibration import measure_calibration


def answer(best: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    probabilities = np.array([[value, 1 - value] for value in best])
    return probabilities, np.array([0 if hit else 1 for hit in right])


def test_figures_of_four_answers_by_hand() -> None:
    figures = measure_calibration(*answer([0.9, 0.9, 0.6, 0.6], [True, True, True, False]))
    assert figures["nll"] == pytest.approx(-np.log([0.9, 0.9, 0.6, 0.4]).mean())
    assert figures["brier"] == pytest.approx((2 * 0.1**2 * 2 + 2 * 0.4**2 + 2 * 0.6**2) / 4)
    # Two bins of two photos: 0.9 promised and 1 kept; 0.6 promised and 0.5 kept.
    assert figures["ece"] == pytest.approx(0.1)
    assert [entry["photos"] for entry in figures["bins"]] == [2, 2]
    assert [entry["right"] for entry in figures["bins"]] == [0.5, 1.0]


def test_an_answer_that_was_impossible_costs_a_finite_loss() -> None:
    assert np.isfinite(measure_calibration(*answer([1.0], [False]))["nll"])


def test_an_honest_network_errs_as_chance_says_and_a_boasting_one_more() -> None:
    random = np.random.default_rng(5)
    best = random.uniform(0.5, 1, 2000)
    honest = measure_calibration(*answer(best.tolist(), (random.random(2000) < best).tolist()))
    boasting = measure_calibration(*answer(best.tolist(), (random.random(2000) < 0.5).tolist()))
    assert honest["ece"] <= honest["ece_by_chance_95"]
    assert boasting["ece"] > 2 * boasting["ece_by_chance_95"]
    assert boasting["adaptive_ece"] == pytest.approx(0.25, abs=0.04)


def test_each_interval_holds_its_figure_and_is_the_same_every_time() -> None:
    case = answer([0.9, 0.8, 0.7, 0.6, 0.55] * 4, [True, True, False, True] * 5)
    figures = measure_calibration(*case)
    for name in ("nll", "brier", "ece", "adaptive_ece"):
        low, high = figures[f"{name}_interval_95"]
        assert low <= figures[name] <= high
    assert figures == measure_calibration(*case)
