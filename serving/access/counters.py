"""Counts for rate limits, which all processes share and, on PostgreSQL, all machines.

On one machine they lie in a SQLite file of their own, written without waiting for the disk: a lost
count harms nobody, and a file that a power cut damaged is made anew. On PostgreSQL they lie in an
unlogged table, which is empty again after a crash.
"""

import contextlib
import fcntl
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from serving.errors import StateError
from serving.state.on_postgresql import Server
from serving.state.private import make_private_file, make_private_folder
from serving.state.times import now_ms

FILE_NAME = "limits.db"
# A limiter that waits longer than this does more harm than good.
_BUSY_TIMEOUT_S = 0.5
_TABLE = (
    "TABLE IF NOT EXISTS rate_limits (name VARCHAR(200) PRIMARY KEY, "
    "number BIGINT NOT NULL, until_ms BIGINT NOT NULL)"
)
# Both speak this. A window that is over begins again with what is added.
_ADD = (
    "INSERT INTO rate_limits (name, number, until_ms) VALUES (:name, :amount, :until_ms) "
    "ON CONFLICT (name) DO UPDATE SET "
    "number = CASE WHEN rate_limits.until_ms <= :now_ms THEN 0 ELSE rate_limits.number END "
    "+ excluded.number, "
    "until_ms = CASE WHEN rate_limits.until_ms <= :now_ms THEN excluded.until_ms "
    "ELSE rate_limits.until_ms END RETURNING number, until_ms"
)
_TAKE_BACK = (
    "UPDATE rate_limits SET number = number - :amount "
    "WHERE name = :name AND until_ms > :now_ms AND number >= :amount RETURNING number, until_ms"
)
_FORGET = "DELETE FROM rate_limits WHERE until_ms <= :now_ms"
_FORGET_EVERY_S = 60.0


class Window(NamedTuple):
    """What was counted, and until when; in milliseconds since 1970."""

    number: int
    until_ms: int


class Counters:
    """Counts in windows of time. Safe to use from several threads, processes and machines."""

    def __init__(self, place: Path | str, now_ms: Callable[[], int] = now_ms) -> None:
        """Opens nothing yet.

        Args:
            place: the folder of the file, or the address of a PostgreSQL database.
            now_ms: the time, in milliseconds since 1970.
        """
        self._place, self._now_ms = place, now_ms
        self._lock = threading.Lock()
        self._opened: _File | _Server | None = None
        self._forget_at_s = time.monotonic() + _FORGET_EVERY_S

    def add(self, name: str, window_s: int, amount: int = 1) -> Window:
        """Counts, and returns what was counted in the window so far.

        Args:
            name: what is counted.
            window_s: how long a window is that begins now, in seconds.
            amount: how much to add; below zero takes back what was added, if that still counts.

        Raises:
            StateError: the database does not answer.
        """
        now_ms = self._now_ms()
        values = {"name": name, "amount": abs(amount), "now_ms": now_ms}
        values["until_ms"] = now_ms + 1000 * window_s
        try:
            place = self._open()
            if time.monotonic() >= self._forget_at_s:
                self._forget_at_s = time.monotonic() + _FORGET_EVERY_S
                place.run(_FORGET, values)
            row = place.run(_TAKE_BACK if amount < 0 else _ADD, values)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise StateError(f"the counts of rate limits: {error}") from error
        return Window(0, now_ms) if row is None else Window(*row)

    def _open(self) -> "_File | _Server":
        with self._lock:
            if self._opened is None:
                place = self._place
                self._opened = _File(place) if isinstance(place, Path) else _Server(place)
            return self._opened


class _File:
    """A SQLite file. Without SQLAlchemy: counting is what each request does."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._local = threading.local()
        make_private_folder(folder)
        lock_path = self._path.with_suffix(".lock")
        make_private_file(lock_path)
        # One at a time looks whether it is sound.
        with lock_path.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._make_table()
            except sqlite3.DatabaseError as error:
                logging.getLogger("serving").warning("%s is made anew: %s", self._path, error)
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._make_table()

    def run(self, statement: str, values: dict[str, Any]) -> Any:
        """Returns the first row."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        rows = self._local.connection.execute(statement, values).fetchall()
        return rows[0] if rows else None

    def _make_table(self) -> None:
        make_private_file(self._path)
        with contextlib.closing(self._connect()) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            connection.execute(f"CREATE {_TABLE}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, _BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


class _Server:
    """A table in PostgreSQL."""

    def __init__(self, address: str) -> None:
        engine = Server(_hurry(address)).connect().execution_options(isolation_level="AUTOCOMMIT")
        self._engine = engine
        lock = "hashtext('ghostlens rate_limits')"
        with engine.connect() as connection:
            # One at a time: two that make the same table at the same moment are an error there.
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({lock})")
            try:
                connection.exec_driver_sql(f"CREATE UNLOGGED {_TABLE}")
            finally:
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({lock})")

    def run(self, statement: str, values: dict[str, Any]) -> Any:
        """Returns the first row."""
        with self._engine.connect() as connection:
            found = connection.execute(text(statement), values)
            return found.first() if found.returns_rows else None


def _hurry(address: str) -> str:
    """Returns the address with shorter limits of time than the state's."""
    url = make_url(address)
    options = f"{url.query.get('options', '')} -c statement_timeout={_BUSY_TIMEOUT_S * 1000:.0f}"
    given = {"connect_timeout": "2", **url.query, "options": options.strip()}
    return url.update_query_dict(given).render_as_string(hide_password=False)
