"""Whether answers are right as often as their probabilities say. Free of torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.intervals import BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED, bootstrap_interval
from training.evaluation.metrics import wilson_interval

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BINS = 15
_FLOOR = 1e-12  # an int8 network's 0 must not cost an infinite number of nats


@dataclass(frozen=True)
class _Binned:
    """Photos in bins of alike probability.

    Attributes:
        bins: the bin of each photo, shape [N].
        best: probability of each photo's best answer.
        right: whether that answer is right.
    """

    bins: Indices
    best: Floats
    right: Flags

    def error(self, weights: Floats) -> float:
        """Returns the gaps between probability and share of right answers, weighted by photos."""
        gaps = np.bincount(self.bins, weights * (self.best - self.right))
        return float(np.abs(gaps).sum() / weights.sum())


def measure_calibration(probabilities: npt.NDArray[np.floating], truth: Indices) -> dict[str, Any]:
    """Measures how honest probabilities are.

    Args:
        probabilities: shape [N, classes], rows sum to 1.
        truth: true class of each photo, shape [N], at least one.

    Returns:
        Each of these with its bootstrap interval, as in `nll_interval_95`:
        `nll`: mean negative log-likelihood of the true class, nats;
        `brier`: mean squared distance from the truth, 0 to 2 (Brier, 1950);
        `ece`: expected calibration error over 15 bins of equal width (Guo et al., arXiv
        1706.04599, section 2);
        `adaptive_ece`: the same over 15 bins of equally many photos (Nguyen and O'Connor,
        arXiv 1508.05154).
        `ece_by_chance` is what `ece` would be, on so many photos, of a network whose probabilities
        are exactly right, and `ece_by_chance_95` what it would then stay under in 95 % of cases
        (consistency resampling, Broecker and Smith, Weather and Forecasting 22, 2007).
        `bins` has, for each bin of equal width with photos in it, `low`, `high`, `photos`,
        `mean_probability`, `right` and `right_interval_95`.
    """
    given = np.asarray(probabilities, np.float64)
    rows = np.arange(len(truth))
    best, right = given.max(axis=1), given.argmax(axis=1) == truth
    true_probability = given[rows, truth]
    losses = -np.log(np.maximum(true_probability, _FLOOR))
    distances = (given**2).sum(axis=1) - 2 * true_probability + 1
    equal = _Binned(_equal_width(best), best, right)
    adaptive = _Binned(_equal_mass(best), best, right)
    figures: dict[str, Any] = {}
    for name, statistic in (
        ("nll", lambda weights: float(weights @ losses / weights.sum())),
        ("brier", lambda weights: float(weights @ distances / weights.sum())),
        ("ece", equal.error),
        ("adaptive_ece", adaptive.error),
    ):
        figures[name] = statistic(np.ones(len(truth)))
        figures[f"{name}_interval_95"] = bootstrap_interval(statistic, len(truth))
    chance = _errors_by_chance(equal)
    figures["ece_by_chance"] = float(chance.mean())
    figures["ece_by_chance_95"] = float(np.quantile(chance, 0.95))
    figures["bins"] = describe_bins(best, right)
    return figures


def describe_bins(best: Floats, right: Flags) -> list[dict[str, Any]]:
    """Returns one entry for each of the bins of equal width that has photos.

    Args:
        best: probability of the best answer, shape [N].
        right: whether it is right, shape [N].
    """
    bins = _equal_width(best)
    entries = []
    for index in np.unique(bins).tolist():
        inside = bins == index
        photos, hits = int(inside.sum()), int(right[inside].sum())
        entries.append(
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "photos": photos,
                "mean_probability": float(best[inside].mean()),
                "right": hits / photos,
                "right_interval_95": wilson_interval(hits, photos),
            }
        )
    return entries


def _equal_width(best: Floats) -> Indices:
    bins: Indices = np.minimum((best * BINS).astype(np.int64), BINS - 1)
    return bins


def _equal_mass(best: Floats) -> Indices:
    ranks = np.empty(len(best), np.int64)
    ranks[np.argsort(best, kind="stable")] = np.arange(len(best))
    bins: Indices = ranks * BINS // len(best)
    return bins


def _errors_by_chance(binned: _Binned) -> Floats:
    """Returns calibration errors where answers are right exactly as often as promised."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    weights = np.ones(len(binned.best))
    return np.array(
        [
            _Binned(binned.bins, binned.best, random.random(len(weights)) < binned.best).error(
                weights
            )
            for _ in range(BOOTSTRAP_RESAMPLES)
        ]
    )
