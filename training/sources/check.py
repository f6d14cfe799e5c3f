"""Checks every photo of a source before training. Nothing is dropped silently. Free of torch."""

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.errors import DataError, PhotoError
from training.evaluation.photo_hash import Words, hash_image
from training.labels import LabelSet
from training.photos import UNKNOWN, Photo, Problem, Source
from training.preprocess import decode_photo
from training.sources.hierarchy_file import BAD_HIERARCHY
from training.sources.near_copies import (
    MOST_PAIRS,
    count_pairs,
    describe_not_compared,
    find_near_copies,
)
from training.sources.photo_index import JoinedPhotos, class_indices_of, select_photos
from training.words import count_words

UNREADABLE = "unreadable"
EMPTY_CLASS = "empty class"
IN_BOTH_SPLITS = "in train and validation"
TWO_LABELS = "two labels"
KNOWN_AND_UNKNOWN = "known and unknown"
DUPLICATE_NAME = "duplicate name"
REPEATED = "repeated photo"
NO_VALIDATION = "no validation photos"
SINGLE = "single training photo"
LOOK_ALIKE = "labels that look alike"
SAMPLED = "only a sample was checked"


# Of the SHA-256 of a photo's size and decoded pixels: enough to tell apart more than there are.
_DIGEST_BYTES = 16
_AHEAD = 8  # photos that each thread may have waiting


@dataclass(frozen=True)
class _Seen:
    """What the photos showed.

    Attributes:
        digests: of each photo's size and decoded pixels, uint8, shape [N, 16]; zeros where it
            cannot be decoded.
        errors: what is wrong with those, by their place.
        hashes: perceptual, of each photo and its mirror image, uint64, shape [N, 2, 3]; zeros
            where it cannot be decoded; None where there are too many photos to compare them.
    """

    digests: npt.NDArray[np.uint8]
    errors: dict[int, str]
    hashes: Words | None


def check_source(
    source: Source,
    workers: int | None = None,
    tick: Callable[[], object] | None = None,
) -> list[Problem]:
    """Reads and decodes every photo once, and reports what its owner should know.

    The same photo is told by its decoded pixels, so a copy is found whatever its file format,
    metadata or name. Between training and validation, copies that were resized, cut a little or
    encoded again with losses are found too, by their perceptual hashes, while there are at most
    `training.sources.near_copies.MOST_PAIRS` pairs of photos.

    Args:
        source: what to check.
        workers: threads to decode with, at least 1; as many as there are cores when not given.
        tick: called after each photo, `count_checked(source)` times, for a progress bar.

    Returns:
        Errors first, then notes, each naming the photos concerned.
    """
    sample = _take_sample(source)
    photos = _all_photos(sample)
    compare = count_pairs(sample) <= MOST_PAIRS
    seen = _look_at_all(photos, compare, workers or os.cpu_count() or 1, tick or (lambda: None))
    problems = [
        *source.notes,
        *_describe_sample(source, len(photos)),
        *_find_duplicate_names(_all_photos(source)),
        *_find_unreadable(photos, seen),
        *_find_same_photos(sample, seen),
        *_find_near_copies(sample, seen),
        *_find_empty_classes(source),
        *_find_single_photos(source),
        *_find_look_alikes(source.labels),
    ]
    return sorted(problems, key=lambda problem: problem.severity != "error")


def count_checked(source: Source) -> int:
    """Returns how many photos `check_source` decodes."""
    return len(_all_photos(_take_sample(source)))


def _all_photos(source: Source) -> Sequence[Photo]:
    return JoinedPhotos(source.train, source.validation, source.unknown)


