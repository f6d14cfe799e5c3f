"""Counts for rate limits, which all processes share and, on PostgreSQL, all machines.

On one machine they lie in a SQLite file of their own, written without waiting for the disk: a lost
count harms nobody, and a file that a power cut damaged is made anew. On PostgreSQL they lie in an
unlogged table, which is empty again after a crash.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from serving.errors import StateError
from serving.state.on_postgresql import Server

FILE_NAME = "limits.db"
# A limiter that waits longer than this does more harm than good.
_BUSY_TIMEOUT_S = 0.5
_TABLE = (
    "TABLE IF NOT EXISTS rate_limits (name VARCHAR(200) PRIMARY KEY, "
    "number BIGINT NOT NULL, until_ms BIGINT NOT NULL)"
)
# Both speak this. A window that is over begins again with what is added.
_ADD = text(
    "INSERT INTO rate_limits (name, number, until_ms) VALUES (:name, :amount, :until_ms) "
    "ON CONFLICT (name) DO UPDATE SET "
    "number = CASE WHEN rate_limits.until_ms <= :now_ms THEN 0 ELSE rate_limits.number END "
    "+ excluded.number, "
    "until_ms = CASE WHEN rate_limits.until_ms <= :now_ms THEN excluded.until_ms "
    "ELSE rate_limits.until_ms END RETURNING number, until_ms"
)
_TAKE_BACK = text(
    "UPDATE rate_limits SET number = number - :amount "
    "WHERE name = :name AND until_ms > :now_ms AND number >= :amount"
)
_READ = text("SELECT number, until_ms FROM rate_limits WHERE name = :name AND until_ms > :now_ms")
_FORGET = text("DELETE FROM rate_limits WHERE until_ms <= :now_ms")
_FORGET_EVERY_S = 60.0


class Window(NamedTuple):
    """What was counted, and until when; in milliseconds since 1970."""

    number: int
    until_ms: int


class Counters:
    """Counts in windows of time. Safe to use from several threads, processes and machines."""

    def __init__(
        self, place: Path | str, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        """Opens nothing yet.

        Args:
            place: the folder of the file, or the address of a PostgreSQL database.
            now_ms: the time, in milliseconds since 1970.
        """
        self._place, self._now_ms = place, now_ms
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._forget_at_s = time.monotonic() + _FORGET_EVERY_S

    def add(self, name: str, window_s: int, amount: int = 1) -> Window:
        """Counts, and returns what was counted in the window so far.

        Args:
            name: what is counted.
            window_s: how long a window is that begins now, in seconds.
            amount: how much to add; below zero takes back what was added.

        Raises:
            StateError: the database does not answer.
        """
        now_ms = self._now_ms()
        values: dict[str, Any] = {"name": name, "amount": abs(amount), "now_ms": now_ms}
        try:
            with self._open().connect() as connection:
                self._forget(connection, now_ms)
                if amount < 0:
                    connection.execute(_TAKE_BACK, values)
                    row = connection.execute(_READ, values).first()
                    return Window(0, now_ms) if row is None else Window(*row)
                values["until_ms"] = now_ms + 1000 * window_s
                return Window(*connection.execute(_ADD, values).one())
        except (SQLAlchemyError, OSError) as error:
            raise StateError(f"the counts of rate limits: {error}") from error

    def _forget(self, connection: Connection, now_ms: int) -> None:
        if time.monotonic() >= self._forget_at_s:
            self._forget_at_s = time.monotonic() + _FORGET_EVERY_S
            connection.execute(_FORGET, {"now_ms": now_ms})

    def _open(self) -> Engine:
        with self._lock:
            if self._engine is None:
                if isinstance(self._place, Path):
                    self._engine = _open_file(self._place)
                else:
                    self._engine = _open_server(self._place)
            return self._engine


def _open_file(folder: Path) -> Engine:
    """Opens the file; one at a time looks whether it is sound, and makes it anew where not."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    with path.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _make_table_in(path)
        except DatabaseError as error:
            logging.getLogger("serving").warning("%s is made anew: %s", path, error.orig)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return _make_table_in(path)


def _make_table_in(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_TIMEOUT_S},
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "connect", _set_up)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise DatabaseError("PRAGMA quick_check", None, ValueError(found))
        connection.exec_driver_sql(f"CREATE {_TABLE}")
    return engine


def _set_up(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _open_server(address: str) -> Engine:
    engine = Server(_hurry(address)).connect().execution_options(isolation_level="AUTOCOMMIT")
    lock = "hashtext('ghostlens rate_limits')"
    with engine.connect() as connection:
        # One at a time: two that make the same table at the same moment are an error there.
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({lock})")
        try:
            connection.exec_driver_sql(f"CREATE UNLOGGED {_TABLE}")
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({lock})")
    return engine


def _hurry(address: str) -> str:
    """Returns the address with shorter limits of time than the state's."""
    url = make_url(address)
    options = f"{url.query.get('options', '')} -c statement_timeout={_BUSY_TIMEOUT_S * 1000:.0f}"
    given = {"connect_timeout": "2", **url.query, "options": options.strip()}
    return url.update_query_dict(given).render_as_string(hide_password=False)
