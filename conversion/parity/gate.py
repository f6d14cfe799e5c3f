"""The gate: may an artifact stand in for the model that was trained? Free of torch.

Non-inferiority: the upper end of the 95 % interval of the accuracy loss must lie below a margin.
docs/adr/0005-the-gate.md says why the interval is made as it is, and what it cannot see.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conversion.errors import ParityError
from training.evaluation.metrics import Z_95

Reals = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

# Smallest share of photos with the same answer, by precision; others have none.
MIN_AGREEMENT = {"fp32": 0.995, "fp16": 0.99}
# Largest difference of one probability. Measured on photos, widths 0.5 to 1.3: up to 3.3e-6 in
# float32, where only the order of sums differs, and up to 0.016 in float16, which keeps 11 bits
# of every intermediate; a forgotten mean or swapped channels give over 0.9.
MAX_DIFFERENCE = {"fp32": 1e-3, "fp16": 0.1}
# Largest difference of a known score. Measured with a GhostNet 0.5x of 16 classes at 64 px on 64
# photos, whose scores go from -0.50 to -0.05: up to 1e-5 in float32 and 0.0014 in float16, where
# the score itself is float32 and its features are not.
MAX_KNOWN_SCORE_DIFFERENCE = {"fp32": 1e-3, "fp16": 0.02}
# Below what float32 tells apart near 1 (2^-23); int8 outputs hold exact zeros, which have no log.
PROBABILITY_FLOOR = 1e-7
# So many photos of the nearest margin lend a photo their changes.
NEIGHBOURS = 32
_FLOAT = frozenset({"fp32", "fp16"})
_NARROWEST = 1e-9  # of the kernel, where all margins are one


@dataclass(frozen=True)
class Gate:
    """What an artifact must show, and how the interval of its accuracy loss is made.

    Attributes:
        margin_float: the loss of fp32 and fp16 artifacts must lie below it, a share.
        margin_int8: the same for every other precision.
        min_accuracy_share: smallest artifact top-1 as a share of the reference's. MLPerf Mobile
            asks for 98 % of float32 in image classification (Reddi et al., arXiv 2012.02328).
        min_photos: with fewer, nothing passes: a fault on 3 % of photos is seen among 100 with
            a probability of 1 - 0.97^100 = 95 %.
        resamples: how often the bootstrap draws, at least 10,000.
        seed: of those draws.
    """

    margin_float: float = 0.005
    margin_int8: float = 0.015
    min_accuracy_share: float = 0.98
    min_photos: int = 100
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("margin_float", "margin_int8"):
            if not 0 < getattr(self, name) < 1:
                raise ParityError(
                    f"{name} is {getattr(self, name)}: allowed are shares between 0 and 1, "
                    "like 0.005 for half a point"
                )
        if not 0 <= self.min_accuracy_share <= 1:
            raise ParityError(f"min_accuracy_share is {self.min_accuracy_share}: allowed: 0 to 1")
        if self.min_photos < 1 or self.resamples < 10_000:
            raise ParityError("allowed are min_photos from 1 and resamples from 10000")

    def margin(self, precision: str) -> float:
        """Returns the margin of a precision, a share."""
        return self.margin_float if precision in _FLOAT else self.margin_int8


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: the figure.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


def bootstrap_loss(lost: int, won: int, photos: int, gate: Gate) -> Estimate:
    """Returns the accuracy loss with its percentile-bootstrap interval over photos.

    Resampling photos is resampling three kinds of them: one multinomial draw a resample (Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        lost: photos that the reference alone names rightly.
        won: photos that the artifact alone names rightly.
        photos: all photos, at least 1.
        gate: gives resamples and seed.
    """
    shares = np.array([lost, won, photos - lost - won]) / photos
    draws = np.random.default_rng(gate.seed).multinomial(photos, shares, gate.resamples)
    losses = (draws[:, 0] - draws[:, 1]) / photos
    low, high = np.quantile(losses, [0.025, 0.975], method="inverted_cdf")
    value = (lost - won) / photos
    # Of a lopsided few, the percentiles can miss the estimate itself by a photo.
    return Estimate(value, min(float(low), value), max(float(high), value))


def smoothed_loss(reference: Probabilities, own: Probabilities, truth: Indices) -> Estimate:
    """Returns the accuracy loss by the continuous evidence, also where no answer flipped.

    A photo's margin is the log of the true class's probability less that of the best other. Each
    photo's margin is tried with the changes that the artifact made to the photos of the nearest
    margins, and each margin stands for a small surrounding (a logistic kernel of Silverman's
    bandwidth). The interval counts a photo's influence through its margin and through its
    change, and is corrected for skewness (Hall, Annals of Statistics 16, 1988).

    Args:
        reference: the trained model's probabilities, float32 [N, classes].
        own: the artifact's.
        truth: true class of each photo, shape [N].
    """
    margin = margins(reference, truth)
    change = margins(own, truth) - margin
    near = find_nearest(margin, NEIGHBOURS)
    width = _bandwidth(margin)
    before = _step(margin / width)[:, None]
    terms = before - _step((margin[:, None] + change[near]) / width)
    by_margin = terms.mean(axis=1)
    by_change = np.bincount(near.ravel(), terms.ravel() / near.shape[1], len(margin))
    return _skewed_interval(by_margin + by_change - by_margin.mean())


def margins(probabilities: Probabilities, truth: Indices) -> Reals:
    """Returns by how much the true class leads the best other, in logs; negative where wrong."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), PROBABILITY_FLOOR))
    rows = np.arange(len(truth))
    own = logs[rows, truth]
    logs[rows, truth] = -np.inf
    lead: Reals = own - logs.max(axis=1)
    return lead


def find_nearest(values: Reals, count: int) -> Indices:
    """Returns for each value the indices of the `count` nearest, itself included: [N, count].

    Of equally near ones, the first by index are taken.
    """
    photos = len(values)
    count = min(count, photos)
    order = np.argsort(values, kind="stable")
    rank = np.empty(photos, np.int64)
    rank[order] = np.arange(photos)
    # Those nearest in value are nearest in rank: no more than `count` places away.
    places = rank[:, None] + np.arange(-count, count + 1)
    outside = (places < 0) | (places >= photos)
    candidates = order[places.clip(0, photos - 1)]
    distance = np.where(outside, np.inf, np.abs(values[candidates] - values[:, None]))
    chosen = np.lexsort((candidates, distance), axis=1)[:, :count]
    return np.take_along_axis(candidates, chosen, axis=1)


def union(first: Estimate, second: Estimate) -> tuple[float, float]:
    """Returns the interval that holds both: what the gate judges by."""
    return min(first.low, second.low), max(first.high, second.high)


def _bandwidth(values: Reals) -> float:
    """Silverman's rule of thumb (Density Estimation, 1986, equation 3.31)."""
    low, high = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(high - low) / 1.34)
    return max(0.9 * spread * float(len(values) ** -0.2), _NARROWEST)


def _step(x: Reals) -> Reals:
    """The logistic distribution of unit variance: a step from 0 to 1, softened."""
    return 0.5 * (1 + np.tanh(x * (math.pi / math.sqrt(12))))


def _skewed_interval(values: Reals) -> Estimate:
    """The mean's interval by the Edgeworth expansion of Student's t, one term beyond normal."""
    mean, deviation = float(values.mean()), float(values.std())
    if deviation == 0:
        return Estimate(mean, mean, mean)
    skewness = float(((values - mean) ** 3).mean()) / deviation**3
    root = math.sqrt(len(values))
    shift = skewness * (2 * Z_95**2 + 1) / (6 * root)
    low, high = (mean + deviation / root * (z + shift) for z in (-Z_95, Z_95))
    return Estimate(mean, max(-1.0, min(low, mean)), min(1.0, max(high, mean)))
