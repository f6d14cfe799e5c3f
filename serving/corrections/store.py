"""Corrections in the database: taken in once, compared with others, listed, decided, forgotten."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from mobile_assets.release import format_time
from serving.corrections.photos import CleanPhoto, looks_same
from serving.corrections.tables import (
    ACCEPTED,
    DUPLICATE,
    NOT_AN_ITEM,
    OPEN,
    REJECTED,
    corrections,
)
from serving.errors import CorrectionError, UnknownCorrectionError
from serving.rollouts import hash_device
from serving.state.audit import append
from serving.state.times import now_ms

Found = Row[Any]
# What became of a photo.
KEPT, NOT_SENT, OFF = "kept", "not-sent", "off"
# A device's latest photos, which a new one is compared with.
_COMPARED = 200
_MOST_PAIRS = 1000


@dataclass(frozen=True)
class Said:
    """What a device said.

    Attributes:
        model: name of the model.
        values: as `CorrectionRequest` loads them.
    """

    model: str
    values: dict[str, Any]

    @property
    def correction_id(self) -> str:
        """Made by the device."""
        return str(self.values["correction_id"])

    def hash(self) -> str:
        """Returns the SHA-256 of all of it."""
        text = json.dumps([self.model, self.values], sort_keys=True, default=_to_text)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_row(self) -> dict[str, Any]:
        """Returns the columns that hold it."""
        values, answered, right = self.values, self.values["answered"], self.values["right"]
        return {
            "correction_id": self.correction_id,
            "request_sha256": self.hash(),
            "scanned_ms": int(values["scanned_at"].timestamp() * 1000),
            "model": self.model,
            "version": values["version"],
            "device": hash_device(values["device_id"]),
            "answered_label": answered.get("label"),
            "answered_probability": answered.get("probability"),
            "answered_verdict": answered["verdict"],
            "answered_by": answered["by"],
            "right_kind": right["kind"],
            "right_label": right.get("name"),
            "site": values.get("site"),
            "note": values.get("note"),
        }


@dataclass(frozen=True)
class SentPhoto:
    """A photo as far as it is known and kept.

    Attributes:
        file_sha256: of the file as the device has it; None where the device does not say.
        what: `KEPT`, `NOT_SENT` or `OFF`.
        clean: what is kept of it; None where it is not.
        name: where that lies.
        until_ms: until when, in milliseconds since 1970.
    """

    file_sha256: str | None
    what: str
    clean: CleanPhoto | None = None
    name: str | None = None
    until_ms: int | None = None


@dataclass(frozen=True)
class Pair:
    """How often an answer was corrected to another.

    Attributes:
        answered: the label that was answered; None where there was none.
        right: the label or name that was right; None for no item.
        count: how often.
    """

    answered: str | None
    right: str | None
    count: int


@dataclass(frozen=True)
class Decision:
    """What was decided about a correction.

    Attributes:
        state: `ACCEPTED` or `REJECTED`.
        actor: who decided.
        reason: in words; may be empty.
        right: kind and name to accept in place of what was said, or None.
    """

    state: str
    actor: str
    reason: str = ""
    right: tuple[str, str | None] | None = None


def find_known(connection: Connection, said: Said) -> Found | None:
    """Returns the correction where it was taken in before.

    Raises:
        CorrectionError: another one has its id.
    """
    same = select(corrections).filter_by(correction_id=said.correction_id)
    found = connection.execute(same).first()
    if found is not None and found.request_sha256 != said.hash():
        raise CorrectionError(
            f"the correction {said.correction_id} said something else before: allowed is a new "
            "correction_id for a new correction"
        )
    return found


def take(connection: Connection, said: Said, photo: SentPhoto) -> Found:
    """Stores a correction; the photo of a duplicate is not named, and has to be removed.

    Args:
        connection: of `Database.write`.
        said: what was said.
        photo: what came with it, written already where it is kept.

    Raises:
        CorrectionError: see `find_known`.
    """
    known = find_known(connection, said)
    if known is not None:
        return known
    row = said.to_row() | {"received_ms": now_ms(), "state": OPEN, "photo": photo.what}
    row["file_sha256"] = photo.file_sha256
    if photo.clean is not None:
        row |= {"kept_sha256": photo.clean.sha256, "look": photo.clean.look}
    twins = _find_twins(connection, row)
    same = next((twin for twin in twins if _says_same(twin, row)), None)
    if same is not None:
        row |= {"state": DUPLICATE, "duplicate_of": same.correction_id, "photo": DUPLICATE}
    else:
        row |= {"photo_name": photo.name, "photo_until_ms": photo.until_ms}
        other = next((twin for twin in twins if not _agrees(twin, row)), None)
        if other is not None:
            row["conflict_with"] = other.correction_id
            theirs = update(corrections).filter_by(correction_id=other.correction_id)
            connection.execute(theirs.values(conflict_with=said.correction_id))
    connection.execute(insert(corrections).values(row))
    return find(connection, said.correction_id)


def find(connection: Connection, correction_id: str, model: str | None = None) -> Found:
    """Returns a correction.

    Raises:
        UnknownCorrectionError: there is none of that id, or none of that model.
    """
    query = select(corrections).filter_by(correction_id=correction_id)
    if model is not None:
        query = query.filter_by(model=model)
    found = connection.execute(query).first()
    if found is None:
        raise UnknownCorrectionError(f"no correction {correction_id!r}")
    return found


def list_some(
    connection: Connection,
    model: str | None = None,
    state: str | None = None,
    conflict: bool = False,
    before: tuple[int, str] | None = None,
    limit: int = 50,
) -> list[Found]:
    """Returns corrections, the newest first.

    Args:
        connection: of the state.
        model: of one model alone.
        state: in one state alone.
        conflict: only those where another says otherwise of the same photo.
        before: time of receipt, in milliseconds since 1970, and id of the last one that is known.
        limit: the most to return.
    """
    query = select(corrections)
    query = query if model is None else query.filter_by(model=model)
    query = query if state is None else query.filter_by(state=state)
    if conflict:
        query = query.where(corrections.c.conflict_with.is_not(None))
    if before is not None:
        received, last = corrections.c.received_ms, corrections.c.correction_id
        query = query.where(
            or_(received < before[0], and_(received == before[0], last < before[1]))
        )
    order = corrections.c.received_ms.desc(), corrections.c.correction_id.desc()
    return list(connection.execute(query.order_by(*order).limit(limit)))


def decide(connection: Connection, found: Found, decision: Decision) -> str | None:
    """Accepts or rejects a correction, and appends that to the audit log.

    Args:
        connection: of `Database.write`.
        found: the correction.
        decision: what was decided.

    Returns:
        The name of a photo that is to be removed, or None.

    Raises:
        CorrectionError: it is a duplicate, or another label was accepted for the same photo.
    """
    if found.state == DUPLICATE:
        raise CorrectionError(
            f"{found.correction_id} says the same as {found.duplicate_of}, which is to be decided"
        )
    kind, name = decision.right or (found.right_kind, found.right_label)
    row: dict[str, Any] = {
        "state": decision.state,
        "decided_ms": now_ms(),
        "decided_by": decision.actor,
        "reason": decision.reason,
    }
    dropped = None
    if decision.state == ACCEPTED:
        _refuse_contradiction(connection, found, kind, name)
        row |= {"final_kind": kind, "final_label": name}
    else:
        row |= {"final_kind": None, "final_label": None}
        dropped = found.photo_name
        if dropped is not None:
            row |= {"photo_name": None, "photo_until_ms": None, "photo": REJECTED}
        theirs = update(corrections).filter_by(conflict_with=found.correction_id)
        connection.execute(theirs.values(conflict_with=None))
    mine = update(corrections).filter_by(correction_id=found.correction_id)
    connection.execute(mine.values(row))
    details = {"correction": found.correction_id} | (
        {"kind": kind, "label": name} if decision.state == ACCEPTED else {}
    )
    append(
        connection,
        decision.actor,
        f"correction {decision.state}",
        found.model,
        found.version,
        decision.reason,
        **details,
    )
    return dropped


def forget_device(connection: Connection, device_id: str, actor: str) -> tuple[int, list[str]]:
    """Deletes all corrections of a device, and appends to the audit log how many there were.

    Returns:
        How many, and the names of photos that are to be removed.
    """
    mine = corrections.c.device == hash_device(device_id)
    found = list(connection.execute(select(corrections.c.photo_name).where(mine)).scalars())
    gone = select(corrections.c.correction_id).where(mine)
    others = update(corrections).where(corrections.c.conflict_with.in_(gone))
    connection.execute(others.values(conflict_with=None))
    connection.execute(delete(corrections).where(mine))
    append(connection, actor, "corrections forgotten", "", count=len(found))
    return len(found), [name for name in found if name is not None]


def count_pairs(
    connection: Connection, model: str, since_ms: int, limit: int = _MOST_PAIRS
) -> list[Pair]:
    """Counts which answers were corrected to what, the most frequent first.

    Duplicates and what was rejected do not count.

    Args:
        connection: of the state.
        model: name of the model.
        since_ms: received since then, in milliseconds since 1970.
        limit: the most pairs to return.
    """
    right = func.coalesce(corrections.c.final_label, corrections.c.right_label).label("right")
    count = func.count().label("count")
    query = (
        select(corrections.c.answered_label, right, count)
        .where(
            corrections.c.model == model,
            corrections.c.received_ms >= since_ms,
            corrections.c.state.in_((OPEN, ACCEPTED)),
        )
        .group_by(corrections.c.answered_label, right)
        .order_by(count.desc(), corrections.c.answered_label, right)
        .limit(limit)
    )
    return [Pair(*row) for row in connection.execute(query)]


def find_right(found: Found) -> tuple[str, str | None]:
    """Returns kind and name of what was right: as it was accepted, or else as it was said."""
    if found.state == ACCEPTED:
        return found.final_kind, found.final_label
    return found.right_kind, found.right_label


def format_ms(time_ms: int | None) -> str | None:
    """Returns a time in milliseconds since 1970 as RFC 3339, in UTC."""
    return None if time_ms is None else format_time(datetime.fromtimestamp(time_ms / 1000, UTC))


def _find_twins(connection: Connection, row: dict[str, Any]) -> list[Found]:
    """Returns the corrections of the same photo, the oldest first."""
    same: list[ColumnElement[bool]] = [
        corrections.c[column] == row[column]
        for column in ("file_sha256", "kept_sha256")
        if row.get(column) is not None
    ]
    if not same:
        return []
    counts = corrections.c.model == row["model"], corrections.c.state.in_((OPEN, ACCEPTED))
    query = select(corrections).where(*counts, or_(*same)).order_by(corrections.c.received_ms)
    found = list(connection.execute(query.limit(_COMPARED)))
    if row.get("look") is not None:
        mine = corrections.c.device == row["device"], corrections.c.look.is_not(None)
        latest = select(corrections).where(*counts, *mine)
        latest = latest.order_by(corrections.c.received_ms.desc()).limit(_COMPARED)
        found += [one for one in connection.execute(latest) if looks_same(row["look"], one.look)]
    return sorted({one.correction_id: one for one in found}.values(), key=_age)


def _age(found: Found) -> tuple[int, str]:
    return found.received_ms, found.correction_id


def _says_same(twin: Found, row: dict[str, Any]) -> bool:
    return twin.device == row["device"] and _agrees(twin, row)


def _agrees(twin: Found, row: dict[str, Any]) -> bool:
    return find_right(twin) == (row["right_kind"], row["right_label"])


def _refuse_contradiction(
    connection: Connection, found: Found, kind: str, name: str | None
) -> None:
    row = {**found._mapping, "right_kind": kind, "right_label": name}
    for twin in _find_twins(connection, row):
        other = twin.correction_id != found.correction_id and twin.state == ACCEPTED
        if other and not _agrees(twin, row):
            said = "no item" if twin.final_kind == NOT_AN_ITEM else repr(twin.final_label)
            raise CorrectionError(
                f"of the same photo {twin.correction_id} was accepted, which says {said}: reject "
                "that one first"
            )


def _to_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
