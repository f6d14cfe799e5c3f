"""Shares of two releases, with intervals, and the difference between them."""

import math
from dataclasses import dataclass

from training.evaluation.metrics import wilson_interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class Accuracy:
    """A share of photos that were named rightly.

    Attributes:
        top1: 0 to 1.
        interval_95: Wilson's.
        photos: of how many.
    """

    top1: float
    interval_95: Interval
    photos: int

    @classmethod
    def of(cls, top1: float, photos: int) -> "Accuracy | None":
        """Returns the accuracy on some photos; None of none."""
        if photos == 0:
            return None
        return cls(top1, wilson_interval(round(top1 * photos), photos), photos)


@dataclass(frozen=True)
class Gain:
    """How much better the new release is.

    Attributes:
        points: new less old top-1, -1 to 1.
        interval_95: of the same, as if the photos of both were drawn apart (Newcombe's method
            10, Statistics in Medicine 17, 1998): on the same photos the truth is known better.
    """

    points: float
    interval_95: Interval

    @property
    def sure(self) -> bool:
        """Whether it is surely a gain, or surely a loss: the interval leaves out nothing."""
        return not self.interval_95[0] <= 0 <= self.interval_95[1]

    @classmethod
    def between(cls, old: Accuracy | None, new: Accuracy | None) -> "Gain | None":
        """Returns the difference; None where one of the two is not known."""
        if old is None or new is None:
            return None
        points = new.top1 - old.top1
        (old_low, old_high), (new_low, new_high) = old.interval_95, new.interval_95
        down = math.hypot(new.top1 - new_low, old_high - old.top1)
        up = math.hypot(new_high - new.top1, old.top1 - old_low)
        return cls(points, (max(-1.0, points - down), min(1.0, points + up)))
