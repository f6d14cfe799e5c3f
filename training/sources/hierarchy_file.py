"""The file that gives each class of a folder its coarse class. Free of torch."""

import csv
from pathlib import Path

from training.errors import LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet, clean_label
from training.photos import Problem

HIERARCHY_NAME = "hierarchy.csv"
BAD_HIERARCHY = "hierarchy that does not fit"
_COLUMNS = ("label", "coarse")


def read_hierarchy(path: Path, labels: LabelSet) -> tuple[Hierarchy | None, list[Problem]]:
    """Reads a table with the columns label and coarse, which names every label once.

    Args:
        path: the file; it may be missing.
        labels: of the source.

    Returns:
        The hierarchy, None where there is no file or it does not fit; and everything that is
        wrong with it, so that its owner can mend it all at once.
    """
    if not path.exists():
        return None, []
    parents: dict[str, str] = {}
    try:
        faults = _read_rows(path, labels, parents)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return None, [_fault(f"{path}: {error}")]
    if not faults:
        try:
            return Hierarchy.from_names([parents[name] for name in labels.names]), []
        except LabelsError as error:
            faults.append(f"{path}: {error}")
    return None, [_fault(fault) for fault in faults]


def _read_rows(path: Path, labels: LabelSet, parents: dict[str, str]) -> list[str]:
    """Fills in the coarse class of each label, and returns what is wrong."""
    # utf-8-sig drops the byte order mark that spreadsheets write.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        missing = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            return [
                f"{path}, line 1: no column {', '.join(missing)}; needed are {', '.join(_COLUMNS)}"
            ]
        faults: list[str] = []
        for row in reader:
            label, coarse = (clean_label(row[column]) for column in _COLUMNS)
            fault = _find_fault(label, coarse, labels, parents)
            if fault:
                faults.append(f"{path}, line {reader.line_num}: {fault}")
            parents.setdefault(label, coarse)
    unnamed = [name for name in labels.names if name not in parents]
    if unnamed:
        faults.append(f"{path} does not name {', '.join(map(repr, unnamed))}")
    return faults


def _find_fault(label: str, coarse: str, labels: LabelSet, parents: dict[str, str]) -> str:
    if label not in labels.names:
        return f"no class {label!r} among the folders of train"
    if label in parents:
        return f"{label!r} stands in an earlier line"
    return "" if coarse else f"{label!r} has no coarse class"


def _fault(message: str) -> Problem:
    return Problem(BAD_HIERARCHY, (), message)
