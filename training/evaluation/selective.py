"""What is left of the errors when only the surest answers are taken. Free of torch."""

from typing import Any

import numpy as np
import numpy.typing as npt

from training.answers import Answers
from training.evaluation.decisions import (
    COARSE,
    SURE,
    UNKNOWN,
    UNSURE,
    Confidence,
    Share,
    judge,
    sum_coarse,
)
from training.evaluation.intervals import bootstrap_interval
from training.hierarchy import Hierarchy

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def risk_coverage(best: Floats, right: Flags) -> tuple[Floats, Floats]:
    """Returns the error among the surest answers, for every share of photos that get one.

    El-Yaniv and Wiener, JMLR 11, 2010. Of equally sure answers the wrong ones come first, so that
    their order flatters nobody.

    Args:
        best: probability of each answer, shape [N].
        right: whether it is right, shape [N].

    Returns:
        Coverage, 1/N to 1, and risk, the share of wrong answers; float64, shape [N] each.
    """
    wrong = ~right[np.lexsort((right, -best))]
    taken = np.arange(1, len(best) + 1)
    return taken / len(best), np.cumsum(wrong) / taken


def measure_aurc(best: Floats, right: Flags) -> dict[str, Any]:
    """Measures how well probabilities put right answers before wrong ones.

    Args:
        best: probability of each answer, shape [N], at least one.
        right: whether it is right, shape [N].

    Returns:
        `aurc`, the area under the risk-coverage curve (Geifman et al., arXiv 1805.08206), with its
        bootstrap interval; and `aurc_perfect`, what it would be were every right answer surer than
        every wrong one.
    """
    wrong = ~right[np.lexsort((right, -best))]

    def area(weights: Floats) -> float:
        taken = np.cumsum(weights)
        risks = np.cumsum(weights * wrong) / np.maximum(taken, 1)
        return float((weights * risks).sum() / taken[-1])

    return {
        "aurc": area(np.ones(len(best))),
        "aurc_interval_95": bootstrap_interval(area, len(best)),
        "aurc_perfect": float(risk_coverage(right.astype(np.float64), right)[1].mean()),
    }


def measure_verdicts(
    answers: Answers,
    truth: Indices,
    confidence: Confidence,
    hierarchy: Hierarchy | None,
) -> dict[str, Any]:
    """Applies thresholds as they are, and says what each verdict is worth on these photos.

    Args:
        answers: as the network gives them, on N photos.
        truth: true class of each photo, shape [N].
        confidence: temperature and thresholds, fitted beforehand.
        hierarchy: the coarse class of each label; None where there are none.

    Returns:
        For "sure", and "coarse" where there are coarse classes: `photos` with the verdict,
        `precision` and `coverage` with their intervals; for "unsure" and "unknown": `photos` and
        `coverage`. "answered" adds up sure and coarse.
    """
    calibrated, verdicts = judge(answers, confidence.limits, hierarchy)
    right = {SURE: calibrated.argmax(axis=1) == truth}
    if hierarchy is not None:
        parents = np.array(hierarchy.parents)[truth]
        right[COARSE] = sum_coarse(hierarchy, calibrated).argmax(axis=1) == parents
    figures: dict[str, Any] = {}
    hits = answered = 0
    for verdict, hit in right.items():
        given = verdicts == verdict
        hits, answered = hits + int(hit[given].sum()), answered + int(given.sum())
        figures[verdict] = _describe(int(hit[given].sum()), int(given.sum()), len(truth))
    figures["answered"] = _describe(hits, answered, len(truth))
    for verdict in (UNSURE, UNKNOWN):
        count = int((verdicts == verdict).sum())
        figures[verdict] = {"photos": count, **_flat("coverage", Share.of(count, len(truth)))}
    return figures


def _describe(hits: int, given: int, photos: int) -> dict[str, Any]:
    return {
        "photos": given,
        **_flat("precision", Share.of(hits, given)),
        **_flat("coverage", Share.of(given, photos)),
    }


def _flat(name: str, share: Share) -> dict[str, Any]:
    return {name: share.value, f"{name}_interval_95": share.interval_95}
