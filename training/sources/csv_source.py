"""A source of one's own: a CSV manifest. Free of torch."""

import csv
import os
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from training.errors import DataError, LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet, clean_label
from training.photos import UNKNOWN, UNKNOWN_THING, Photo, PhotoFile, Source
from training.sources.photo_index import IndexWriter

_TEST = "test"
_SPLITS = ("train", "validation", "val", _TEST, UNKNOWN_THING)
_COLUMNS = ("path", "label", "split")
_COARSE = "coarse"
_MOST_NAMED = 20  # lines that a message names


@dataclass(frozen=True)
class Row:
    """A row of a manifest.

    Attributes:
        line: where it ends in the file.
        name: the photo's path, relative to the manifest's folder.
        label: its class; empty with split "unknown".
        split: "train", "validation", "test" or "unknown".
        coarse: the coarse class; empty where none is given.
    """

    line: int
    name: str
    label: str
    split: str
    coarse: str


def open_csv(path: Path) -> Source:
    """Opens a CSV manifest: a header with path, label and split, then one photo a row.

    Paths are relative to the manifest, with forward slashes; the split is "train",
    "validation" ("val" means the same), "test", for photos that are kept aside, or "unknown", for
    photos of none of the labels, whose own label does not matter. A column coarse, where there is
    one, gives the coarse class of each row's label. Other columns are ignored. Labels are those
    of the training rows, without spaces around them and in Unicode's form NFC, by code point.

    Raises:
        DataError: no such file, not UTF-8, a column is missing, or a row has an unknown split, a
            missing photo, a path that stands in an earlier row, a label that no training row
            has, or another coarse class than its label had above; the message names the lines.
    """
    faults = Faults(path)
    classes = _Classes(path, faults)
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(IndexWriter(path.parent))
            for split in ("train", "validation", UNKNOWN_THING)
        }
        for row in read_rows(path, faults):
            if row.split != _TEST:
                writers[row.split].add(path.parent / row.name, classes.number(row))
        faults.refuse()  # before what may only follow from it
        classes.find_untrained()
        faults.refuse()
        train, validation, unknown = (writer.finish() for writer in writers.values())
    labels = classes.labels()
    if not validation:
        raise DataError(f"{path} has no row with split validation")
    places = np.array([labels.index(name) for name in classes.names], np.int64)
    return Source(
        name=f"csv {path.name}",
        labels=labels,
        train=train.renumber(places),
        validation=validation.renumber(places),
        licence="not stated",
        hierarchy=classes.hierarchy(labels),
        unknown=unknown,
        listed=(path,),
    )


