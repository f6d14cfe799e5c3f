"""All figures together: what `metrics.json` holds."""

import json

import numpy as np
import pytest

from training.answers import Answers
from training.evaluation.confidence import Confidence
from training.evaluation.summary import (
    Classes,
    Predictions,
    list_confusions,
    measure_unknown,
    summarise,
    summarise_fitted,
)
from training.hierarchy import Hierarchy
from training.labels import LabelSet

HIERARCHY = Hierarchy(LabelSet(("fruit", "root")), (0, 0, 1))
CLASSES = Classes(("apple", "pear", "carrot"), HIERARCHY)


def draw_predictions(seed: int, count: int = 60) -> Predictions:
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 3
    logits = random.normal(size=(count, 3))
    logits[np.arange(count), truth] += 2
    powers = np.exp(logits)
    rows = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    scores = random.normal(size=count).astype(np.float32)
    unknown = Answers(np.full((20, 3), 1 / 3, np.float32), scores[:20] - 5)
    return Predictions(Answers(rows, scores), truth, {"clutter": unknown, "none": unknown[:0]})


def test_the_summary_survives_json_and_its_confidence_is_read_back() -> None:
    figures = summarise_fitted(draw_predictions(0), CLASSES, 0.9)
    back = json.loads(json.dumps(figures, allow_nan=False))
    confidence = Confidence.from_json(back["confidence"])
    assert confidence.to_json() == figures["confidence"]
    assert back["coarse_top1"] >= back["top1"]
    assert back["calibration"]["fitted_on_these_photos"] is True
    assert list(back["unknown"]) == ["clutter"]
    assert back["unknown"]["clutter"]["auroc"] > 0.9


def test_thresholds_from_elsewhere_are_not_fitted_again() -> None:
    confidence = Confidence.from_json(
        summarise_fitted(draw_predictions(0), CLASSES, 0.9)["confidence"]
    )
    figures = summarise(draw_predictions(1), CLASSES, confidence)
    assert figures["confidence"] == confidence.to_json()
    assert figures["calibration"]["temperature"] == confidence.temperature
    assert figures["selective"]["thresholds_chosen_on_these_photos"] is False


def test_mean_class_accuracy_counts_classes_alike_and_only_those_with_photos() -> None:
    rows = np.array([[0.8, 0.1, 0.1]] * 4, np.float32)
    answers = Answers(rows, np.zeros(4, np.float32))
    figures = summarise_fitted(Predictions(answers, np.array([0, 0, 0, 1])), CLASSES, 0.9)
    assert figures["top1"] == 0.75
    assert figures["mean_class_accuracy"] == 0.5
    assert figures["classes_with_photos"] == 2
    assert figures["coarse_top1"] == 1


def test_without_coarse_classes_their_figure_is_null() -> None:
    figures = summarise_fitted(draw_predictions(2), Classes(CLASSES.names), 0.9)
    assert figures["coarse_top1"] is None


def test_the_most_frequent_confusion_comes_first_and_right_answers_are_none() -> None:
    found = list_confusions([[5, 1, 0], [3, 7, 0], [0, 1, 0]], CLASSES.names, 2)
    assert found == [
        {"truth": "pear", "answer": "apple", "photos": 3, "share": 0.3},
        {"truth": "carrot", "answer": "pear", "photos": 1, "share": 1.0},
    ]


def test_separation_of_unknown_things_by_hand() -> None:
    scores = np.array([0.9, 0.7, 0.8, 0.7, 0.6, 0.5], np.float32)
    # Probabilities that say the contrary: only the known score counts.
    answers = Answers(np.stack([1 - scores, scores], axis=1), scores)
    known, unknown = answers[:2], answers[2:]
    confidence = Confidence.from_json(
        summarise_fitted(Predictions(known, np.array([0, 0])), Classes(("a", "b")), 0.9)[
            "confidence"
        ]
    )
    figures = measure_unknown(known, unknown, confidence, None)
    assert figures["score"] == "known_score"
    # Of eight pairs 6 are in order and one is a tie.
    assert figures["auroc"] == pytest.approx(6.5 / 8)
    assert figures["fpr95"] == 0.5
    assert figures["photos"] == 4