def drop_problems(source: Source, problems: list[Problem]) -> Source:
    """Leaves out the photos that problems name: the unreadable, the contradictory, the leaking.

    Of a photo in both train and validation, the training copy goes, so that the figures stay
    comparable; of a photo under two labels, all copies go, because nobody knows which is right;
    of a photo that is known and unknown, the unknown copy goes.

    Args:
        source: the source that was checked.
        problems: what `check_source` returned.

    Raises:
        DataError: a class would have no training photo, nothing would be left to validate on, or
            what is wrong is not about photos.
    """
    names = {name for problem in problems for name in problem.leave_out}

    def keep(photos: Sequence[Photo]) -> Sequence[Photo]:
        places = (place for place, photo in enumerate(photos) if photo.name not in names)
        return select_photos(photos, np.fromiter(places, np.int64))

    kept = replace(
        source,
        train=keep(source.train),
        validation=keep(source.validation),
        unknown=keep(source.unknown),
    )
    bad = [problem.message for problem in problems if problem.kind == BAD_HIERARCHY]
    if bad:
        raise DataError(f"{source.name}: leaving out photos does not mend {'; '.join(bad)}")
    empty = [problem.message for problem in _find_empty_classes(kept) if _is_error(problem)]
    if empty:
        raise DataError(
            f"{source.name}: {count_words(len(names), 'photo')} left out, and now: "
            f"{'; '.join(empty)}"
        )
    return kept


def _is_error(problem: Problem) -> bool:
    return problem.severity == "error"


def _take_sample(source: Source) -> Source:
    def first(photos: Sequence[Photo]) -> Sequence[Photo]:
        if source.sample_per_class is None:
            return photos
        counts: dict[int, int] = defaultdict(int)
        taken = []
        for photo in photos:
            counts[photo.class_index] += 1
            if counts[photo.class_index] <= source.sample_per_class:
                taken.append(photo)
        return tuple(taken)

    return replace(
        source,
        train=first(source.train),
        validation=first(source.validation),
        unknown=first(source.unknown),
    )


def _describe_sample(source: Source, checked: int) -> list[Problem]:
    total = len(_all_photos(source))
    if checked == total:
        return []
    message = (
        f"{checked:,} of {total:,} photos were decoded, {source.sample_per_class} of each class "
        "and split: this source draws its photos itself"
    )
    return [Problem(SAMPLED, (), message, severity="note")]


def _look_at_all(
    photos: Sequence[Photo], compare: bool, workers: int, tick: Callable[[], object]
) -> _Seen:
    hashes = np.zeros((len(photos), 2, 3), np.uint64) if compare else None
    seen = _Seen(np.zeros((len(photos), _DIGEST_BYTES), np.uint8), {}, hashes)

    def take(place: int, looked: _Look | str) -> None:
        if isinstance(looked, str):
            seen.errors[place] = looked
        else:
            seen.digests[place] = np.frombuffer(looked.digest, np.uint8)
            if seen.hashes is not None and looked.hashed is not None:
                seen.hashes[place] = looked.hashed
        tick()

    pending: deque[Future[_Look | str]] = deque()
    # Threads suffice: reading, decoding and hashing all let other threads run meanwhile.
    with ThreadPoolExecutor(workers) as pool:
        for place, photo in enumerate(photos):
            pending.append(pool.submit(_look_at, photo, compare))
            if len(pending) == _AHEAD * workers:
                take(place + 1 - len(pending), pending.popleft().result())
        for place in range(len(photos) - len(pending), len(photos)):
            take(place, pending.popleft().result())
    return seen


class _Look(NamedTuple):
    """What one photo showed: the digest of its pixels, and its perceptual hash if asked for."""

    digest: bytes
    hashed: Words | None


def _look_at(photo: Photo, compare: bool) -> _Look | str:
    """Returns what a photo shows, or what is wrong."""
    try:
        image = decode_photo(photo.read(), photo.name)
    except PhotoError as error:
        return str(error)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return _Look(digest.digest()[:_DIGEST_BYTES], hash_image(image) if compare else None)


def _find_duplicate_names(photos: Sequence[Photo]) -> list[Problem]:
    # Numbers first, because a million names would not fit; then the few that may be the same.
    hashes = np.fromiter((hash(photo.name) for photo in photos), np.int64, len(photos))
    numbers, times = np.unique(hashes, return_counts=True)
    places = np.flatnonzero(np.isin(hashes, numbers[times > 1]))
    counts = Counter(photos[int(place)].name for place in places)
    return [
        Problem(DUPLICATE_NAME, (name,), f"{count} photos are named {name}", leave_out=(name,))
        for name, count in counts.items()
        if count > 1
    ]


