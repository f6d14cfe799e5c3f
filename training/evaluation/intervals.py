"""How far chance alone may have moved a figure. Free of torch."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]
Weights = npt.NDArray[np.float64]

BOOTSTRAP_SEED = 0
BOOTSTRAP_RESAMPLES = 1000


def bootstrap_interval(
    statistic: Callable[[Weights], float],
    photos: int,
    resamples: int = BOOTSTRAP_RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
) -> Interval:
    """Returns the 95 % interval of a figure, from photos drawn anew with replacement.

    The percentile interval (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 13), widened where the figure itself lies outside of it: a calibration error grows with
    repetition alone.

    It takes photos for independent. Where several show the same item, chance moved the figure
    further than the interval says.

    Args:
        statistic: the figure, given how often each photo counts; shape [N], sum N.
        photos: N, at least one.
        resamples: how often to draw.
        seed: of the draws: the same photos give the same interval.
    """
    random = np.random.default_rng(seed)
    value = statistic(np.ones(photos))
    drawn = [
        statistic(np.bincount(random.integers(0, photos, photos), minlength=photos).astype(float))
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return min(float(low), value), max(float(high), value)
