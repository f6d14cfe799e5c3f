"""What the server remembers: a SQLite file that all its processes share.

Signed files say what is published; here stands only what devices reported and what was held back
for it, so that a lost file widens nothing: it forgets halts, which `releases log` of a copy shows.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from serving.errors import StateError

STATE_NAME = "state.db"
_BUSY_TIMEOUT_S = 10
_WRITING = "ghostlens_writing"

metadata = MetaData()
# Times are whole milliseconds since 1970. Devices stand under the SHA-256 of their id: who has the
# file learns no ids, and the server needs none.
reports = Table(
    "reports",
    metadata,
    Column("report_id", String, primary_key=True),
    Column("received_ms", Integer, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("device", String, nullable=False),
    Column("event", String, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("details", Text, nullable=False),  # JSON: figures, platform, runtime
)
Index("reports_aged", reports.c.model, reports.c.version, reports.c.received_ms)
# The latest report of each device since the version was last resumed.
verdicts = Table(
    "verdicts",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("received_ms", Integer, nullable=False),
)
# Holds all that counting reads, so that the table itself is not.
Index(
    "verdicts_counted",
    verdicts.c.model,
    verdicts.c.version,
    verdicts.c.passed,
    verdicts.c.received_ms,
)
# Devices that a rollout's version was offered to.
offers = Table(
    "offers",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("offered_ms", Integer, nullable=False),
)
# The share of each rollout that is in effect, which may be less than the signed one.
stages = Table(
    "stages",
    metadata,
    Column("model", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("salt", String, nullable=False),
    Column("version", String, nullable=False),
    Column("share_bp", Integer, nullable=False),
    Column("signed_bp", Integer, nullable=False),  # the signed share that was judged last
    Column("since_ms", Integer, nullable=False),
)
# Versions that are held back, until a person resumes them.
holds = Table(
    "holds",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("kind", String, nullable=False),  # "halted" or "paused"
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("previous_sha256", String, nullable=False),
    Column("sha256", String, nullable=False),
)
for _verb in ("UPDATE", "DELETE"):
    event.listen(
        audit,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER audit_refuses_{_verb.lower()} BEFORE {_verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )


class Database:
    """The state of a server. Safe to use from several threads and processes.

    The file and its folder are made at the first use.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / STATE_NAME
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Gives a connection that sees one state of the file.

        Raises:
            StateError: the file cannot be made or read.
        """
        with self._translate_errors(), self._open().connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Gives a connection for one transaction, which no other writer can come between.

        Raises:
            StateError: the file cannot be written, or stayed locked; nothing was changed.
        """
        with (
            self._translate_errors(),
            self._open().connect() as connection,
            connection.execution_options(**{_WRITING: True}).begin(),
        ):
            yield connection

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StateError(f"the state in {self.path}: {cause}") from error

    def _open(self) -> Engine:
        with self._lock:
            if self._engine is None:
                try:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StateError(f"cannot make {self.path.parent}: {error.strerror}") from error
                engine = create_engine(
                    f"sqlite:///{self.path}", connect_args={"timeout": _BUSY_TIMEOUT_S}
                )
                event.listen(engine, "connect", _set_up)
                event.listen(engine, "begin", _begin)
                with engine.connect() as connection:
                    connection = connection.execution_options(**{_WRITING: True})
                    with connection.begin():
                        metadata.create_all(connection)
                        for table in metadata.tables.values():
                            for index in table.indexes:  # of tables that an older server made
                                index.create(connection, checkfirst=True)
                self._engine = engine
            return self._engine


def _set_up(connection: Any, _: object) -> None:
    # sqlite3 would begin transactions by itself, and too late to keep other writers out.
    connection.isolation_level = None
    cursor = connection.cursor()
    # Readers do not wait for the writer; a power cut loses no transaction that was acknowledged.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
