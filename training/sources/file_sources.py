"""A source of one's own: a folder of classes. Free of torch."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NoReturn

from training.errors import DataError, LabelsError
from training.labels import LabelSet
from training.photos import PHOTO_SUFFIXES, UNKNOWN, Photo, Problem, Source
from training.sources.hierarchy_file import HIERARCHY_NAME, read_hierarchy
from training.sources.photo_index import PhotoIndex, index_photos

NOT_A_PHOTO = "not a photo"
NOT_FOLLOWED = "link not followed"
_LAYOUT = "expected are train/<class>/<photos> and val/<class>/<photos> (or validation/)"
ORDER_NAME = "labels.txt"
UNKNOWN_FOLDER = "unknown"
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")


def open_folder(path: Path) -> Source:
    """Opens a folder of classes: `train/<class>/*` and `val/<class>/*` (or `validation/`).

    Labels are the names of the folders in `train`, in Unicode's form NFC, by code point; the
    lines of a `labels.txt` beside it fix another order. Photos may lie in folders below a class.
    A `hierarchy.csv` with the columns label and coarse gives each label a coarse class; what is
    wrong with it is among the source's notes, so that the check can report it with the rest.
    Photos below a folder `unknown` show none of the labels.

    Raises:
        DataError: the layout is another, there is one class only, validation has a class
            that training lacks, or `labels.txt` does not fit; the message names it.
    """
    train, validation = path / "train", _find_validation(path)
    found, judged = _class_folders(train), _class_folders(validation)
    labels = _folder_labels(path, sorted(found))
    strangers = sorted(set(judged) - set(found))
    if strangers:
        raise DataError(f"{validation}: {_quoted(strangers)}: no such class in {train}")
    listing = _Listing(path)
    hierarchy, faults = read_hierarchy(path / HIERARCHY_NAME, labels)
    source = Source(
        name=f"folder {path.name}",
        labels=labels,
        train=listing.add_split(train, found, labels),
        validation=listing.add_split(validation, judged, labels),
        licence="not stated",
        hierarchy=hierarchy,
        unknown=listing.add_unknown(path / UNKNOWN_FOLDER),
        notes=(*faults, *listing.notes),
        listed=(path, *listing.folders, *_existing(path / ORDER_NAME, path / HIERARCHY_NAME)),
    )
    if not source.validation:
        raise DataError(f"{validation} holds no photos; {_LAYOUT}")
    return source


def list_classes(root: Path, split: Path) -> tuple[list[tuple[str, Photo]], list[Problem]]:
    """Lists the photos of a folder of class folders, each with the name of its class.

    Args:
        root: what names of photos are relative to.
        split: the folder that holds a folder a class.

    Returns:
        Photos without a class index, by class; and what is no photo.

    Raises:
        DataError: the folder cannot be listed.
    """
    listing = _Listing(root)
    photos = [
        (label, photo)
        for label, folder in sorted(_class_folders(split).items())
        for photo in listing.add_unknown(folder)
    ]
    return photos, listing.notes


def list_unknown(root: Path) -> tuple[Photo, ...]:
    """Lists the photos below a source's folder `unknown`; none where there is no such folder."""
    return tuple(_Listing(root).add_unknown(root / UNKNOWN_FOLDER))


def _find_validation(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(f"no folder at {path}; {_LAYOUT}")
    if not (path / "train").is_dir():
        raise DataError(f"{path} has no folder train; {_LAYOUT}")
    found = [path / name for name in ("val", "validation") if (path / name).is_dir()]
    if len(found) != 1:
        state = "neither val nor validation" if not found else "both val and validation"
        raise DataError(f"{path} has {state}; {_LAYOUT}")
    return found[0]


def _class_folders(split: Path) -> dict[str, Path]:
    """Returns the folder of each class.

    macOS may write a name in Unicode's form NFD, which looks the same as NFC: both mean one class.
    """
    folders: dict[str, Path] = {}
    for entry in _entries(split):
        if entry.is_dir() and not entry.name.startswith("."):
            label = unicodedata.normalize("NFC", entry.name)
            if label in folders:
                names = f"{folders[label].name!a} and {entry.name!a}"
                raise DataError(f"{split}: {names} are one name in two forms of Unicode")
            folders[label] = entry
    return folders


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"cannot list {error.filename}: {error.strerror}") from error


def _folder_labels(path: Path, found: list[str]) -> LabelSet:
    order = path / ORDER_NAME
    try:
        if not order.exists():
            return LabelSet(tuple(found))
        listed = LabelSet.from_file(order)
        labels = LabelSet(tuple(unicodedata.normalize("NFC", name) for name in listed.names))
    except LabelsError as error:
        raise DataError(f"{path / 'train'}: {error}; {_LAYOUT}") from error
    only_listed = sorted(set(labels.names) - set(found))
    only_found = sorted(set(found) - set(labels.names))
    if only_listed:
        raise DataError(f"{order} names {_quoted(only_listed)}: no such folder in {path / 'train'}")
    if only_found:
        raise DataError(f"{order} does not name the folder {_quoted(only_found)} of train")
    return labels


def _existing(*paths: Path) -> list[Path]:
    return [path for path in paths if path.exists()]


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


@dataclass
class _Listing:
    """Collects the photos below a source's folder, and what is no photo."""

    root: Path
    notes: list[Problem] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def add_split(self, split: Path, folders: dict[str, Path], labels: LabelSet) -> PhotoIndex:
        self.folders.append(split)
        for entry in _entries(split):
            if not entry.is_dir() and not _is_system_file(entry.name):
                self._note(NOT_A_PHOTO, entry, "a file beside the class folders is not used")
        return index_photos(
            self.root,
            (
                (file, class_index)
                for label, folder in sorted(folders.items())
                for class_index in (labels.index(label),)
                for file in self._photos_below(folder)
            ),
        )

    def add_unknown(self, folder: Path) -> PhotoIndex:
        files = self._photos_below(folder) if folder.is_dir() else iter(())
        return index_photos(self.root, ((file, UNKNOWN) for file in files))

    def _photos_below(self, folder: Path) -> Iterator[Path]:
        for directory, folders, files in os.walk(folder, onerror=_refuse):
            here = Path(directory)
            self.folders.append(here)
            for name in folders:
                if (here / name).is_symlink():
                    self._note(NOT_FOLLOWED, here / name, "a linked folder is not followed")
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.lower().endswith(PHOTO_SUFFIXES) and not name.startswith("."):
                    yield here / name
                elif not _is_system_file(name):
                    allowed = ", ".join(PHOTO_SUFFIXES)
                    self._note(NOT_A_PHOTO, here / name, f"not used; photos end in {allowed}")

    def _name(self, path: Path) -> str:
        # A file name of bytes that are not UTF-8 must still print and go into reports.
        name = os.fsencode(path.relative_to(self.root))
        return PurePath(name.decode("utf-8", "backslashreplace")).as_posix()

    def _note(self, kind: str, path: Path, words: str) -> None:
        name = self._name(path)
        self.notes.append(Problem(kind, (name,), f"{name}: {words}", severity="note"))


def _is_system_file(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES
