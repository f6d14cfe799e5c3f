"""Temperature scaling keeps the order, sums to 1, and finds a known temperature again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.errors import ConfidenceError
from training.evaluation.temperature import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibrate,
    fit_temperature,
)

_ROWS = arrays(np.float32, (4, 6), elements=st.floats(0, 1, width=32))
_TEMPERATURES = st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE)


@given(_ROWS, _TEMPERATURES)
@settings(deadline=None)
def test_calibrated_rows_sum_to_1_and_keep_their_order(rows, temperature):
    rows = rows + np.eye(4, 6, dtype=np.float32)  # no row is all 0
    probabilities = rows / rows.sum(axis=1, keepdims=True)
    calibrated = calibrate(probabilities, temperature)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    for before, after in zip(probabilities, calibrated, strict=True):
        assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0).all()


def test_temperature_1_changes_nothing():
    probabilities = np.array([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(calibrate(probabilities, 1.0), probabilities)


def test_calibration_undoes_itself():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(calibrate(calibrate(probabilities, 3.0), 1 / 3), probabilities)


def test_tiny_probabilities_do_not_underflow_to_nothing():
    row = np.array([[1e-30, 3e-30, 0.0]])
    np.testing.assert_allclose(calibrate(row, MIN_TEMPERATURE).sum(), 1)


@pytest.mark.parametrize("known", [0.3, 0.8, 1.0, 2.0, 6.0])
def test_a_known_temperature_is_found_again(known):
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (4000, 8))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(8, p=row) for row in honest])
    boastful = calibrate(honest, 1 / known)
    assert fit_temperature(boastful, truth) == pytest.approx(known, rel=0.05)


def test_all_right_answers_do_not_drive_the_temperature_to_its_bound():
    probabilities = np.tile([0.9, 0.05, 0.05], (200, 1))
    temperature = fit_temperature(probabilities, np.zeros(200, np.int64))
    assert 0.2 < temperature < 1


def test_all_wrong_answers_end_the_search_too():
    probabilities = np.tile([0.9, 0.05, 0.05], (200, 1))
    temperature = fit_temperature(probabilities, np.ones(200, np.int64))
    assert temperature == pytest.approx(MAX_TEMPERATURE, rel=0.2)


def test_zeros_of_an_int8_answer_are_no_obstacle():
    probabilities = np.array([[1.0, 0.0, 0.0]] * 20 + [[0.5, 0.5, 0.0]])
    truth = np.array([0] * 19 + [1, 2])
    assert np.isfinite(fit_temperature(probabilities, truth))


def test_the_fit_is_a_minimum_of_the_likelihood():
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet(np.full(5, 0.3), 300)
    truth = np.where(rng.random(300) < 0.6, probabilities.argmax(axis=1), rng.integers(0, 5, 300))
    best = fit_temperature(probabilities, truth)

    def loss(temperature: float) -> float:
        chosen = calibrate(probabilities, temperature)[np.arange(300), truth]
        return float(-np.log(np.maximum(chosen, 1e-300)).sum() + np.log(temperature) ** 2 / 2)

    assert loss(best) <= min(loss(best * 1.03), loss(best / 1.03))


def test_no_photo_is_an_error():
    with pytest.raises(ConfidenceError, match="at least one photo"):
        fit_temperature(np.empty((0, 3)), np.empty(0, np.int64))
