"""Sources of one's own: a folder of classes, or a CSV manifest. Free of torch."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import NoReturn

from training.errors import DataError, LabelsError
from training.labels import LabelSet
from training.photos import PHOTO_SUFFIXES, Photo, PhotoFile, Problem, Source

NOT_A_PHOTO = "not a photo"
NOT_FOLLOWED = "link not followed"
_LAYOUT = "expected are train/<class>/<photos> and val/<class>/<photos> (or validation/)"
_SPLITS = ("train", "validation", "val")
_COLUMNS = ("path", "label", "split")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")


def open_folder(path: Path) -> Source:
    """Opens a folder of classes: `train/<class>/*` and `val/<class>/*` (or `validation/`).

    Labels are the names of the folders in `train`, by Unicode code point, or the lines of a
    `labels.txt` beside it, which fixes another order. Photos may lie in folders below a class.

    Raises:
        DataError: the layout is another, there is one class only, or validation has a class
            that training lacks; the message names it.
    """
    train, validation = path / "train", _find_validation(path)
    found = _class_folders(train)
    labels = _folder_labels(path, found)
    unknown = sorted(set(_class_folders(validation)) - set(found))
    if unknown:
        raise DataError(f"{validation}: {_quoted(unknown)}: no such class in {train}")
    listing = _Listing(path)
    source = Source(
        name=f"folder {path.name}",
        labels=labels,
        train=listing.add_split(train, labels),
        validation=listing.add_split(validation, labels),
        licence="not stated",
        notes=tuple(listing.notes),
    )
    if not source.validation:
        raise DataError(f"{validation} holds no photos; {_LAYOUT}")
    return source


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


def _class_folders(split: Path) -> list[str]:
    folders = (entry.name for entry in _entries(split) if entry.is_dir())
    return sorted(name for name in folders if not name.startswith("."))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"cannot list {error.filename}: {error.strerror}") from error


def _folder_labels(path: Path, found: list[str]) -> LabelSet:
    order = path / "labels.txt"
    try:
        if not order.exists():
            return LabelSet(tuple(found))
        labels = LabelSet.from_file(order)
    except LabelsError as error:
        raise DataError(f"{path / 'train'}: {error}; {_LAYOUT}") from error
    only_listed = sorted(set(labels.names) - set(found))
    only_found = sorted(set(found) - set(labels.names))
    if only_listed:
        raise DataError(f"{order} names {_quoted(only_listed)}: no such folder in {path / 'train'}")
    if only_found:
        raise DataError(f"{order} does not name the folder {_quoted(only_found)} of train")
    return labels


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


@dataclass
class _Listing:
    """Collects the photos below a source's folder, and what is no photo."""

    root: Path
    notes: list[Problem] = field(default_factory=list)

    def add_split(self, split: Path, labels: LabelSet) -> tuple[Photo, ...]:
        for entry in _entries(split):
            if not entry.is_dir() and not _is_system_file(entry.name):
                self._note(NOT_A_PHOTO, entry, "a file beside the class folders is not used")
        return tuple(
            Photo(self._name(file), labels.index(name), PhotoFile(file))
            for name in _class_folders(split)
            for file in self._photos_below(split / name)
        )

    def _photos_below(self, folder: Path) -> Iterator[Path]:
        for directory, folders, files in os.walk(folder, onerror=_refuse):
            here = Path(directory)
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


@dataclass(frozen=True)
class _Row:
    line: int
    name: str
    label: str
    split: str


def open_csv(path: Path) -> Source:
    """Opens a CSV manifest: a header with path, label and split, then one photo a row.

    Paths are relative to the manifest, with forward slashes; the split is "train" or
    "validation" ("val" means the same). Other columns are ignored. Labels are those of the
    training rows, by Unicode code point.

    Raises:
        DataError: no such file, not UTF-8, a column is missing, or a row has an unknown split, a
            missing photo, a path that stands in an earlier row, or a label that no training row
            has; the message names the line.
    """
    rows = _read_rows(path)
    try:
        labels = LabelSet(tuple(sorted({row.label for row in rows if row.split == "train"})))
    except LabelsError as error:
        raise DataError(f"{path}: rows with split train: {error}") from error
    for row in rows:
        if row.label not in labels.names:
            raise DataError(f"{path}, line {row.line}: no training row has the label {row.label!r}")
    if all(row.split == "train" for row in rows):
        raise DataError(f"{path} has no row with split validation")

    def photos(split: str) -> tuple[Photo, ...]:
        return tuple(
            Photo(row.name, labels.index(row.label), PhotoFile(path.parent / row.name))
            for row in rows
            if row.split == split
        )

    return Source(f"csv {path.name}", labels, photos("train"), photos("validation"), "not stated")


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
    split = "train" if texts["split"] == "train" else "validation"
    return _Row(line, name, texts["label"], split)
