"""The audit log: every decision about a release, in a chain that shows what was changed in it.

Each row holds the SHA-256 of the row before, and triggers refuse to change or delete one. Whoever
can write the file can still cut off its end or write all of it anew, which only a copy elsewhere
shows: the last hash is one line to note down.
"""

import json
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.engine import Connection

from mobile_assets.reading import canonical_json
from mobile_assets.release import format_time
from serving.state.tables import audit
from training.files import sha256_bytes

FIRST_PREVIOUS = "0" * 64
SERVER = "server"


@dataclass(frozen=True)
class Entry:
    """A row of the audit log.

    Attributes:
        id: counts up from 1.
        at: when, RFC 3339 in UTC.
        actor: a person's name, or `SERVER`.
        action: as in "halt".
        model: name of the model.
        version: the version that it is about; may be empty.
        reason: in words.
        details: figures behind it.
        previous_sha256: of the row before.
        sha256: of all the above.
    """

    id: int
    at: str
    actor: str
    action: str
    model: str
    version: str
    reason: str
    details: dict[str, Any]
    previous_sha256: str
    sha256: str

    def hash(self) -> str:
        """Returns the SHA-256 of everything in the row but itself."""
        value = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        del value["sha256"]
        return sha256_bytes(canonical_json(value))


def append(
    connection: Connection,
    actor: str,
    action: str,
    model: str,
    version: str = "",
    reason: str = "",
    **details: Any,
) -> None:
    """Appends a row, in the transaction of what it tells of.

    Args:
        connection: of `Database.write`, so that no other row comes between.
        actor: a person's name, or `SERVER`.
        action: as in "halt".
        model: name of the model.
        version: the version that it is about.
        reason: in words.
        details: figures behind it, as JSON can hold them.
    """
    last = connection.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).first()
    number, previous = (1, FIRST_PREVIOUS) if last is None else (last.id + 1, last.sha256)
    entry = Entry(
        number, format_time(), actor, action, model, version, reason, details, previous, ""
    )
    row = {**vars(entry), "details": json.dumps(details, sort_keys=True), "sha256": entry.hash()}
    connection.execute(insert(audit).values(row))


def list_entries(connection: Connection, model: str | None = None) -> list[Entry]:
    """Returns the rows, the oldest first; of one model where it is named."""
    query = select(audit).order_by(audit.c.id)
    if model is not None:
        query = query.where(audit.c.model == model)
    return [
        Entry(**{**row._mapping, "details": json.loads(row.details)})
        for row in connection.execute(query)
    ]


def find_break(entries: list[Entry]) -> int | None:
    """Returns the id of the first row that is not what was appended, or None where all are.

    Args:
        entries: all rows, the oldest first.
    """
    previous = FIRST_PREVIOUS
    for number, entry in enumerate(entries, 1):
        if (entry.id, entry.previous_sha256, entry.sha256) != (number, previous, entry.hash()):
            return number
        previous = entry.sha256
    return None
