"""All figures of a network on labelled photos: the content of `metrics.json`. Free of torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from training.answers import Answers
from training.evaluation.calibration import measure_calibration
from training.evaluation.confidence import choose_score, compare_scores, fit_confidence
from training.evaluation.decisions import COARSE as COARSE_VERDICT
from training.evaluation.decisions import SURE as SURE_VERDICT
from training.evaluation.decisions import UNKNOWN as UNKNOWN_VERDICT
from training.evaluation.decisions import Confidence, Share, judge, sum_coarse
from training.evaluation.intervals import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, bootstrap_interval
from training.evaluation.metrics import (
    Flags,
    Floats,
    Indices,
    measure_accuracy,
    wilson_interval,
)
from training.evaluation.selective import measure_aurc, measure_verdicts
from training.evaluation.separation import measure_separation
from training.evaluation.temperature import calibrate
from training.hierarchy import Hierarchy

_MOST_CONFUSED = 30


@dataclass(frozen=True)
class Predictions:
    """What a network answered.

    Attributes:
        answers: on N photos of known things.
        truth: their true classes, int64, shape [N].
        unknown: kind of unknown things -> answers on photos of them.
    """

    answers: Answers
    truth: Indices
    unknown: Mapping[str, Answers] = field(default_factory=dict)

    def take(self, chosen: Flags) -> "Predictions":
        """Returns some of the known things; bool, shape [N]."""
        return Predictions(self.answers[chosen], self.truth[chosen], self.unknown)


@dataclass(frozen=True)
class Classes:
    """What the outputs of a network stand for.

    Attributes:
        names: in the order of the outputs.
        hierarchy: the coarse class of each; None where there are none.
    """

    names: tuple[str, ...]
    hierarchy: Hierarchy | None = None


def summarise_fitted(
    predictions: Predictions, classes: Classes, target_precision: float
) -> dict[str, Any]:
    """Chooses temperature and thresholds on these photos, and measures everything on them too.

    Args:
        predictions: at least one photo of a known thing.
        classes: of the network.
        target_precision: see `training.evaluation.confidence.fit_confidence`.

    Returns:
        As `summarise`, with `compared_scores`: what each score that could tell known from unknown
        things is worth; empty where there were too few photos to choose by.
    """
    asked = (predictions.answers, predictions.truth, target_precision)
    compared = compare_scores(*asked, predictions.unknown)
    confidence = fit_confidence(
        *asked, classes.hierarchy, predictions.unknown, choose_score(compared)
    )
    return summarise(predictions, classes, confidence, fitted_here=True) | {
        "compared_scores": {score: asdict(found) for score, found in compared.items()}
    }


def summarise(
    predictions: Predictions, classes: Classes, confidence: Confidence, fitted_here: bool = False
) -> dict[str, Any]:
    """Measures a network with a temperature and thresholds that are given.

    Args:
        predictions: at least one photo of a known thing.
        classes: of the network.
        confidence: temperature and thresholds.
        fitted_here: whether they were chosen on these same photos.

    Returns:
        The figures of `training.evaluation.metrics.measure_accuracy`, and with them
        `coarse_top1` and its interval (None without coarse classes), `mean_class_accuracy` and
        its interval, `most_confused`, `calibration` (`before` and `after` the temperature),
        `selective` (`aurc`, and `verdicts` with what each is worth), `unknown` by kind,
        `compared_scores` (empty), `confidence`, and how intervals were drawn. Shares have Wilson's
        interval, the AUROC Newcombe's, all else the bootstrap's.
    """
    answers, truth = predictions.answers, predictions.truth
    probabilities = answers.probabilities
    calibrated = calibrate(probabilities, confidence.temperature)
    best, right = calibrated.max(axis=1), calibrated.argmax(axis=1) == truth
    figures = measure_accuracy(probabilities, truth, classes.names)
    return {
        **figures,
        **_measure_coarse(calibrated, truth, classes.hierarchy),
        **_measure_classes(right, truth),
        "most_confused": list_confusions(figures["confusions"], classes.names),
        "calibration": {
            "temperature": confidence.temperature,
            "fitted_on_these_photos": fitted_here,
            "before": measure_calibration(probabilities, truth),
            "after": measure_calibration(calibrated, truth),
        },
        "selective": {
            "thresholds_chosen_on_these_photos": fitted_here,
            **measure_aurc(best, right),
            "verdicts": measure_verdicts(answers, truth, confidence, classes.hierarchy),
        },
        "unknown": {
            kind: measure_unknown(answers, those, confidence, classes.hierarchy)
            for kind, those in predictions.unknown.items()
            if len(those)
        },
        "compared_scores": {},
        "confidence": confidence.to_json(),
        "bootstrap": {"seed": BOOTSTRAP_SEED, "resamples": BOOTSTRAP_RESAMPLES},
    }


def list_confusions(
    confusions: list[list[int]], names: tuple[str, ...], most: int = _MOST_CONFUSED
) -> list[dict[str, Any]]:
    """Returns the most frequent wrong answers: `truth`, `answer`, `photos`, and `share` of truth.

    Args:
        confusions: row the true class, column the answer.
        names: of the classes.
        most: how many to return.
    """
    counts = np.array(confusions)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    rows, columns = np.nonzero(counts)
    # The most photos first; of equally many, the larger share of the class.
    order = np.lexsort(
        (columns, rows, -counts[rows, columns] / totals[rows], -counts[rows, columns])
    )
    return [
        {
            "truth": names[row],
            "answer": names[column],
            "photos": int(counts[row, column]),
            "share": float(counts[row, column] / totals[row]),
        }
        for row, column in zip(rows[order[:most]], columns[order[:most]], strict=True)
    ]


def measure_unknown(
    known: Answers,
    unknown: Answers,
    confidence: Confidence,
    hierarchy: Hierarchy | None,
) -> dict[str, Any]:
    """Measures how one kind of unknown things is told from known things.

    Args:
        known: answers on photos of known things.
        unknown: answers on photos of unknown things.
        confidence: temperature and thresholds.
        hierarchy: the coarse class of each label; None where there are none.

    Returns:
        `photos`; `score`, by which they are told apart; `auroc` and `fpr95` as in
        `training.evaluation.separation`, with their intervals;
        `rejected` and `named`, the shares with the verdict "unknown", and with "sure" or "coarse".
    """
    known_scores, scores = (confidence.score(answers) for answers in (known, unknown))
    _, verdicts = judge(unknown, confidence.limits, hierarchy)
    separation = measure_separation(known_scores, scores)
    figures: dict[str, Any] = {
        "photos": len(scores),
        "score": confidence.known.score,
        "auroc": separation.auroc,
        "auroc_interval_95": separation.auroc_interval_95,
        "fpr95": separation.fpr,
        "fpr95_interval_95": separation.fpr_interval_95,
    }
    named = np.isin(verdicts, (SURE_VERDICT, COARSE_VERDICT))
    for name, flags in (("rejected", verdicts == UNKNOWN_VERDICT), ("named", named)):
        share = Share.of(int(flags.sum()), len(flags))
        figures |= {name: share.value, f"{name}_interval_95": share.interval_95}
    return figures


def _measure_coarse(
    calibrated: Floats, truth: Indices, hierarchy: Hierarchy | None
) -> dict[str, Any]:
    if hierarchy is None:
        return {"coarse_top1": None, "coarse_top1_interval_95": None}
    parents = np.array(hierarchy.parents)[truth]
    hits = int((sum_coarse(hierarchy, calibrated).argmax(axis=1) == parents).sum())
    return {
        "coarse_top1": hits / len(truth),
        "coarse_top1_interval_95": wilson_interval(hits, len(truth)),
    }


def _measure_classes(right: Flags, truth: Indices) -> dict[str, Any]:
    """Returns the mean share of right answers over the classes that have photos."""

    def mean(weights: Floats) -> float:
        photos, hits = np.bincount(truth, weights), np.bincount(truth, weights * right)
        return float((hits[photos > 0] / photos[photos > 0]).mean())

    return {
        "mean_class_accuracy": mean(np.ones(len(truth))),
        "mean_class_accuracy_interval_95": bootstrap_interval(mean, len(truth)),
        "classes_with_photos": len(np.unique(truth)),
    }
