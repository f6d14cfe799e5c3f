"""A source of one's own: a CSV manifest. Free of torch."""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from training.errors import DataError, LabelsError
from training.file_sources import clean_label
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import UNKNOWN, UNKNOWN_THING, Photo, PhotoFile, Source

_TEST = "test"
_SPLITS = ("train", "validation", "val", _TEST, UNKNOWN_THING)
_COLUMNS = ("path", "label", "split")
_COARSE = "coarse"


@dataclass(frozen=True)
class _Row:
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
            has, or another coarse class than its label had above; the message names the line.
    """
    rows = [row for row in _read_rows(path) if row.split != _TEST]
    try:
        labels = LabelSet(tuple(sorted({row.label for row in rows if row.split == "train"})))
    except LabelsError as error:
        raise DataError(f"{path}: rows with split train: {error}") from error
    places = {name: index for index, name in enumerate(labels.names)} | {"": UNKNOWN}
    for row in rows:
        if row.label not in places:
            raise DataError(f"{path}, line {row.line}: no training row has the label {row.label!r}")
    if not any(row.split == "validation" for row in rows):
        raise DataError(f"{path} has no row with split validation")

    def photos(split: str) -> tuple[Photo, ...]:
        return tuple(
            Photo(row.name, places[row.label], PhotoFile(path.parent / row.name))
            for row in rows
            if row.split == split
        )

    return Source(
        name=f"csv {path.name}",
        labels=labels,
        train=photos("train"),
        validation=photos("validation"),
        licence="not stated",
        hierarchy=_find_hierarchy(path, rows, labels),
        unknown=photos(UNKNOWN_THING),
    )


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
    return [
        (row.label, Photo(row.name, UNKNOWN, PhotoFile(path.parent / row.name)))
        for row in _read_rows(path)
        if row.split == split
    ]


def _find_hierarchy(path: Path, rows: Iterable[_Row], labels: LabelSet) -> Hierarchy | None:
    parents: dict[str, str] = {}
    for row in rows:
        if row.coarse and row.label and parents.setdefault(row.label, row.coarse) != row.coarse:
            raise DataError(
                f"{path}, line {row.line}: {row.label!r} has the coarse class {row.coarse!r} "
                f"here and {parents[row.label]!r} above"
            )
    if not parents:
        return None
    missing = [name for name in labels.names if name not in parents]
    if missing:
        raise DataError(f"{path}: no row gives a coarse class to {missing}")
    try:
        return Hierarchy.from_names([parents[name] for name in labels.names])
    except LabelsError as error:
        raise DataError(f"{path}: {error}") from error


def _read_rows(path: Path) -> list[_Row]:
    try:
        # utf-8-sig drops the byte order mark that spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse_rows(path, csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise DataError(f"no CSV file at {path}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _parse_rows(path: Path, reader: "csv.DictReader[str]") -> list[_Row]:
    header = reader.fieldnames or []
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}; needed are {', '.join(_COLUMNS)}"
        )
    rows: list[_Row] = []
    lines: dict[str, int] = {}
    for values in reader:
        row = _parse_row(path, reader.line_num, values)
        if row.name in lines:
            raise DataError(
                f"{path}, line {row.line}: {row.name!r} stands in line {lines[row.name]} already"
            )
        lines[row.name] = row.line
        rows.append(row)
    return rows


def _parse_row(path: Path, line: int, values: dict[str, str | None]) -> _Row:
    where = f"{path}, line {line}"
    texts = {column: (values[column] or "").strip() for column in _COLUMNS}
    if texts["split"] == UNKNOWN_THING:
        texts["label"] = UNKNOWN_THING
    for column, text in texts.items():
        if not text:
            raise DataError(f"{where}: {column} is empty")
    if texts["split"] not in _SPLITS:
        raise DataError(f"{where}: split is {texts['split']!r}: allowed are {', '.join(_SPLITS)}")
    if PurePosixPath(texts["path"]).is_absolute() or PureWindowsPath(texts["path"]).drive:
        raise DataError(f"{where}: {texts['path']!r} must be relative to the folder of {path.name}")
    name = os.path.normpath(texts["path"])
    if not (path.parent / name).is_file():
        raise DataError(f"{where}: no photo at {path.parent / name}")
    if texts["split"] == UNKNOWN_THING:
        return _Row(line, name, "", UNKNOWN_THING, "")
    split = "validation" if texts["split"] == "val" else texts["split"]
    return _Row(line, name, clean_label(texts["label"]), split, clean_label(values.get(_COARSE)))
