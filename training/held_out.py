"""Classes that are left out of a source, to measure how unknown things are rejected.

Free of torch.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from training.errors import DataError, LabelsError
from training.labels import LabelSet
from training.photos import HELD_OUT, UNKNOWN, Photo, Problem, Source

HELD_OUT_TRAINING_PHOTOS = "held out without validation photos"


def hold_out(source: Source, names: Sequence[str]) -> Source:
    """Returns a source without some of its classes; their photos show unknown things.

    The photos are those of the classes' validation split; of a class that has none there, those
    of its training split, which nothing is trained on either. Coarse classes that lose all their
    labels leave too.

    Args:
        source: the whole source.
        names: the classes to leave out.

    Raises:
        DataError: the source has no class of a name, or fewer than two classes would be left.
    """
    if not names:
        return source
    names = [unicodedata.normalize("NFC", name) for name in names]
    strangers = [name for name in names if name not in source.labels.names]
    if strangers:
        raise DataError(
            f"data.held_out names {strangers}: {source.name} has the classes "
            f"{list(source.labels.names)}"
        )
    held = {source.labels.index(name) for name in names}
    kept = [index for index in range(len(source.labels)) if index not in held]
    try:
        labels = LabelSet(tuple(source.labels.names[index] for index in kept))
    except LabelsError as error:
        raise DataError(f"data.held_out leaves too little of {source.name}: {error}") from None
    places = {index: place for place, index in enumerate(kept)}
    validated = {photo.class_index for photo in source.validation}
    only_trained = sorted(held - validated)
    moved = (
        *(photo for photo in source.validation if photo.class_index in held),
        *(photo for photo in source.train if photo.class_index in only_trained),
    )
    return replace(
        source,
        labels=labels,
        train=tuple(_renumber(source.train, places)),
        validation=tuple(_renumber(source.validation, places)),
        notes=(*source.notes, *_describe(source, only_trained)),
        hierarchy=source.hierarchy and source.hierarchy.select(kept),
        unknown=(*source.unknown, *(_make_unknown(photo) for photo in moved)),
    )


def _renumber(photos: Sequence[Photo], places: dict[int, int]) -> Iterator[Photo]:
    for photo in photos:
        place = places.get(photo.class_index)
        if place is not None:
            yield replace(photo, class_index=place)


def _make_unknown(photo: Photo) -> Photo:
    return replace(photo, name=f"{HELD_OUT}/{photo.name}", class_index=UNKNOWN)


def _describe(source: Source, only_trained: list[int]) -> list[Problem]:
    if not only_trained:
        return []
    names = ", ".join(source.labels.names[index] for index in only_trained)
    message = (
        f"held-out classes without validation photos give their training photos as unknown: {names}"
    )
    return [Problem(HELD_OUT_TRAINING_PHOTOS, (), message, severity="note")]