class Faults:
    """What is wrong with a manifest, collected so that its owner can mend it all at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: list[tuple[int, str]] = []
        self._count = 0

    def add(self, line: int, fault: str) -> None:
        """Takes in what is wrong with a line; names the first ones and counts all."""
        self._count += 1
        if len(self._named) < _MOST_NAMED:
            self._named.append((line, fault))

    def refuse(self) -> None:
        """Raises `DataError` where something is wrong."""
        lines = [f"line {line}: {fault}" for line, fault in sorted(self._named)]
        if self._count == 1:
            raise DataError(f"{self._path}, {lines[0]}")
        if self._count:
            more = self._count - len(lines)
            lines += [f"and {more:,} more"] if more else []
            raise DataError("\n  ".join([f"{self._path}: {self._count:,} problems", *lines]))


class _Classes:
    """What the rows say about labels, collected row by row.

    Attributes:
        names: the labels, in the order in which they appear.
    """

    def __init__(self, path: Path, faults: Faults) -> None:
        self.names: list[str] = []
        self._path = path
        self._faults = faults
        self._numbers: dict[str, int] = {}
        self._first_lines: dict[str, int] = {}
        self._trained: set[str] = set()
        self._parents: dict[str, str] = {}

    def number(self, row: Row) -> int:
        """Takes a row in, and returns the place of its label in `names`."""
        if row.split == UNKNOWN_THING:
            return UNKNOWN
        if row.label not in self._numbers:
            self._numbers[row.label] = len(self.names)
            self._first_lines[row.label] = row.line
            self.names.append(row.label)
        if row.split == "train":
            self._trained.add(row.label)
        if row.coarse and self._parents.setdefault(row.label, row.coarse) != row.coarse:
            self._faults.add(
                row.line,
                f"{row.label!r} has the coarse class {row.coarse!r} here and "
                f"{self._parents[row.label]!r} above",
            )
        return self._numbers[row.label]

    def find_untrained(self) -> None:
        """Finds the labels that stand in no training row."""
        for name in self.names:
            if name not in self._trained:
                self._faults.add(self._first_lines[name], f"no training row has the label {name!r}")

    def labels(self) -> LabelSet:
        """Returns the labels of the training rows.

        Raises:
            DataError: there are fewer than two, or a name is not allowed.
        """
        try:
            return LabelSet(tuple(sorted(self._trained)))
        except LabelsError as error:
            raise DataError(f"{self._path}: rows with split train: {error}") from error

    def hierarchy(self, labels: LabelSet) -> Hierarchy | None:
        """Returns the coarse classes, None where no row gives one.

        Raises:
            DataError: a label has none, or they make no hierarchy.
        """
        if not self._parents:
            return None
        missing = [name for name in labels.names if name not in self._parents]
        if missing:
            raise DataError(f"{self._path}: no row gives a coarse class to {missing}")
        try:
            return Hierarchy.from_names([self._parents[name] for name in labels.names])
        except LabelsError as error:
            raise DataError(f"{self._path}: {error}") from error


def list_rows(path: Path, split: str) -> list[tuple[str, Photo]]:
    """Lists the photos of one split of a CSV manifest, each with its label.

    Args:
        path: the manifest; it needs no training rows here.
        split: "train", "validation", "test" or "unknown".

    Returns:
        Photos without a class index, in the manifest's order.

    Raises:
        DataError: see `open_csv`.
    """
    faults = Faults(path)
    photos = [
        (row.label, Photo(row.name, UNKNOWN, PhotoFile(path.parent / row.name)))
        for row in read_rows(path, faults)
        if row.split == split
    ]
    faults.refuse()
    return photos


def read_rows(path: Path, faults: Faults) -> Iterator[Row]:
    """Reads a manifest row by row; at its end, looks for paths that stand in two rows.

    Args:
        path: the manifest.
        faults: takes in what is wrong with rows, which are left out.

    Raises:
        DataError: no such file, not UTF-8, or a column is missing.
    """
    # Numbers, because a million names would not fit.
    names = array("q")
    for row in _parse_rows(path, faults):
        names.append(hash(row.name))
        yield row
    numbers, times = np.unique(np.frombuffer(names, np.int64), return_counts=True)
    repeated = set(numbers[times > 1].tolist())
    lines: dict[str, int] = {}
    for row in _parse_rows(path, Faults(path)) if repeated else ():
        if hash(row.name) in repeated and lines.setdefault(row.name, row.line) != row.line:
            faults.add(row.line, f"{row.name!r} stands in line {lines[row.name]} already")


def _parse_rows(path: Path, faults: Faults) -> Iterator[Row]:
    try:
        # utf-8-sig drops the byte order mark that spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or []
            missing = [column for column in _COLUMNS if column not in header]
            if missing:
                raise DataError(
                    f"{path}, line 1: no column {', '.join(missing)}; needed are "
                    f"{', '.join(_COLUMNS)}"
                )
            for values in reader:
                row = _parse_row(path, reader.line_num, values)
                if isinstance(row, Row):
                    yield row
                else:
                    faults.add(reader.line_num, row)
    except FileNotFoundError:
        raise DataError(f"no CSV file at {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _parse_row(path: Path, line: int, values: dict[str, str | None]) -> Row | str:
    """Returns a row, or what is wrong with it."""
    texts = {column: (values[column] or "").strip() for column in _COLUMNS}
    if texts["split"] == UNKNOWN_THING:
        texts["label"] = UNKNOWN_THING
    empty = [column for column, text in texts.items() if not text]
    if empty:
        return f"{', '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
    if texts["split"] not in _SPLITS:
        return f"split is {texts['split']!r}: allowed are {', '.join(_SPLITS)}"
    if PurePosixPath(texts["path"]).is_absolute() or PureWindowsPath(texts["path"]).drive:
        return f"{texts['path']!r} must be relative to the folder of {path.name}"
    name = os.path.normpath(texts["path"])
    if not (path.parent / name).is_file():
        return f"no photo at {path.parent / name}"
    if texts["split"] == UNKNOWN_THING:
        return Row(line, name, "", UNKNOWN_THING, "")
    split = "validation" if texts["split"] == "val" else texts["split"]
    return Row(line, name, clean_label(texts["label"]), split, clean_label(values.get(_COARSE)))
