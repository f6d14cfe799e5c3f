"""Brings a database up to the tables that this server knows, one process at a time."""

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from serving.errors import NewerStateError
from serving.state.migrations import HEAD
from serving.state.on_postgresql import Server
from serving.state.on_sqlite import File

_SCRIPTS = Path(__file__).with_name("migrations")
_one_at_a_time = threading.Lock()


def read_revision(connection: Connection) -> str | None:
    """Returns the step that a database is at; None where no server with steps has used it."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if found is None else str(found.version_num)


def upgrade(connection: Connection, place: File | Server) -> None:
    """Takes the steps that are missing; none where there are none.

    Args:
        connection: of a transaction that no other writer can come between: all steps are taken
            in it, or none.
        place: where it is; a file that holds something is copied first.

    Raises:
        NewerStateError: a newer server has used the database.
    """
    revision = read_revision(connection)
    if revision == HEAD:  # another process was faster
        return
    # 0.3 s of processor time, which later starts need not pay.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_SCRIPTS))
    if revision is not None and revision not in {x.revision for x in scripts.walk_revisions()}:
        raise NewerStateError(
            f"a newer server has used the state in {place.name}: it is at {revision!r}, and this "
            f"one knows the steps up to {HEAD!r}"
        )

    if isinstance(place, File) and inspect(connection).get_table_names():
        place.keep_copy(HEAD)

    def choose_steps(at: Any, _: object) -> Any:
        return scripts._upgrade_revs("head", at)  # what Alembic's own command asks for

    # Alembic's environment is one for the whole process, whatever it is about.
    with _one_at_a_time, EnvironmentContext(Config(), scripts, fn=choose_steps) as environment:
        environment.configure(connection)
        environment.run_migrations()
