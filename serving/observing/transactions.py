"""Times transactions and counts failed statements, whichever module they come from."""

import time

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from serving.observing import metrics, tracing
from serving.state.on_postgresql import WRITING

_BEGUN = "ghostlens_begun_s"


def watch() -> None:
    """Begins to, for all databases of this process; again changes nothing."""
    if not event.contains(Engine, "begin", _begin):
        event.listen(Engine, "begin", _begin)
        event.listen(Engine, "commit", _end)
        event.listen(Engine, "rollback", _end)
        event.listen(Engine, "handle_error", _count_error)


def _begin(connection: Connection) -> None:
    connection.info[_BEGUN] = time.perf_counter()


def _end(connection: Connection) -> None:
    begun_s = connection.info.pop(_BEGUN, None)
    if begun_s is not None:
        # Rate limits, whose transactions are not of the state, write.
        writing = connection.get_execution_options().get(WRITING, True)
        kind = "write" if writing else "read"
        took_s = time.perf_counter() - begun_s
        metrics.TRANSACTION_SECONDS.labels(kind).observe(took_s)
        tracing.note_span(f"database {kind}", took_s, **{"db.system.name": connection.dialect.name})


def _count_error(context: ExceptionContext) -> None:
    metrics.DATABASE_ERRORS.labels(type(context.original_exception).__name__).inc()
