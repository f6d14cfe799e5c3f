"""How answers are distributed: confidences in fixed bins, first labels, verdicts. Free of torch.

What a network answers on validation photos is written beside it, and a server counts the same of
what it is asked later: where the two part, the photos are others than it was trained for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import ConfidenceError
from training.evaluation.decisions import VERDICTS
from training.labels import LabelSet

# Of the first answer's probability, after the temperature. Good networks are mostly sure, so the
# bins are narrow where the answers are; part of the format of reports, never to be changed.
_BELOW_HALF = (0.0, 0.1, 0.2, 0.3, 0.4)
_FROM_HALF = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
_FROM_NINE_TENTHS = (0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
CONFIDENCE_EDGES = (*_BELOW_HALF, *_FROM_HALF, *_FROM_NINE_TENTHS)
CONFIDENCE_BINS = len(CONFIDENCE_EDGES) - 1
_INNER_EDGES = np.array(CONFIDENCE_EDGES[1:-1])
_MOST = 10**12


def find_bin(confidence: float) -> int:
    """Returns the bin of a confidence, from 0; a bin holds its lower edge."""
    return int(np.searchsorted(_INNER_EDGES, confidence, side="right"))


@dataclass(frozen=True)
class Distribution:
    """How often each answer was given.

    Attributes:
        confidences: photos in each bin of `CONFIDENCE_EDGES`.
        labels: photos by the label named first; labels never named are left out.
        verdicts: photos by verdict.

    Raises:
        ConfidenceError: counts that are none, or that do not add up to one number of photos.
    """

    confidences: tuple[int, ...]
    labels: dict[str, int]
    verdicts: dict[str, int]

    def __post_init__(self) -> None:
        if len(self.confidences) != CONFIDENCE_BINS:
            raise ConfidenceError(
                f"confidences has {len(self.confidences)} bins: allowed are {CONFIDENCE_BINS}"
            )
        if unknown := set(self.verdicts) - set(VERDICTS):
            raise ConfidenceError(
                f"the verdict {min(unknown)!r}: allowed are {', '.join(VERDICTS)}"
            )
        counts = [*self.confidences, *self.labels.values(), *self.verdicts.values()]
        if not all(type(count) is int and 0 <= count <= _MOST for count in counts):
            raise ConfidenceError(f"counts of photos: allowed are whole numbers, 0 to {_MOST}")
        sums = {name: sum(count) for name, count in self._columns().items()}
        if len(set(sums.values())) != 1:
            raise ConfidenceError(f"counts of photos do not add up to one number: {sums}")

    @property
    def photos(self) -> int:
        """How many photos were answered."""
        return sum(self.confidences)

    def _columns(self) -> dict[str, Sequence[int]]:
        return {
            "confidences": self.confidences,
            "labels": tuple(self.labels.values()),
            "verdicts": tuple(self.verdicts.values()),
        }

    def to_json(self) -> dict[str, Any]:
        """Returns what a JSON file holds; the edges stand beside the bins for other readers."""
        return {"edges": list(CONFIDENCE_EDGES), **asdict(self)}

    @classmethod
    def from_json(cls, value: object) -> "Distribution":
        """Reads what `to_json` gave.

        Raises:
            ConfidenceError: a key is missing or unknown, or its value not allowed.
        """
        names = {"edges", *(entry.name for entry in fields(cls))}
        if not isinstance(value, dict) or set(value) != names:
            raise ConfidenceError(f"a distribution of answers has the keys {sorted(names)}")
        if value["edges"] != list(CONFIDENCE_EDGES):
            raise ConfidenceError(f"edges: allowed are {list(CONFIDENCE_EDGES)}")
        maps = (value["labels"], value["verdicts"])
        if not isinstance(value["confidences"], list) or not all(isinstance(x, dict) for x in maps):
            raise ConfidenceError("confidences is a list, labels and verdicts are objects")
        return cls(tuple(value["confidences"]), *maps)


def count_answers(
    labels: LabelSet,
    calibrated: npt.NDArray[np.float64],
    verdicts: npt.NDArray[np.str_],
) -> Distribution:
    """Counts the answers on some photos.

    Args:
        labels: class names in the order of the outputs.
        calibrated: probabilities after the temperature, shape [N, classes].
        verdicts: of each photo, shape [N].
    """
    first = calibrated.argmax(axis=1)
    bins = np.searchsorted(_INNER_EDGES, calibrated.max(axis=1), side="right")
    named = Counter(labels.names[index] for index in first)
    return Distribution(
        tuple(int(count) for count in np.bincount(bins, minlength=CONFIDENCE_BINS)),
        dict(sorted(named.items())),
        dict(Counter(str(verdict) for verdict in verdicts)),
    )


def describe_bins() -> list[str]:
    """Returns each bin in words, as in "90 to 92.5 %"."""
    return [f"{100 * low:g} to {100 * high:g} %" for low, high in pairwise(CONFIDENCE_EDGES)]
