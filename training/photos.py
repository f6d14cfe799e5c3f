"""Labelled photos and the sources that they come from: the types. Free of torch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import PhotoError
from training.hierarchy import Hierarchy
from training.labels import LabelSet

# The largest photo that `decode_photo` takes is 52 megapixels, 156 MB as a plain 8-bit BMP.
MAX_PHOTO_BYTES = 200_000_000
# What Pillow reads of the formats that `decode_photo` allows.
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".mpo")

# The class index of a photo that shows none of the labels.
UNKNOWN = -1
# The kinds of photos of unknown things; names of the last two begin with their kind.
UNKNOWN_THING = "unknown"
HELD_OUT = "held-out"
CLUTTER = "clutter"


@dataclass(frozen=True)
class Photo:
    """One labelled photo; its bytes are read when asked for.

    Attributes:
        name: unique in its source, for example "train/apple/003.jpg".
        class_index: index into the source's labels; `UNKNOWN` for a photo of none of them.
        read: returns the bytes of the encoded file; pickles, for worker processes. Raises
            `PhotoError` where the file cannot be read.
    """

    name: str
    class_index: int
    read: Callable[[], bytes]


def kind_of(photo: Photo) -> str:
    """Returns of which kind a photo of an unknown thing is, by its name.

    Args:
        photo: one of `Source.unknown`.

    Returns:
        "held-out" for a class that was left out of the labels, "clutter" for a drawn scene
        without any item, and "unknown" for what the source itself gives as unknown.
    """
    first = photo.name.split("/")[0]
    return first if first in (HELD_OUT, CLUTTER) else UNKNOWN_THING


def find_kinds(photos: Iterable[Photo]) -> dict[str, list[int]]:
    """Returns where the photos of each kind of unknown things stand; see `kind_of`."""
    places: dict[str, list[int]] = {}
    for place, photo in enumerate(photos):
        places.setdefault(kind_of(photo), []).append(place)
    return dict(sorted(places.items()))


def group_by_kind(photos: Sequence[Photo]) -> dict[str, tuple[Photo, ...]]:
    """Returns the photos of each kind of unknown things; see `kind_of`."""
    return {
        kind: tuple(photos[place] for place in places)
        for kind, places in find_kinds(photos).items()
    }


@dataclass(frozen=True)
class PhotoFile:
    """Reads a photo from a file when called.

    Attributes:
        path: the file.
    """

    path: Path

    def __call__(self) -> bytes:
        """Returns the file's bytes.

        Raises:
            PhotoError: the file cannot be read, or is larger than `MAX_PHOTO_BYTES`.
        """
        try:
            size_bytes = self.path.stat().st_size
            if size_bytes > MAX_PHOTO_BYTES:
                raise PhotoError(
                    f"{self.path}: {size_bytes} bytes; allowed are {MAX_PHOTO_BYTES} a photo"
                )
            return self.path.read_bytes()
        except OSError as error:
            raise PhotoError(f"cannot read {self.path}: {error.strerror or error}") from error


@dataclass(frozen=True)
class Problem:
    """Something about a source that its owner should know before training on it.

    Attributes:
        kind: one of the kinds that `training.sources.check` names, for example "unreadable".
        photos: names of the photos concerned, none where a class as a whole is concerned.
        message: what is wrong and where, for a person.
        severity: "error" stops training; "note" does not.
        leave_out: names of the photos that `drop_problems` leaves out.
    """

    kind: str
    photos: tuple[str, ...]
    message: str
    severity: str = "error"
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Photos for training and for validation, under one set of labels.

    Attributes:
        name: the source in a word or a path, for reports.
        labels: the classes.
        train: photos to learn from.
        validation: photos to measure on.
        licence: terms of the photos, in words, for the bundle; "not stated" where unknown.
        notes: what was noticed while opening, such as files that are no photos, or a hierarchy
            that does not fit; `check_source` reports it together with what it finds.
        sample_per_class: the check decodes this many photos of each class and split; None for
            every photo, which is right for all that Ghostlens did not draw itself.
        hierarchy: the coarse class of each label; None where the source has none.
        unknown: photos of things that are none of the labels, to measure how those are rejected;
            never trained on.
        listed: the folders and files that were read to list the photos; while their modification
            times stay, so does the list.
    """

    name: str
    labels: LabelSet
    train: Sequence[Photo]
    validation: Sequence[Photo]
    licence: str
    notes: tuple[Problem, ...] = ()
    sample_per_class: int | None = None
    hierarchy: Hierarchy | None = None
    unknown: Sequence[Photo] = ()
    listed: tuple[Path, ...] = ()
