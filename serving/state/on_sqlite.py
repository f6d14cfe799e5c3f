"""The state in a SQLite file, which all processes of one machine share.

Which journal: a write-ahead log (WAL) is the faster one, but SQLite from 3.7.0 to 3.51.2 has a race
in it that loses committed rows or damages the file (https://sqlite.org/wal.html#walresetbug). The
fix went into 3.51.3, and into 3.44.6 and 3.50.7 of older branches. Others get a rollback journal.

What is acknowledged survives a power cut: `synchronous=FULL` waits for the disk at each commit of
a WAL, and in `journal_mode=TRUNCATE` also for the journal's end, which DELETE does only with EXTRA.
"""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

from serving.errors import StateError
from serving.state.mounts import find_network_file_system
from serving.state.on_postgresql import WRITING
from serving.state.private import make_private_file, make_private_folder

FILE_NAME = "state.db"
WAL, ROLLBACK = "wal", "truncate"
_FIXED_BRANCHES = ((3, 44, 6), (3, 50, 7))
_PRIMARY = 0xFF  # of an extended result code
# How long a writer waits for the others.
_BUSY_TIMEOUT_S = 10
NETWORK_ADVICE = (
    "locks may not hold there, and two machines would damage the file; use a local disk, or "
    "PostgreSQL"
)


class File:
    """A file in a folder; both are made at the first use."""

    def __init__(self, folder: Path, connections: int) -> None:
        self.path, self._connections = folder / FILE_NAME, connections

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def exists(self) -> bool:
        """Tells whether there is a file."""
        return self.path.is_file()

    def find_problems(self) -> list[str]:
        """Returns in words what is wrong with where the file lies."""
        kind = find_network_file_system(self.path.parent)
        problems = [f"{self.name} lies on {kind}: {NETWORK_ADVICE}"] if kind else []
        # SQLite begins to write to a file that it may only read, and tells of it at the first row.
        places = (self.path, self.path.parent)
        if self.path.exists() and not all(os.access(place, os.W_OK) for place in places):
            problems.append(
                f"{self.name} cannot be written to, nor limits be counted beside it: the server "
                f"must be allowed to write to the file and to its folder"
            )
        return problems

    def connect(self) -> Engine:
        """Makes what connections come from, the folder and the file.

        Raises:
            StateError: the folder cannot be made, or the file is in use in a way that could
                damage it.
        """
        try:
            make_private_folder(self.path.parent)
        except OSError as error:
            raise StateError(f"cannot make {self.path.parent}: {error.strerror}") from error
        make_private_file(self.path)  # its journals get the same permissions
        journal = _settle_journal(self.path, choose_journal(self.path.parent))
        engine = create_engine(
            f"sqlite:///{self.path}",
            connect_args={"timeout": _BUSY_TIMEOUT_S},
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=_BUSY_TIMEOUT_S,
        )

        def set_up(connection: sqlite3.Connection, _: object) -> None:
            _set_up(connection, journal)

        event.listen(engine, "connect", set_up)
        event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def begin(self, connection: Connection, writing: bool) -> Iterator[None]:
        """Begins a transaction, and ends it."""
        with connection.execution_options(**{WRITING: writing}).begin():
            yield

    def copy_before(self, revision: str) -> Path:
        """Returns where a copy lies of the file as it was before a revision."""
        return self.path.with_name(f"{self.path.stem}-before-{revision}{self.path.suffix}")

    def keep_copy(self, revision: str) -> Path:
        """Copies the file beside itself, as it is before a transaction that is under way.

        Args:
            revision: what the transaction leads to; it stands in the name of the copy.
        """
        copy = self.copy_before(revision)
        whole = copy.with_name(f".{copy.name}.part")
        make_private_file(whole)
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(whole)) as out:
            source.backup(out)
        return whole.replace(copy)


def has_sound_wal(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Tells whether a version of SQLite is without the fault of resetting a write-ahead log."""
    return version >= (3, 51, 3) or any(
        version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_BRANCHES
    )


def choose_journal(folder: Path) -> str:
    """Returns the journal that is right for a file in a folder: `WAL` or `ROLLBACK`."""
    # The processes of a WAL share memory, which those of several machines cannot.
    return WAL if has_sound_wal() and not find_network_file_system(folder) else ROLLBACK


def _settle_journal(path: Path, wanted: str) -> str:
    """Returns the journal that a file gets, which changes while nobody else has it open alone."""
    until_s = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        got = _change_journal(path, wanted)
        if got == wanted or time.monotonic() > until_s:
            break
        # Of several that wait with the file open, nobody would get it.
        time.sleep(random.uniform(0.01, 0.1))
    if got == WAL and wanted != WAL:
        raise StateError(
            f"the state in {path} has a write-ahead log, which SQLite {sqlite3.sqlite_version} "
            "can damage, and other processes hold it open: stop them first (servers before this "
            "version, as it may be), or run SQLite 3.51.3 or newer"
        )
    return WAL if got == WAL else ROLLBACK


def _change_journal(path: Path, wanted: str) -> str | None:
    """Asks for a journal once; returns the one that the file has now, None where it is in use."""
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            found = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
            if WAL not in (found, wanted):
                return wanted  # each connection has its own
            try:
                return str(connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0])
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return found
    except sqlite3.Error as error:
        if error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_BUSY:
            return None
        raise StateError(f"the state in {path}: {error}{explain(error)}") from error


def explain(error: BaseException) -> str:
    """Returns what else there is to say of an error of SQLite, after its own words."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "; the server must be allowed to write to the file and to its folder"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "; `python -m serving database check` tells more, a backup helps"
    return ""


def _set_up(connection: sqlite3.Connection, journal: str) -> None:
    # sqlite3 would begin transactions by itself, and too late to keep other writers out.
    connection.isolation_level = None
    with closing(connection.cursor()) as cursor:
        if journal != WAL:  # which the file itself keeps
            cursor.execute(f"PRAGMA journal_mode={journal}")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # A build of SQLite may leave out any of them, and says nothing.
        for name, wanted in (("journal_mode", journal), ("synchronous", 2), ("foreign_keys", 1)):
            got = cursor.execute(f"PRAGMA {name}").fetchone()[0]
            if got != wanted:
                raise sqlite3.OperationalError(f"{name} is {got}, where {wanted} was asked for")


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    # PostgreSQL refuses to write in a transaction that only reads; so it is here.
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
