"""From corrections to a source that `training` reads: photos and a manifest.

All of them go to the split `train`. Staff correct what a network gets wrong, and photos chosen so
would make it look worse than it is, and each version would be measured on others; what is measured
stays the owner's own choice. Photos of no item go to `unknown`: they are not trained on, and show
how well such are rejected.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select

from mobile_assets.manifest import Manifest
from serving.corrections.keeping import KeptPhotos
from serving.corrections.photos import SUFFIX
from serving.corrections.store import Found, find_right
from serving.corrections.tables import (
    ACCEPTED,
    NOT_AN_ITEM,
    OPEN,
    corrections,
)
from serving.errors import ServingError, UnknownCorrectionError
from serving.state.database import Database
from training.errors import StorageError
from training.files import new_directory, sha256_bytes, write_atomic
from training.sources.more import MANIFEST_NAME

PHOTOS_FOLDER = "photos"
_COLUMNS = ("path", "label", "split", "coarse", "correction_id", "answered", "version", "state")


@dataclass(frozen=True)
class Wanted:
    """Which corrections to export.

    Attributes:
        manifest: of the version whose labels count as known.
        new_labels: names that become new classes -> their coarse class, empty for none.
        open_too: also those that nobody has reviewed yet.
    """

    manifest: Manifest
    new_labels: Mapping[str, str]
    open_too: bool = False


@dataclass
class Exported:
    """What was exported.

    Attributes:
        photos: label -> number of photos; `NOT_AN_ITEM` for those of no item.
        left_out: why -> number of corrections.
        unknown_labels: names that are no label, and were not asked for -> number of corrections.
    """

    photos: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unknown_labels: Counter[str] = field(default_factory=Counter)


def export(database: Database, kept: KeptPhotos, wanted: Wanted, out: Path) -> Exported:
    """Writes a folder, whole or not at all.

    Args:
        database: the state.
        kept: where the photos are.
        wanted: which.
        out: the folder, which must not exist.

    Raises:
        StorageError: it exists, or cannot be written; likewise StateError.
        ServingError: there is no photo to export.
    """
    if out.exists():
        raise StorageError(f"{out} exists already: allowed is a folder that does not")
    exported = Exported()
    with database.read() as connection:
        found = list(connection.execute(_make_query(wanted)))
    contradicted = _find_contradicted(found)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    written: set[str] = set()
    with new_directory(out) as folder:
        for one in found:
            why = _find_fault(one, wanted, contradicted, exported)
            data = None if why else _read(kept, one)
            if data is None:
                exported.left_out[why or "the photo is gone"] += 1
                continue
            sha256 = sha256_bytes(data)
            if sha256 in written:
                exported.left_out["the same photo and label as another"] += 1
                continue
            written.add(sha256)
            path = f"{PHOTOS_FOLDER}/{sha256}{SUFFIX}"
            write_atomic(folder / path, data)
            writer.writerow(_describe(one, path, wanted))
            exported.photos[find_right(one)[1] or NOT_AN_ITEM] += 1
        if not exported.photos:
            raise ServingError(_explain_nothing(exported))
        write_atomic(folder / MANIFEST_NAME, table.getvalue())
    return exported


def _explain_nothing(exported: Exported) -> str:
    left_out = [f"{count}, {why}" for why, count in sorted(exported.left_out.items())]
    if exported.unknown_labels:
        left_out += [f"new labels, for --new-label, are {', '.join(exported.unknown_labels)}"]
    words = f"left out were {'; '.join(left_out)}" if left_out else "no correction was accepted yet"
    return f"there is no photo to export: {words}"


def _make_query(wanted: Wanted) -> Select[Any]:
    states = (ACCEPTED, OPEN) if wanted.open_too else (ACCEPTED,)
    mine = corrections.c.model == wanted.manifest.model, corrections.c.state.in_(states)
    order = corrections.c.received_ms, corrections.c.correction_id
    return select(corrections).where(*mine).order_by(*order)


def _find_contradicted(found: list[Found]) -> set[str]:
    """Returns the photos that are said to show two things: nobody knows which is right."""
    said: dict[str, set[tuple[str, str | None]]] = {}
    for one in found:
        if one.kept_sha256 is not None:
            said.setdefault(one.kept_sha256, set()).add(find_right(one))
    return {sha256 for sha256, rights in said.items() if len(rights) > 1}


def _find_fault(
    found: Found, wanted: Wanted, contradicted: set[str], exported: Exported
) -> str | None:
    """Returns why a correction is left out, or None."""
    if found.photo_name is None:
        return "no photo is kept"
    if found.kept_sha256 in contradicted:
        return "another says otherwise of the same photo"
    kind, name = find_right(found)
    if kind != NOT_AN_ITEM and name is not None:
        known = name in wanted.manifest.labels.names or name in wanted.new_labels
        if not known:
            exported.unknown_labels[name] += 1
            return "the label is new, and was not asked for"
    return None


def _read(kept: KeptPhotos, found: Found) -> bytes | None:
    try:
        return kept.read(found.photo_name)
    except (UnknownCorrectionError, ServingError):
        return None


def _describe(found: Found, path: str, wanted: Wanted) -> tuple[str, ...]:
    kind, name = find_right(found)
    label = "" if kind == NOT_AN_ITEM or name is None else name
    split = "train" if label else "unknown"
    own = (found.correction_id, found.answered_label or "", found.version, found.state)
    return path, label, split, _find_coarse(label, wanted), *own


def _find_coarse(label: str, wanted: Wanted) -> str:
    labels, hierarchy = wanted.manifest.labels, wanted.manifest.hierarchy
    if label in wanted.new_labels or hierarchy is None or not label:
        return wanted.new_labels.get(label, "")
    return hierarchy.coarse.names[hierarchy.parents[labels.index(label)]]
