"""What is counted of a scan, and in which bins."""

import math
import time
from collections import Counter
from dataclasses import dataclass

from training.evaluation.distribution import find_bin

ON_SERVER, ON_DEVICE = "server", "device"
PLACES = (ON_DEVICE, ON_SERVER)
VERDICT, LABEL, CONFIDENCE, LATENCY, SENT = "verdict", "label", "confidence", "latency", "sent"
# Bins of latency are 9 % wide: eight to a doubling, from 1 ms to 18 minutes.
_BINS_A_DOUBLING = 8
_LAST_LATENCY_BIN = 20 * _BINS_A_DOUBLING
_DAY_S = 24 * 3600
# Longer names than any model has; what is longer shares the count of its beginning.
_MOST_CHARS = 200

# model, day, version, place, kind, item
Key = tuple[str, int, str, str, str, str]
Counts = Counter[Key]


@dataclass(frozen=True)
class Scan:
    """A photo that was recognised.

    Attributes:
        model: name of the model.
        version: the version that answered.
        place: `ON_SERVER` or `ON_DEVICE`.
        day: see `today`.
        verdict: one of `training.evaluation.confidence.VERDICTS`.
        label: the one named first.
        confidence: its probability after the temperature, 0 to 1.
        latency_ms: until it was answered; None where nobody measured.
    """

    model: str
    version: str
    place: str
    day: int
    verdict: str
    label: str
    confidence: float
    latency_ms: float | None = None

    def list_items(self) -> list[tuple[str, str]]:
        """Returns what it adds one to: kind and item of each."""
        items = [
            (VERDICT, self.verdict),
            (LABEL, shorten(self.label)),
            (CONFIDENCE, str(find_bin(self.confidence))),
        ]
        if self.latency_ms is not None:
            items.append((LATENCY, str(find_latency_bin(self.latency_ms))))
        return items


def shorten(label: str) -> str:
    """Returns what a label is counted under."""
    return label[:_MOST_CHARS]


def today() -> int:
    """Returns the day of now in UTC, counted from 1970-01-01."""
    return int(time.time() // _DAY_S)


def find_latency_bin(latency_ms: float) -> int:
    """Returns the bin of a latency, from 0."""
    if latency_ms <= 1:
        return 0
    return min(_LAST_LATENCY_BIN, int(math.log2(latency_ms) * _BINS_A_DOUBLING))


def find_quantile_ms(bins: dict[int, int], share: float) -> float | None:
    """Returns the latency that a share of answers stays below, in milliseconds; None of none.

    It is read off within its bin, in proportion: no more than 9 % from the true one.

    Args:
        bins: bin -> answers.
        share: 0 to 1.
    """
    wanted, before = share * sum(bins.values()), 0.0
    for place, count in sorted(bins.items()):
        if count and before + count >= wanted:
            within = (wanted - before) / count
            return float(2 ** ((place + within) / _BINS_A_DOUBLING))
        before += count
    return None
