"""Names of labels and coarse classes in other languages: the owner's table, a bundle's files.

A label and a coarse class of the same text share one name: the table is of texts that are shown.
"""

import csv
import unicodedata
from collections.abc import Collection
from pathlib import Path

from mobile_assets.errors import BundleError
from mobile_assets.languages import LANGUAGE_ALLOWED, normalise_language
from mobile_assets.parts import FOLDERS
from mobile_assets.reading import canonical_json, read_json
from training.hierarchy import Hierarchy
from training.labels import MAX_LABEL_CHARS, LabelSet, clean_label, is_plain

# 100,000 labels at 160 bytes of label and name.
MAX_NAMES_BYTES = 16 << 20
_LABEL_COLUMN = "label"
_SHOWN_FAULTS = 5

Names = dict[str, str]


def list_named(labels: LabelSet, hierarchy: Hierarchy | None) -> tuple[str, ...]:
    """Returns the texts that can have a name: the labels, then the coarse classes."""
    coarse = () if hierarchy is None else hierarchy.coarse.names
    return tuple(dict.fromkeys([*labels.names, *coarse]))


def names_path(language: str) -> str:
    """Returns where a language's names lie in a bundle."""
    return f"{FOLDERS['names']}{language}.json"


def read_table(path: Path, named: Collection[str]) -> dict[str, Names]:
    """Reads an owner's table: UTF-8 CSV with the column `label` and one for each language.

    An empty cell is a missing name: the label itself is shown.

    Args:
        path: the file.
        named: the texts that can have a name; see `list_named`.

    Returns:
        For each language the names that it has, by label or coarse class.

    Raises:
        BundleError: it cannot be read; or columns or rows are malformed, repeat, or are of no
            label: the message names the lines.
    """
    try:
        # utf-8-sig drops the byte order mark that spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except OSError as error:
        raise BundleError(f"cannot read the names in {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BundleError(f"{path} is not a UTF-8 CSV table: {error}") from error
    if not rows:
        raise BundleError(f"{path} is empty: line 1 must be like label,zh-Hans")
    (line, header), *entries = rows
    languages, faults = _read_header(header)
    if faults:
        _refuse(path, [f"line {line}: {fault}" for fault in faults])
    return _read_entries(path, entries, languages, named)


def names_bytes(names: Names) -> bytes:
    """Returns a language's file: canonical JSON, the same names give the same bytes."""
    return canonical_json(names)


def parse_names(data: bytes, where: str, named: Collection[str]) -> Names:
    """Reads a language's file.

    Args:
        data: its bytes.
        where: its path, for messages.
        named: the texts that can have a name; see `list_named`.

    Raises:
        ManifestError: malformed, or it names something that is no label or coarse class.
    """
    members = read_json(data, where, MAX_NAMES_BYTES).members()
    allowed = set(named)
    names = {}
    for label, node in members.items():
        if label not in allowed:
            node.fail("there is no such label or coarse class")
        names[label] = node.text(MAX_LABEL_CHARS)
        if fault := _object_to(names[label]):
            node.fail(fault)
    return names


def _read_header(header: list[str]) -> tuple[list[str | None], list[str]]:
    """Returns the language of each column, None for the labels', and what is wrong."""
    columns = [cell.strip() for cell in header]
    faults = []
    if columns.count(_LABEL_COLUMN) != 1:
        faults.append(f"there must be one column {_LABEL_COLUMN}, and there are {columns}")
    languages: list[str | None] = []
    for column in columns:
        language = None if column == _LABEL_COLUMN else normalise_language(column)
        if language is None and column != _LABEL_COLUMN:
            faults.append(f"{column!r} is no language: allowed are {LANGUAGE_ALLOWED}")
        if language in languages and language is not None:
            faults.append(f"the language {language} has two columns")
        languages.append(language)
    if not any(languages) and not faults:
        faults.append("there is no column of a language, as zh-Hans")
    return languages, faults


def _read_entries(
    path: Path,
    entries: list[tuple[int, list[str]]],
    languages: list[str | None],
    named: Collection[str],
) -> dict[str, Names]:
    known = {unicodedata.normalize("NFC", text): text for text in named}
    names: dict[str, Names] = {language: {} for language in languages if language is not None}
    seen: dict[str, int] = {}
    faults = []
    for line, row in entries:
        if len(row) != len(languages):
            faults.append(f"line {line}: {len(row)} cells for {len(languages)} columns")
            continue
        cells = {language: clean_label(cell) for language, cell in zip(languages, row, strict=True)}
        label = cells.pop(None)
        if label not in known:
            faults.append(f"line {line}: no label or coarse class {label!r}")
        elif label in seen:
            faults.append(f"line {line}: {label!r} stands in line {seen[label]} already")
        else:
            seen[label] = line
            for language, name in cells.items():
                if fault := _object_to(name):
                    faults.append(f"line {line}, {language}: {name!r}: {fault}")
                elif name and language is not None:
                    names[language][known[label]] = name
    if faults:
        _refuse(path, faults)
    return names


def _object_to(name: str) -> str | None:
    if len(name) > MAX_LABEL_CHARS:
        return f"allowed are {MAX_LABEL_CHARS} characters"
    if name != name.strip() or not is_plain(name):
        return "spaces at the ends and control characters are not allowed"
    return None


def _refuse(path: Path, faults: list[str]) -> None:
    more = len(faults) - _SHOWN_FAULTS
    shown = "; ".join(faults[:_SHOWN_FAULTS]) + (f"; and {more} more" if more > 0 else "")
    raise BundleError(f"the names in {path}: {shown}")
