"""How well a score tells photos of known things from photos of unknown ones. Free of torch.

Scores are higher for what looks known.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import DataError
from training.evaluation.metrics import Z_95, wilson_interval

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

KEPT_SHARE = 0.95  # "FPR at 95 % TPR", the habit since Hendrycks and Gimpel, arXiv 1610.02136
_HALVINGS = 50


@dataclass(frozen=True)
class Separation:
    """What a score is worth. Intervals are of 95 %, and take photos for independent.

    Attributes:
        auroc: chance that a known photo scores higher than an unknown one; 0.5 says nothing.
        auroc_interval_95: see `auroc_interval`.
        fpr: share of unknown photos that pass a threshold which keeps 95 % of the known ones.
        fpr_interval_95: Wilson's, for that threshold.
    """

    auroc: float
    auroc_interval_95: Interval
    fpr: float
    fpr_interval_95: Interval

    def to_json(self) -> dict[str, Any]:
        """Returns the figures by name."""
        return asdict(self)


def measure_separation(known: Floats, unknown: Floats) -> Separation:
    """Measures one score.

    Args:
        known: scores of photos of known things, shape [N], at least one, finite.
        unknown: scores of photos of unknown things, shape [M], at least one, finite.

    Raises:
        DataError: one of them is empty, or holds a score that is not finite.
    """
    for what, scores in (("known", known), ("unknown", unknown)):
        if not len(scores) or not np.isfinite(scores).all():
            raise DataError(f"{len(scores)} scores of {what} photos: all must be finite, from one")
    area = float(_place(known, unknown).mean())
    # As many as must stay for the share to be reached, whatever ties do.
    least_kept = math.ceil(KEPT_SHARE * len(known) - 1e-9)
    threshold = np.sort(known)[::-1][least_kept - 1]
    passed = int((unknown >= threshold).sum())
    return Separation(
        auroc=area,
        auroc_interval_95=auroc_interval(area, len(known), len(unknown)),
        fpr=passed / len(unknown),
        fpr_interval_95=wilson_interval(passed, len(unknown)),
    )


def auroc_interval(area: float, known: int, unknown: int) -> Interval:
    """Returns the 95 % interval of an area under the ROC curve.

    Method 5 of Newcombe, Statistics in Medicine 25 (2006), p. 559: all areas that the measured one
    is no surprise under, with the variance of Hanley and McNeil (Radiology 143, 1982). It stays an
    interval where the two kinds do not overlap, which a bootstrap's does not.

    Args:
        area: measured, 0 to 1.
        known: photos of known things, at least one.
        unknown: photos of unknown things, at least one.
    """

    def is_surprising(assumed: float) -> bool:
        spread = (1 - assumed) / (2 - assumed) + assumed / (1 + assumed)
        variance = assumed * (1 - assumed) * (1 + ((known + unknown) / 2 - 1) * spread)
        return (area - assumed) ** 2 > Z_95**2 * variance / (known * unknown)

    def search(outer: float) -> float:
        inside, outside = area, outer
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if is_surprising(middle) else (middle, outside)
        return inside

    return search(0.0), search(1.0)


def compare_areas(
    known: Floats, unknown: Floats, other_known: Floats, other_unknown: Floats
) -> tuple[float, Interval]:
    """Returns by how much a score's area exceeds another's on the same photos.

    The interval is DeLong's for correlated curves (DeLong, DeLong and Clarke-Pearson, Biometrics
    44, 1988): photos that are hard for both scores cancel out.

    Args:
        known: scores of photos of known things, shape [N].
        unknown: scores of photos of unknown things, shape [M].
        other_known: the other score of the same N photos.
        other_unknown: the other score of the same M photos.

    Returns:
        The difference, -1 to 1, and its 95 % interval.
    """
    by_known = _place(known, unknown) - _place(other_known, other_unknown)
    # Seen from the unknown photos: the share of known ones above each.
    by_unknown = _place(-unknown, -known) - _place(-other_unknown, -other_known)
    variance = _variance_of_mean(by_known) + _variance_of_mean(by_unknown)
    difference, half = float(by_known.mean()), Z_95 * math.sqrt(variance)
    return difference, (max(-1.0, difference - half), min(1.0, difference + half))


def _place(scores: Floats, others: Floats) -> Floats:
    """Returns for each score the share of the others that lie below it; ties count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    share: Floats = below / (2 * len(others))
    return share


def _variance_of_mean(values: Floats) -> float:
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