def _find_unreadable(photos: Sequence[Photo], seen: _Seen) -> list[Problem]:
    return [
        Problem(UNREADABLE, (photos[place].name,), error, leave_out=(photos[place].name,))
        for place, error in seen.errors.items()
    ]


def _find_same_photos(source: Source, seen: _Seen) -> list[Problem]:
    # Numbers first, as for names.
    numbers = seen.digests.view(np.uint64)[:, 0]
    different, times = np.unique(numbers, return_counts=True)
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place in np.flatnonzero(np.isin(numbers, different[times > 1])):
        if int(place) not in seen.errors:
            groups[seen.digests[place].tobytes()].append(int(place))
    return [
        _describe_same(source, positions) for positions in groups.values() if len(positions) > 1
    ]


def _find_near_copies(source: Source, seen: _Seen) -> list[Problem]:
    if seen.hashes is None:
        return [describe_not_compared(source)]
    places = len(source.train) + len(source.validation)
    compared = np.ones(places, np.bool_)
    compared[[place for place in seen.errors if place < places]] = False
    # What is the same to the pixel is told as such already.
    digests = seen.digests.view(np.uint64)[:places, 0]
    trained, judged = digests[: len(source.train)], digests[len(source.train) :]
    compared[len(source.train) :] &= ~np.isin(judged, trained)
    return find_near_copies(source, seen.hashes[:places], compared)


def _describe_same(source: Source, positions: list[int]) -> Problem:
    photos = _all_photos(source)
    names = tuple(photos[position].name for position in positions)
    in_train = tuple(photos[at].name for at in positions if at < len(source.train))
    strangers = tuple(photos[at].name for at in positions if photos[at].class_index == UNKNOWN)
    classes = sorted({photos[position].class_index for position in positions} - {UNKNOWN})
    same = f"the same photo: {', '.join(names)}"
    labels = " and ".join(repr(source.labels.names[index]) for index in classes)
    if len(classes) > 1:
        return Problem(TWO_LABELS, names, f"{same}; labelled {labels}", leave_out=names)
    if in_train and len(in_train) + len(strangers) < len(names):
        message = f"{same}; in train and in validation"
        return Problem(IN_BOTH_SPLITS, names, message, leave_out=(*in_train, *strangers))
    if classes and strangers:
        message = f"{same}; labelled {labels}, and among the unknown things"
        return Problem(KNOWN_AND_UNKNOWN, names, message, leave_out=strangers)
    return Problem(REPEATED, names, f"{same}; it counts {len(names)} times", severity="note")


def _find_empty_classes(source: Source) -> list[Problem]:
    trained = set(class_indices_of(source.train).tolist())
    validated = set(class_indices_of(source.validation).tolist())
    problems = [
        Problem(EMPTY_CLASS, (), f"class {name!r} has no photo to train on")
        for index, name in enumerate(source.labels.names)
        if index not in trained
    ]
    if not validated:
        problems.append(Problem(NO_VALIDATION, (), "there is no photo to validate on"))
        return problems
    missing = [name for index, name in enumerate(source.labels.names) if index not in validated]
    if missing:
        message = (
            f"{len(missing)} of {len(source.labels)} classes have no validation photo, so nothing "
            f"is measured for them: {', '.join(missing)}"
        )
        problems.append(Problem(NO_VALIDATION, (), message, severity="note"))
    return problems


def _find_single_photos(source: Source) -> list[Problem]:
    counts = Counter(class_indices_of(source.train).tolist())
    single = [name for index, name in enumerate(source.labels.names) if counts[index] == 1]
    if not single:
        return []
    message = f"classes with one training photo, which is little to learn from: {', '.join(single)}"
    return [Problem(SINGLE, (), message, severity="note")]


def _find_look_alikes(labels: LabelSet) -> list[Problem]:
    """Finds labels that differ in capitals, spaces or characters that nobody sees."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in labels.names:
        groups[_bare(name)].append(name)
    return [
        Problem(
            LOOK_ALIKE,
            (),
            f"these labels look alike, and are different classes: {', '.join(map(ascii, names))}",
            severity="note",
        )
        for names in groups.values()
        if len(names) > 1
    ]


def _bare(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    visible = (letter for letter in plain if unicodedata.category(letter) != "Cf")
    return " ".join("".join(visible).split())
