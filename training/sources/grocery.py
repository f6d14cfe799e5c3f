"""The Grocery Store Dataset in its own layout (Klasson et al., WACV 2019). Free of torch.

81 fine classes of fruit, vegetables and cartons, photographed in shops with a phone. The lists
`train.txt` and `val.txt` name each photo with its fine and its coarse class; `classes.csv` names
both: 43 coarse classes, though the dataset's text says 42. Nothing reads the test split but
`evaluate --split test`.
"""

import csv
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from training.errors import DataError, LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import Photo, PhotoFile, Source
from training.sources.photo_index import index_photos

LICENCE = "MIT, Copyright (c) 2019 Marcus Klasson (Grocery Store Dataset)"
CLASSES_NAME = "classes.csv"
LIST_NAMES = ("train.txt", "val.txt")
_TEST_NAME = "test.txt"
_CLASS_COLUMNS = (
    "Class Name (str)",
    "Class ID (int)",
    "Coarse Class Name (str)",
    "Coarse Class ID (int)",
)


class NamedPhoto(NamedTuple):
    """A line of a list.

    Attributes:
        path: relative to the list, with forward slashes.
        class_index: the fine class.
        coarse_index: the coarse class.
    """

    path: str
    class_index: int
    coarse_index: int


def open_grocery(path: Path) -> Source:
    """Opens the dataset.

    Args:
        path: the folder that holds `train.txt`, or a checkout of the repository, whose folder
            `dataset` does.

    Raises:
        DataError: a list is missing or malformed, or names a photo that is not there.
    """
    root = path / "dataset" if (path / "dataset" / "train.txt").is_file() else path
    if not (root / "train.txt").is_file():
        raise DataError(
            f"{path} is not the Grocery Store Dataset: neither train.txt nor dataset/train.txt is "
            "there; --data grocery fetches the public archive"
        )
    labels, hierarchy = _read_classes(root / CLASSES_NAME)
    train, validation = (
        index_photos(
            root,
            ((root / photo.name, photo.class_index) for photo in _read_list(root, name, hierarchy)),
        )
        for name in LIST_NAMES
    )
    listed = tuple(root / name for name in (CLASSES_NAME, *LIST_NAMES))
    return Source("grocery", labels, train, validation, LICENCE, hierarchy=hierarchy, listed=listed)


def list_grocery_test(path: Path) -> list[tuple[str, Photo]]:
    """Lists the photos that `test.txt` names, each with its class; nothing else reads that list.

    Args:
        path: the folder that holds `classes.csv` and `test.txt`, or one whose folder `dataset`
            does.

    Raises:
        DataError: see `open_grocery`.
    """
    root = path / "dataset" if (path / "dataset" / CLASSES_NAME).is_file() else path
    labels, hierarchy = _read_classes(root / CLASSES_NAME)
    photos = _read_list(root, _TEST_NAME, hierarchy)
    return [(labels.names[photo.class_index], photo) for photo in photos]


def named_photos(text: str, where: str) -> list[NamedPhoto]:
    """Reads a list of photos: one "path, fine class, coarse class" a line.

    Args:
        text: content of `train.txt` or `val.txt`.
        where: name of the list, for error messages.

    Returns:
        What each line names.

    Raises:
        DataError: a line of another form, a path that leaves the folder, or one named twice.
    """
    photos: dict[str, NamedPhoto] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 3 or not fields[0] or not all(_is_number(text) for text in fields[1:]):
            raise DataError(f"{where}, line {number}: {line!r} is not 'path, class, coarse class'")
        if not is_inside(fields[0]):
            raise DataError(f"{where}, line {number}: {fields[0]!r} leads out of the dataset")
        if fields[0] in photos:
            raise DataError(f"{where}, line {number}: {fields[0]!r} stands in an earlier line")
        photos[fields[0]] = NamedPhoto(fields[0], int(fields[1]), int(fields[2]))
    return list(photos.values())


def is_inside(name: str) -> bool:
    """Tells whether a relative path stays below its folder, on any platform."""
    path = PurePosixPath(name)
    plain = "\\" not in name and ":" not in name and "\0" not in name
    return plain and not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _read_classes(path: Path) -> tuple[LabelSet, Hierarchy]:
    reader = csv.DictReader(_read_text(path).splitlines())
    missing = [column for column in _CLASS_COLUMNS if column not in (reader.fieldnames or [])]
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}")
    names: list[str] = []
    parents: list[int] = []
    coarse: dict[int, str] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        name, number, parent, parent_number = ((row[key] or "").strip() for key in _CLASS_COLUMNS)
        if number != str(len(names)):
            raise DataError(f"{where}: class ID is {number!r}, expected {len(names)}")
        if not _is_number(parent_number):
            raise DataError(f"{where}: coarse class ID is {parent_number!r}, expected a number")
        names.append(name)
        parents.append(int(parent_number))
        if coarse.setdefault(parents[-1], parent) != parent:
            raise DataError(
                f"{where}: coarse class {parent_number} is {parent!r} here and "
                f"{coarse[parents[-1]]!r} above"
            )
    try:
        coarse_names = LabelSet(tuple(coarse[number] for number in sorted(coarse)))
        return LabelSet(tuple(names)), Hierarchy(coarse_names, tuple(parents))
    except LabelsError as error:
        raise DataError(f"{path}: {error}") from error


def _read_list(root: Path, list_name: str, hierarchy: Hierarchy) -> tuple[Photo, ...]:
    where = root / list_name
    classes = len(hierarchy.parents)
    photos = []
    for name, class_index, coarse_index in named_photos(_read_text(where), str(where)):
        if class_index >= classes:
            raise DataError(
                f"{where}: {name} has class {class_index}; {CLASSES_NAME} has 0 to {classes - 1}"
            )
        if coarse_index != hierarchy.parents[class_index]:
            raise DataError(
                f"{where}: {name} has class {class_index} and coarse class {coarse_index}; "
                f"{CLASSES_NAME} puts that class under {hierarchy.parents[class_index]}"
            )
        if not (root / name).is_file():
            raise DataError(f"{where}: {name} is not there")
        photos.append(Photo(name, class_index, PhotoFile(root / name)))
    if not photos:
        raise DataError(f"{where} names no photos")
    return tuple(photos)
