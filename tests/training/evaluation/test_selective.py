"""Risk and coverage, and what verdicts come to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.answers import Answers
from training.evaluation.confidence import fit_confidence
from training.evaluation.decisions import Confidence
from training.evaluation.selective import measure_aurc, measure_verdicts, risk_coverage
from training.hierarchy import Hierarchy
from training.labels import LabelSet


def test_the_curve_of_four_answers_by_hand() -> None:
    coverage, risk = risk_coverage(np.array([0.6, 0.9, 0.8, 0.7]), np.array([1, 1, 0, 1], bool))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=9))
def test_the_area_is_the_mean_of_the_curve_and_no_order_beats_the_perfect_one(
    answers: list[tuple[float, bool]],
) -> None:
    best = np.array([probability for probability, _ in answers])
    right = np.array([hit for _, hit in answers])
    figures = measure_aurc(best, right)
    assert figures["aurc"] == pytest.approx(risk_coverage(best, right)[1].mean())
    assert figures["aurc_perfect"] <= figures["aurc"] + 1e-12
    low, high = figures["aurc_interval_95"]
    assert low <= figures["aurc"] <= high


def test_verdicts_add_up_and_thresholds_are_used_as_they_are() -> None:
    hierarchy = Hierarchy(LabelSet(("fruit", "root")), (0, 0, 1))
    sure = [[0.98, 0.01, 0.01]] * 40 + [[0.48, 0.47, 0.05]] * 40 + [[0.34, 0.33, 0.33]] * 20
    truth = np.array([0] * 40 + [0, 1] * 20 + [0, 1, 2, 2] * 5)
    rows = Answers(np.array(sure, np.float32), np.zeros(100, np.float32))
    confidence = fit_confidence(rows, truth, 0.95, hierarchy)
    figures = measure_verdicts(rows, truth, confidence, hierarchy)
    assert sum(figures[name]["photos"] for name in ("sure", "coarse", "unsure", "unknown")) == 100
    assert figures["sure"]["photos"] == 40
    assert figures["coarse"]["precision"] == 1
    assert figures["answered"]["coverage"] == pytest.approx(0.8)
    # Other photos, the same thresholds: all wrong now, and still called sure.
    other = measure_verdicts(rows[:40], np.full(40, 2), confidence, hierarchy)
    assert other["sure"]["photos"] == 40
    assert other["sure"]["precision"] == 0


def test_without_coarse_classes_there_is_no_such_verdict() -> None:
    rows = Answers(np.array([[0.9, 0.1]] * 30, np.float32), np.zeros(30, np.float32))
    confidence = fit_confidence(rows, np.zeros(30, np.int64), 0.9)
    assert isinstance(confidence, Confidence)
    assert "coarse" not in measure_verdicts(rows, np.zeros(30, np.int64), confidence, None)
