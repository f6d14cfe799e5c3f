"""Validation photos that are changed copies of training photos. Free of torch.

Cropped, resized, brighter or mirrored copies, and the next shot of the same scene, make figures on
the validation photos too good. They are told by the hash that `training.evaluation.leakage`
compares; what its limit finds and misses is measured in docs/evaluation.md.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.leakage import Pair, find_leakage
from training.evaluation.photo_hash import PhotoHashes, Words
from training.photos import Photo, Problem, Source
from training.words import count_words

NEAR_COPY = "near copy"
NOT_COMPARED = "near copies not looked for"
# 7 ns a pair, upright and mirrored (docs/evaluation.md): 7 s.
MOST_PAIRS = 500_000_000
_MOST_NAMED = 20


def count_pairs(source: Source) -> int:
    """Returns how many pairs of a validation and a training photo a source has."""
    return len(source.train) * len(source.validation)


def find_near_copies(
    source: Source, hashes: Words, compared: npt.NDArray[np.bool_]
) -> list[Problem]:
    """Finds the validation photos that look like a training photo.

    They are notes: photos of one plain layout may look alike without being copies, and only a
    person can tell.

    Args:
        source: whose training photos come first, then its validation photos.
        hashes: of each of them and of its mirror image, uint64, shape [N, 2, 3].
        compared: which of them to compare, bool, shape [N].
    """
    parts = (source.train, 0), (source.validation, len(source.train))
    trained, judged = (_select(photos, first, hashes, compared) for photos, first in parts)
    pairs = find_leakage(trained, judged).pairs
    return [_describe(pairs, len(source.validation))] if pairs else []


def describe_not_compared(source: Source) -> Problem:
    """Returns a note that the photos were too many to compare."""
    message = (
        f"{count_pairs(source):,} pairs of a validation and a training photo are too many to look "
        f"for resized or re-saved copies here (at most {MOST_PAIRS:,}); `fit` and `evaluate` do"
    )
    return Problem(NOT_COMPARED, (), message, severity="note")


def _select(
    photos: Sequence[Photo], first: int, hashes: Words, compared: npt.NDArray[np.bool_]
) -> PhotoHashes:
    chosen = np.flatnonzero(compared[first : first + len(photos)])
    names = tuple(photos[int(place)].name for place in chosen)
    return PhotoHashes(names, hashes[first + chosen, 0], hashes[first + chosen, 1])


def _describe(pairs: tuple[Pair, ...], validation: int) -> Problem:
    one = len(pairs) == 1
    named = "".join(f"\n  {_compare(pair)}" for pair in pairs[:_MOST_NAMED])
    more = f"\n  and {len(pairs) - _MOST_NAMED} more" if len(pairs) > _MOST_NAMED else ""
    message = (
        f"{len(pairs)} of {count_words(validation, 'validation photo')} "
        f"{'looks' if one else 'look'} like a training photo, which makes figures too good: take "
        f"{'it' if one else 'them'} out where {'it is a copy' if one else 'they are copies'}, or "
        f"the same item in the same place{named}{more}"
    )
    names = tuple(name for pair in pairs for name in (pair.evaluated, pair.trained))
    return Problem(NEAR_COPY, names, message, severity="note")


def _compare(pair: Pair) -> str:
    mirrored = ", mirrored" if pair.mirrored else ""
    bits = count_words(pair.distance_bits, "bit")
    return f"{pair.evaluated} looks like {pair.trained}{mirrored} (their hashes differ in {bits})"
