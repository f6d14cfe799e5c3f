"""Whether two sets of counts differ by more than chance, and by enough to matter. numpy alone.

Chosen by measurement: docs/studies/drift.py, with the figures in docs/dashboard.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Of two arrays of counts, shape [..., bins]: shape [...].
Distance = Callable[[Floats, Floats], Floats]

# Chance passes the limit in one of a thousand comparisons.
CHANCE = 0.001
# Of the distance that is left when chance's share is taken off. Differences below it are there in
# most shops, and nobody would do anything about them.
LEAST_EFFECT = 0.1
LEAST_SCANS = 100
_SIMULATIONS = 2000
_MOST_BINS = 40
_SEED = 0
# Days of fewer scans say little of how much days differ.
_LEAST_A_DAY = 10
_LEAST_DAYS = 3


@dataclass(frozen=True)
class Compared:
    """How far two sets of counts are apart.

    Attributes:
        distance: Jensen-Shannon distance, 0 to 1.
        chance: what chance alone makes of it on average, for so many scans.
        limit: what chance stays below in 999 of 1,000 comparisons.
        effect: what is left of the distance without chance's part.
        scans: the smaller number of scans of the two, after what scans of one day have in common.
    """

    distance: float
    chance: float
    limit: float
    effect: float
    scans: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether chance alone would hardly come so far."""
        return self.distance > self.limit

    @property
    def alarms(self) -> bool:
        """Whether it is beyond chance, of enough scans, and large enough to matter."""
        return self.is_beyond_chance and self.effect >= LEAST_EFFECT and self.scans >= LEAST_SCANS


def jensen_shannon(first: Floats, second: Floats) -> Floats:
    """Returns the Jensen-Shannon distance of counts, 0 (alike) to 1 (nothing in common).

    The root of the divergence in bits; empty bins need no smoothing.

    Args:
        first: counts, shape [..., bins].
        second: others, of the same shape.
    """
    p = first / np.maximum(first.sum(axis=-1, keepdims=True), 1e-300)
    q = second / np.maximum(second.sum(axis=-1, keepdims=True), 1e-300)
    middle = (p + q) / 2
    divergence = (_sum_relative(p, middle) + _sum_relative(q, middle)) / 2
    distance: Floats = np.sqrt(np.clip(divergence, 0, 1))
    return distance


def compare(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    dispersion: tuple[float, float] = (1.0, 1.0),
    distance: Distance = jensen_shannon,
) -> Compared:
    """Compares two sets of counts; the same counts give the same figures every time.

    What chance makes of the distance is simulated: both sides are drawn from their common mix,
    each of as many scans as it has.

    Args:
        first: counts by bin.
        second: counts of the same bins.
        dispersion: of each side, see `measure_dispersion`: counts weigh as so much fewer.
        distance: how far counts are apart.
    """
    counts = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    sizes = counts.sum(axis=1) / np.maximum(1.0, np.asarray(dispersion))
    if sizes.min() < 1:
        return Compared(0.0, 0.0, math.inf, 0.0, float(sizes.min()))
    found = float(distance(counts[0], counts[1]))
    shares = counts / counts.sum(axis=1, keepdims=True)
    mix = (shares * sizes[:, None]).sum(axis=0) / sizes.sum()
    rng = np.random.default_rng(_SEED)
    drawn = [rng.multinomial(int(size), mix, _SIMULATIONS).astype(np.float64) for size in sizes]
    by_chance = distance(drawn[0], drawn[1])
    mean_square = float(np.mean(by_chance**2))
    return Compared(
        distance=found,
        chance=math.sqrt(mean_square),
        limit=float(np.quantile(by_chance, 1 - CHANCE)),
        effect=math.sqrt(max(0.0, found**2 - mean_square)),
        scans=float(sizes.min()),
    )


def measure_dispersion(days: Sequence[Sequence[int]] | npt.NDArray[np.int64]) -> float:
    """Returns how much more days differ than chance would make them, at least 1.

    Scans of one day have things in common: the light, the offer of the week, one item that was
    tried again and again. This is chi-square over its degrees of freedom, for the table of days and
    bins: the dispersion of a quasi-likelihood. So much fewer scans would tell as much.

    Args:
        days: counts by bin, shape [days, bins].

    Returns:
        1 of fewer than three days of ten scans.
    """
    table = np.asarray(days, np.float64)
    if table.ndim != 2:
        return 1.0
    table = table[table.sum(axis=1) >= _LEAST_A_DAY]
    table = table[:, table.sum(axis=0) > 0]
    if len(table) < _LEAST_DAYS or table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    freedom = (len(table) - 1) * (table.shape[1] - 1)
    return max(1.0, float(((table - expected) ** 2 / expected).sum() / freedom))


def gather_rare(first: dict[str, int], second: dict[str, int]) -> list[str]:
    """Returns the items that are compared one by one; all others are taken as one.

    Those that are frequent on either side, at most 40: what is hardly ever seen tells of chance.
    """
    total = {item: first.get(item, 0) + second.get(item, 0) for item in {*first, *second}}
    return sorted(total, key=lambda item: (-total[item], item))[: _MOST_BINS - 1]


def line_up(counts: dict[str, int], items: Sequence[str]) -> list[int]:
    """Returns the counts of some items in their order, and last that of all others."""
    own = [counts.get(item, 0) for item in items]
    return [*own, sum(counts.values()) - sum(own)]


def _sum_relative(p: Floats, q: Floats) -> Floats:
    """Returns the Kullback-Leibler divergence in bits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / q), 0.0)
    total: Floats = terms.sum(axis=-1)
    return total
