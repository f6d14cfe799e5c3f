"""Photos that a model is judged on must not be among those that it learnt from. Free of torch.

A photo counts as seen in training where a training photo's perceptual hash differs from its own, or
from that of its mirror image, in at most `LIMIT_BITS` bits: the same file, a copy of another size,
quality or brightness, cut at the edges, or the next shot of the same scene. What the limit
finds and misses is measured in docs/evaluation.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation.metrics import wilson_interval
from training.evaluation.photo_hash import HASH_BITS, PhotoHashes, Words

LIMIT_BITS = 32
_BLOCK = 16_384  # training hashes compared at once: they stay in the processor's second cache
_MOST_NAMED = 1000  # pairs that metrics.json names; all are counted


@dataclass(frozen=True)
class Pair:
    """An evaluated photo, and the training photo that looks most like it.

    Attributes:
        evaluated: name of the evaluated photo.
        trained: name of the training photo.
        distance_bits: bits that differ, 0 to `LIMIT_BITS`.
        mirrored: whether one is the other's mirror image.
    """

    evaluated: str
    trained: str
    distance_bits: int
    mirrored: bool

    def describe(self) -> str:
        """Returns the pair in words."""
        mirrored = ", mirrored" if self.mirrored else ""
        return f"{self.evaluated} is {self.trained}{mirrored} ({self.distance_bits} bits differ)"


@dataclass(frozen=True)
class Leakage:
    """What a comparison of evaluated photos with training photos came to.

    Attributes:
        pairs: one for each evaluated photo that was seen in training, in the photos' order.
        seen: for each evaluated photo, whether it was seen; bool, shape [N].
        trained: number of training photos compared with.
        limit_bits: the largest distance that counts.
    """

    pairs: tuple[Pair, ...]
    seen: npt.NDArray[np.bool_]
    trained: int
    limit_bits: int

    def to_json(self) -> dict[str, Any]:
        """Returns the entry "leakage" of `metrics.json`; it names at most 1,000 pairs."""
        count = len(self.pairs)
        return {
            "checked": True,
            "photos": len(self.seen),
            "training_photos": self.trained,
            "seen_in_training": count,
            "share": count / len(self.seen) if len(self.seen) else 0.0,
            "share_interval_95": wilson_interval(count, len(self.seen)),
            "limit_bits": self.limit_bits,
            "hash_bits": HASH_BITS,
            "pairs": [vars(pair) for pair in self.pairs[:_MOST_NAMED]],
        }


def find_leakage(
    trained: PhotoHashes, evaluated: PhotoHashes, limit_bits: int = LIMIT_BITS
) -> Leakage:
    """Compares every evaluated photo, upright and mirrored, with every training photo.

    Nothing is skipped: a plain pass over the hashes costs about 7 ms for an evaluated photo and a
    million training photos, and many alike photos make it no slower, as they would an index.

    Args:
        trained: hashes of the training photos.
        evaluated: hashes of the photos that figures are given for.
        limit_bits: the largest distance that counts as the same, 0 to 191.
    """
    columns = np.ascontiguousarray(trained.words.T)
    pairs: list[Pair] = []
    seen = np.zeros(len(evaluated), np.bool_)
    for index, name in enumerate(evaluated.names):
        upright = _nearest(columns, evaluated.words[index])
        turned = _nearest(columns, evaluated.mirrored[index])
        # A tie is told as the plainer of the two: the same photo, upright.
        (distance, at), mirrored = min((upright, False), (turned, True), key=lambda it: it[0][0])
        if distance <= limit_bits:
            seen[index] = True
            pairs.append(Pair(name, trained.names[at], distance, mirrored))
    return Leakage(tuple(pairs), seen, len(trained), limit_bits)


def count_repeated(photos: PhotoHashes, limit_bits: int = LIMIT_BITS) -> int:
    """Counts the photos that look like an earlier one of the same list.

    Args:
        photos: of one list.
        limit_bits: the largest distance that counts as the same.
    """
    columns = np.ascontiguousarray(photos.words.T)
    return sum(
        _nearest(columns[:, :index], photos.words[index])[0] <= limit_bits
        for index in range(1, len(photos))
    )


def _nearest(columns: Words, words: Words) -> tuple[int, int]:
    """Returns the smallest distance, and where it is first reached; over all bits if none is."""
    best = (HASH_BITS + 1, -1)
    for start, distances in _distances(columns, words):
        at = int(distances.argmin())
        if distances[at] < best[0]:
            best = (int(distances[at]), start + at)
    return best


def _distances(columns: Words, words: Words) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    for start in range(0, columns.shape[1], _BLOCK):
        block = columns[:, start : start + _BLOCK]
        distances = np.bitwise_count(block[0] ^ words[0])
        for column, word in zip(block[1:], words[1:], strict=True):
            distances += np.bitwise_count(column ^ word)
        yield start, distances
