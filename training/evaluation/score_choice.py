"""Whether one score tells known from unknown things better than another. Free of torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.intervals import Interval
from training.evaluation.metrics import Z_95

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ComparedScore:
    """What a score is worth on photos that its threshold was not chosen on.

    Attributes:
        kept: share of known things that are not called unknown.
        rejected: share of unknown things that are, the mean over their kinds.
        gain: how much the mean of `kept` and `rejected` is above that of the default score on the
            same photos, -1 to 1.
        gain_interval_95: of the gain; see `compare_hits`.
    """

    kept: float
    rejected: float
    gain: float
    gain_interval_95: Interval


def compare_hits(own: Sequence[Flags], default: Sequence[Flags]) -> ComparedScore:
    """Compares which photos two scores judge rightly.

    Known things weigh as much as all unknown ones, and every kind of those as much as another.

    The interval is that of Agresti and Min (Statistics in Medicine 24, 2005): half a photo is
    added to each of the four ways in which two judgements of a photo can go, so that photos which
    all agree do not make a difference certain. It takes photos for independent.

    Args:
        own: whether each known thing was kept, shape [N], then for each kind of unknown things
            whether it was rejected, at least one kind, none without photos.
        default: the same of the other score, on the same photos.
    """
    weights = [0.5] + [0.5 / (len(own) - 1)] * (len(own) - 1)
    gain = centre = variance = 0.0
    for weight, first, second in zip(weights, own, default, strict=True):
        better, worse = int((first & ~second).sum()), int((~first & second).sum())
        gain += weight * (better - worse) / len(first)
        photos = len(first) + 2
        difference = (better - worse) / photos
        centre += weight * difference
        variance += weight**2 * ((better + worse + 1) / photos - difference**2) / photos
    reach = Z_95 * math.sqrt(variance)
    rejected = float(np.mean([flags.mean() for flags in own[1:]]))
    return ComparedScore(float(own[0].mean()), rejected, gain, (centre - reach, centre + reach))
