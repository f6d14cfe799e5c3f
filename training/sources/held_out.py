"""Classes that are left out of a source, to measure how unknown things are rejected.

Free of torch.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.errors import DataError, LabelsError
from training.labels import LabelSet
from training.photos import HELD_OUT, UNKNOWN, Photo, Problem, Source
from training.sources.photo_index import Indices, class_indices_of, select_photos

NO_HELD_OUT_PHOTOS = "held out without validation photos"


def hold_out(source: Source, names: Sequence[str]) -> Source:
    """Returns a source without some of its classes; their photos show unknown things.

    The photos are those of the classes' validation split. Only where it has none at all are they
    those of the training split: nothing is trained on them either, but taken beside photos that
    were trained on, they look better known than they should (docs/unknown.md). Coarse classes
    that lose all their labels leave too.

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
    judged = set(class_indices_of(source.validation).tolist())
    split = source.validation if held & judged else source.train
    moved = select_photos(split, _places(split, sorted(held)))
    return replace(
        source,
        labels=labels,
        train=_renumber(source.train, kept),
        validation=_renumber(source.validation, kept),
        notes=(*source.notes, *_describe(source, sorted(held), judged)),
        hierarchy=source.hierarchy and source.hierarchy.select(kept),
        unknown=(*source.unknown, *(_make_unknown(photo) for photo in moved)),
    )


def _places(photos: Sequence[Photo], classes: Sequence[int]) -> Indices:
    return np.flatnonzero(np.isin(class_indices_of(photos), classes))


def _renumber(photos: Sequence[Photo], kept: Sequence[int]) -> Sequence[Photo]:
    places = _places(photos, kept)
    return select_photos(photos, places, np.searchsorted(kept, class_indices_of(photos)[places]))


def _make_unknown(photo: Photo) -> Photo:
    return replace(photo, name=f"{HELD_OUT}/{photo.name}", class_index=UNKNOWN)


def _describe(source: Source, held: Sequence[int], judged: set[int]) -> list[Problem]:
    missing = [index for index in held if index not in judged]
    if not missing:
        return []
    names = ", ".join(source.labels.names[index] for index in missing)
    consequence = (
        "they are not among the unknown things"
        if len(missing) < len(held)
        else "their training photos are the unknown things, which look better known than others"
    )
    message = f"held-out classes without validation photos: {names}; {consequence}"
    return [Problem(NO_HELD_OUT_PHOTOS, (), message, severity="note")]
