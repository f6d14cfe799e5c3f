"""Figures of a classifier on labelled photos. Free of torch."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

Z_95 = 1.959964  # two-sided 95 % quantile of the normal distribution


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a share (Wilson, JASA 22, 1927).

    Args:
        successes: how often it happened, 0 to `trials`.
        trials: how often it could have; with none, the interval is [0, 1].
    """
    if trials == 0:
        return 0.0, 1.0
    share, spread = successes / trials, Z_95**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    # The ends are exact where nothing or everything happened; rounding must not move them.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def rank_hits(probabilities: Probabilities, truth: Indices, k: int) -> int:
    """Counts the photos whose true class is among the `k` most probable ones."""
    if k >= probabilities.shape[1]:
        return len(truth)
    best = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return int((best == truth[:, None]).any(axis=1).sum())


def count_confusions(predicted: Indices, truth: Indices, classes: int) -> npt.NDArray[np.int64]:
    """Returns counts of shape [classes, classes]: row the true class, column the answer."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def measure_accuracy(
    probabilities: Probabilities, truth: Indices, names: tuple[str, ...]
) -> dict[str, Any]:
    """Returns how often answers are right, over all and for each class.

    Args:
        probabilities: float32, shape [N, classes].
        truth: true class of each photo, shape [N], at least one.
        names: class names, in the order of the outputs.

    Returns:
        `photos`, `top1`, `top5`, each share with Wilson's interval; `per_class` with each class's
        `label`, `photos`, `precision` and `recall`; and `confusions`, row the true class.
    """
    photos, classes = probabilities.shape
    confusions = count_confusions(probabilities.argmax(axis=1), truth, classes)
    top1 = int(np.trace(confusions))
    top5 = rank_hits(probabilities, truth, 5)
    return {
        "photos": photos,
        "top1": top1 / photos,
        "top1_interval_95": wilson_interval(top1, photos),
        "top5": top5 / photos,
        "top5_interval_95": wilson_interval(top5, photos),
        "per_class": [_describe_class(confusions, index, names[index]) for index in range(classes)],
        "confusions": confusions.tolist(),
    }


def _describe_class(
    confusions: npt.NDArray[np.int64], index: int, name: str
) -> dict[str, str | int | float | None]:
    hits = int(confusions[index, index])
    photos, answers = int(confusions[index].sum()), int(confusions[:, index].sum())
    return {
        "label": name,
        "photos": photos,
        "precision": hits / answers if answers else None,
        "recall": hits / photos if photos else None,
    }
