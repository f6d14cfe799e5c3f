"""The state in PostgreSQL, which the servers of several machines share."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from serving.errors import StateError

SCHEME = "postgresql"
_SCHEMES = (SCHEME, "postgres")  # as libpq takes both
_ALLOWED = "postgresql://user@host/name, with the password in it, in PGPASSWORD or in PGPASSFILE"
# A server that is gone must not keep requests waiting: it may have been taken off the network.
_DRIVER_SETTINGS: dict[str, str | tuple[str, ...]] = {
    "application_name": "ghostlens",
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "10",  # seconds
    "tcp_user_timeout": "10000",  # milliseconds
}
_LOCK_TIMEOUT_S = 10
_STATEMENT_TIMEOUT_S = 30
# A process that stopped in the middle of a transaction would keep the others from writing.
_IDLE_TIMEOUT_S = 30
# Execution option that tells who watches transactions which of them write.
WRITING = "ghostlens_writing"
# Any number will do; those who use one database lock by the same.
_WRITER_LOCK = 0x6768_6F73_746C_656E  # "ghostlen"
_LOCK = text(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


class Server:
    """A database that others made; its tables are made at the first use."""

    def __init__(self, address: str, connections: int = 5) -> None:
        try:
            url = make_url(address)
        except (ArgumentError, ValueError):  # of a port; its words may hold the password
            url = None
        if url is None or url.drivername not in _SCHEMES:
            raise StateError(f"not the address of a database: allowed is {_ALLOWED}")
        self._connections = connections
        self._url = url.set(drivername=f"{SCHEME}+psycopg")
        host = url.host or url.query.get("host", "")
        self._name = f"{SCHEME}://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"

    @property
    def name(self) -> str:
        """The server and the name of the database there."""
        return self._name

    def exists(self) -> bool:
        """Tells that there may be something in it, which only asking shows."""
        return True

    def find_problems(self) -> list[str]:
        """Returns nothing: what can be wrong shows when it is asked."""
        return []

    def connect(self) -> Engine:
        """Makes what connections come from; the server is not asked yet.

        Raises:
            StateError: the driver is not installed.
        """
        if importlib.util.find_spec("psycopg") is None:
            raise StateError(f"{self.name} needs psycopg: pip install 'ghostlens[postgres]'")
        limits = (
            f"-c lock_timeout={_LOCK_TIMEOUT_S}s -c statement_timeout={_STATEMENT_TIMEOUT_S}s "
            f"-c idle_in_transaction_session_timeout={_IDLE_TIMEOUT_S}s"
        )
        # What the address says itself wins, also among the options, where it comes last.
        given = self._url.query
        settings = _DRIVER_SETTINGS | dict(given)
        settings["options"] = f"{limits} {given.get('options', '')}".strip()
        return create_engine(
            self._url.update_query_dict(settings),
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=_LOCK_TIMEOUT_S,
            pool_pre_ping=True,
        )

    @contextmanager
    def begin(self, connection: Connection, writing: bool) -> Iterator[None]:
        """Begins a transaction, and ends it; one that writes waits for all others that do."""
        connection = connection.execution_options(**{WRITING: writing})
        if not writing:
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            if writing:
                connection.execute(_LOCK)
            yield
