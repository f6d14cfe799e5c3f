"""The state in a SQLite file, which all processes of one machine share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

from serving.errors import StateError

FILE_NAME = "state.db"
# How long a writer waits for the others.
_BUSY_TIMEOUT_S = 10
_WRITING = "ghostlens_writing"


class File:
    """A file in a folder; both are made at the first use."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def exists(self) -> bool:
        """Tells whether there is a file."""
        return self.path.is_file()

    def connect(self) -> Engine:
        """Makes what connections come from, and the folder.

        Raises:
            StateError: the folder cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"cannot make {self.path.parent}: {error.strerror}") from error
        engine = create_engine(f"sqlite:///{self.path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def begin(self, connection: Connection, writing: bool) -> Iterator[None]:
        """Begins a transaction, and ends it."""
        with connection.execution_options(**{_WRITING: writing}).begin():
            yield


def _set_up(connection: Any, _: object) -> None:
    # sqlite3 would begin transactions by itself, and too late to keep other writers out.
    connection.isolation_level = None
    cursor = connection.cursor()
    # Readers do not wait for the writer; a power cut loses no transaction that was acknowledged.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    # PostgreSQL refuses to write in a transaction that only reads; so it is here.
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writing else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
