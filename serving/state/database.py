"""What the server remembers: a SQLite file, or a PostgreSQL database that several machines share.

Signed files say what is published; here stands only what devices reported and what was held back
for it, so that a lost file widens nothing: it forgets halts, which `releases log` of a copy shows.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Table, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, TimeoutError

from serving.errors import StateError
from serving.state.migrations import HEAD
from serving.state.on_postgresql import Server
from serving.state.on_sqlite import File, explain
from serving.state.pause import Pause
from serving.state.tables import metadata
from serving.state.upgrading import read_revision, upgrade

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

__all__ = ["Database", "insert_into", "metadata"]


class Database:
    """The state of a server. Safe to use from several threads, processes and, shared, machines.

    It is made, and brought up to date, at the first use. A process makes its own after a fork.
    """

    def __init__(self, place: Path | str, connections: int = 5) -> None:
        """Remembers where to look; nothing is made or asked yet.

        Args:
            place: a folder, in which a SQLite file lies, or `postgresql://user@host/name`.
            connections: that are kept open, at most; who gets none within 10 s is refused.

        Raises:
            StateError: another kind of address.
        """
        self.place: File | Server = (
            File(place, connections) if isinstance(place, Path) else Server(place, connections)
        )
        self._pause = Pause()  # else each request would wait for a server that does not answer
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @property
    def name(self) -> str:
        """Where it is, in words that hold no password."""
        return self.place.name

    def exists(self) -> bool:
        """Tells whether there may be something in it, without making it."""
        return self.place.exists()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Gives a connection that sees one state of the database, and can change nothing.

        Raises:
            StateError: it cannot be made or read.
        """
        with self._transact(writing=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Gives a connection for one transaction, which no other writer can come between.

        Raises:
            StateError: it cannot be written, or stayed locked; nothing was changed.
        """
        with self._transact(writing=True) as connection:
            yield connection

    @contextmanager
    def peek(self) -> Iterator[Connection]:
        """Gives a connection to it as it is, whatever its tables are.

        Raises:
            StateError: it cannot be made or read.
        """
        try:
            engine = self.place.connect()
            try:
                with engine.connect() as connection, self.place.begin(connection, writing=False):
                    yield connection
            finally:
                engine.dispose()
        except SQLAlchemyError as error:
            raise self._translate(error) from error

    def find_problems(self) -> list[str]:
        """Returns in words what is wrong with it; nothing where it can be read."""
        try:
            with self.read() as connection:
                connection.execute(select(1))
        except StateError as error:
            return [str(error)]
        return self.place.find_problems()

    def close(self) -> None:
        """Closes its connections; the next use opens new ones."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    @contextmanager
    def _transact(self, writing: bool) -> Iterator[Connection]:
        try:
            with self._connect() as connection, self.place.begin(connection, writing):
                yield connection
        except SQLAlchemyError as error:
            raise self._translate(error) from error

    def _connect(self) -> Connection:
        self._fail_again()
        try:
            with self._lock:
                self._fail_again()
                engine = self._engine = self._engine or self._start()
            connection = engine.connect()
        except TimeoutError:  # all connections are in use, as it is when too many come
            raise
        except (SQLAlchemyError, StateError) as error:
            failure = self._translate(error)
            self._pause.begin(failure)
            raise failure from error
        self._pause.end()
        return connection

    def _fail_again(self) -> None:
        failure = self._pause.find_failure()
        if failure is not None:
            raise failure

    def _start(self) -> Engine:
        engine = self.place.connect()
        try:
            with engine.connect() as connection, self.place.begin(connection, writing=False):
                is_current = read_revision(connection) == HEAD
            if not is_current:
                with engine.connect() as connection, self.place.begin(connection, writing=True):
                    upgrade(connection, self.place)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _translate(self, error: SQLAlchemyError | StateError) -> StateError:
        if isinstance(error, StateError):
            return error
        cause = getattr(error, "orig", None) or error
        return StateError(f"the state in {self.name}: {cause}{explain(cause)}")


def insert_into(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Returns an insert that can also be told what to do about a row that is there already.

    That is `on_conflict_do_nothing()`, after which `rowcount` is 0 where the row was there, or
    `on_conflict_do_update(index_elements=[...], set_={...})`.

    Args:
        connection: what it will be executed on.
        table: where to.
    """
    made: postgresql.Insert | sqlite.Insert = sqlite.insert(table)
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql as on_postgresql

        made = on_postgresql.insert(table)
    return made.execution_options(preserve_rowcount=True)  # which inserts have not by themselves
