"""Looks a database over: what runs it, how it is set, whether it is whole."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import Connection

from serving.state.audit import find_break, list_entries
from serving.state.copying import read_tables
from serving.state.database import Database
from serving.state.migrations import HEAD
from serving.state.mounts import find_network_file_system
from serving.state.on_sqlite import NETWORK_ADVICE, File, has_sound_wal
from serving.state.tables import audit
from serving.state.upgrading import read_revision

# With these off, what was acknowledged can be gone after the machine stopped.
_SAFE = {"fsync": "on", "full_page_writes": "on"}
# "on" and more; "local" is enough where there is no standby.
_UNSAFE_COMMIT = "off"


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        words: what it is.
        wrong: whether somebody should do something about it.
    """

    words: str
    wrong: bool = False


def check(database: Database) -> Iterator[Finding]:
    """Looks at a database as it is, and changes nothing.

    Raises:
        StateError: it cannot be read.
    """
    with database.peek() as connection:
        place = database.place
        if isinstance(place, File):
            yield from _check_file(connection, place)
        else:
            yield from _check_server(connection)
        revision = read_revision(connection)
        if revision == HEAD:
            yield Finding(f"its tables are those of this version ({HEAD})")
        else:
            words = f"its tables are at {revision}, this version's at {HEAD}"
            yield Finding(f"{words}: `database upgrade`, or a server's start", wrong=True)
        yield from _count_rows(connection)
        if inspect(connection).has_table(audit.name):
            yield _check_audit(connection)


def _check_file(connection: Connection, place: File) -> Iterator[Finding]:
    version = f"SQLite {sqlite3.sqlite_version}"
    journal = _ask(connection, "PRAGMA journal_mode")
    durable = f"journal_mode={journal}, synchronous={_ask(connection, 'PRAGMA synchronous')}"
    if has_sound_wal():
        yield Finding(f"{version}, {durable}")
    else:
        reason = "a write-ahead log would be faster, but this version can damage it"
        yield Finding(f"{version}, {durable} ({reason}: 3.51.3 or newer cannot)")
    if kind := find_network_file_system(place.path.parent):
        yield Finding(f"it lies on a network file system ({kind}): {NETWORK_ADVICE}", wrong=True)
    rows = [str(row[0]) for row in connection.execute(text("PRAGMA quick_check(10)"))]
    for words in rows:
        yield Finding(f"quick_check: {words}", wrong=words != "ok")
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield Finding(f"a row of {row[0]} refers to one of {row[2]} that is not there", wrong=True)


def _check_server(connection: Connection) -> Iterator[Finding]:
    yield Finding(f"PostgreSQL {_ask(connection, 'SHOW server_version')}")
    encoding = _ask(connection, "SHOW server_encoding")
    yield Finding(f"encoding {encoding}", wrong=encoding != "UTF8")
    for name, wanted in _SAFE.items():
        got = _ask(connection, f"SHOW {name}")
        yield Finding(f"{name} is {got}", wrong=got != wanted)
    commit = _ask(connection, "SHOW synchronous_commit")
    yield Finding(f"synchronous_commit is {commit}", wrong=commit == _UNSAFE_COMMIT)
    if _ask(connection, "SELECT pg_is_in_recovery()"):
        yield Finding("it is a standby, which takes no changes", wrong=True)
    encrypted = _ask(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    yield Finding(f"the connection is {'encrypted' if encrypted else 'not encrypted'}")
    used = _ask(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cl%'")
    yield Finding(f"{used} of {_ask(connection, 'SHOW max_connections')} connections are in use")


def _count_rows(connection: Connection) -> Iterator[Finding]:
    counts = [
        f"{name} {connection.execute(select(func.count()).select_from(table)).scalar_one()}"
        for name, table in read_tables(connection).items()
    ]
    yield Finding(f"rows: {', '.join(counts)}")


def _check_audit(connection: Connection) -> Finding:
    entries = list_entries(connection)
    broken = find_break(entries)
    if broken is not None:
        return Finding(f"row {broken} of the audit log was changed", wrong=True)
    return Finding(f"{len(entries)} rows of the audit log, none changed")


def _ask(connection: Connection, statement: str) -> object:
    return connection.execute(text(statement)).scalar_one()
