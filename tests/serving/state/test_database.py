"""What holds on both kinds of database, whoever writes at the same time and whoever is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, insert, select, text, update

from serving.cli import main
from serving.errors import StateError
from serving.settings import Settings
from serving.state import on_postgresql, on_sqlite
from serving.state.audit import append, find_break, list_entries
from serving.state.database import Database, insert_into
from serving.state.migrations import HEAD
from serving.state.pause import Pause
from serving.state.tables import holds, offers, reports, verdicts
from serving.state.upgrading import read_revision
from tests.conftest import ROOT
from tests.serving.postgres_server import PostgresServer

# Reports until it is killed, and says which were acknowledged.
REPORTER = """
import itertools, sys
from pathlib import Path
from serving.reports import Report, take_report
from serving.rollouts import Rollouts
from serving.state.audit import append
from serving.state.database import Database
from tests.serving.test_rollouts import NEW, at_share
database = Database(eval(sys.argv[1], {"PosixPath": Path}))
for number in itertools.count():
    found = Report(f"{number}", f"phone-{number}", NEW, "start", True, {"filler": "x" * 5000})
    take_report(database, Rollouts(database), at_share(10_000), found)
    with database.write() as connection:
        append(connection, "ann", "note", "colours", NEW, number=number)
    print(number, flush=True)
"""
# Opens a database the moment that it is told to.
STARTER = """
import sys
from pathlib import Path
import alembic.runtime.environment
from serving.state.audit import append
from serving.state.database import Database
print("ready", flush=True)
sys.stdin.readline()
with Database(eval(sys.argv[1], {"PosixPath": Path})).write() as connection:
    append(connection, "ann", "start", "colours")
"""


@contextmanager
def run_script(script: str, place: Path | str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, repr(place)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_a_killed_process_acknowledged_is_there_and_nothing_is_half_done(
    database: Database, state_place: Path | str
) -> None:
    with run_script(REPORTER, state_place) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
    with database.write() as connection:
        append(connection, "ann", "check", "colours")
    with database.read() as connection:
        found = set(connection.execute(select(reports.c.report_id)).scalars())
        assert found >= set(acknowledged) and "39" in found
        assert len(found) == connection.execute(select(func.count(verdicts.c.device))).scalar_one()
        entries = list_entries(connection)
    assert find_break(entries) is None
    assert len(entries) - 1 in (len(found), len(found) - 1)


def test_of_processes_that_start_at_once_one_makes_the_tables(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: PostgresServer = request.getfixturevalue("postgres")
    for place in (tmp_path / "state", server.make_database(empty=True)):
        with run_script(STARTER, place) as one, run_script(STARTER, place) as other:
            for process in (one, other):
                assert process.stdout is not None and process.stdout.readline() == "ready\n"
            for process in (one, other):
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            assert (one.wait(60), other.wait(60)) == (0, 0)
        database = Database(place)
        with database.write() as connection:
            assert len(list_entries(connection)) == 2
            assert read_revision(connection) == HEAD
        database.close()


def test_rows_of_many_writers_are_one_chain(state_place: Path | str) -> None:
    others = [Database(state_place) for _ in range(4)]

    def note(number: int) -> None:
        with others[number % 4].write() as connection:
            append(connection, "ann", "note", "colours", number=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(48)))
    with others[0].read() as connection:
        entries = list_entries(connection)
    assert len(entries) == 48 and find_break(entries) is None
    for other in others:
        other.close()


def test_who_reads_sees_one_state_and_changes_none(database: Database) -> None:
    row = {"model": "colours", "version": "1.0.0", "kind": "halted"}
    with database.read() as reading:
        assert reading.execute(select(func.count()).select_from(holds)).scalar_one() == 0
        if not isinstance(database.place, on_sqlite.File):  # there the writer waits
            with database.write() as writing:
                writing.execute(insert(holds).values(row))
            assert reading.execute(select(func.count()).select_from(holds)).scalar_one() == 0
    for change in (insert(holds).values(row | {"version": "2"}), update(holds).values(kind="x")):
        words = r"read-?only"
        with pytest.raises(StateError, match=words), database.read() as connection:
            connection.execute(change)


def test_an_insert_says_whether_the_row_was_there(database: Database) -> None:
    row = {"model": "colours", "version": "1.0.0", "device": "a", "offered_ms": 1 << 41}
    with database.write() as connection:
        once = insert_into(connection, offers).values(row).on_conflict_do_nothing()
        assert [connection.execute(once).rowcount for _ in range(2)] == [1, 0]
        key = ["model", "version", "device"]
        later = {"offered_ms": offers.c.offered_ms + 1}
        adding = insert_into(connection, offers).values(row)
        connection.execute(adding.on_conflict_do_update(index_elements=key, set_=later))
        assert connection.execute(select(offers.c.offered_ms)).scalars().all() == [(1 << 41) + 1]


def test_a_writer_that_waits_too_long_is_told(
    database: Database, state_place: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_sqlite, "_BUSY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(on_postgresql, "_LOCK_TIMEOUT_S", 0.1)
    other = Database(state_place)
    with other.read():
        pass
    with (
        database.write() as connection,
        pytest.raises(StateError, match="lock"),
        other.write(),
    ):
        connection.execute(select(holds))
    with other.write():
        pass
    other.close()


def test_who_gets_no_connection_is_told(
    state_place: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_sqlite, "_BUSY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(on_postgresql, "_LOCK_TIMEOUT_S", 0.1)
    database = Database(state_place, connections=1)
    with database.read(), pytest.raises(StateError, match="QueuePool limit"), database.read():
        pass
    with database.read():
        pass
    database.close()


def test_a_failure_is_forgotten_after_a_second(tmp_path: Path) -> None:
    now_s = 100.0
    (tmp_path / "state").touch()
    database = Database(tmp_path / "state")
    database._pause = Pause(lambda: now_s)
    with pytest.raises(StateError, match="cannot make"), database.read():
        pass
    (tmp_path / "state").unlink()
    with pytest.raises(StateError, match="cannot make"), database.read():
        pass
    now_s += 1.0
    assert database.find_problems() == []
    database.close()


def test_a_server_does_not_start_on_a_state_of_a_newer_one(
    published: Path, state_place: Path | str
) -> None:
    database = Database(state_place)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'tomorrow'"))
    database.close()
    option = "--state" if isinstance(state_place, Path) else "--database"
    where = ("--repository", str(published), option, str(state_place))
    done = CliRunner().invoke(main, ["run", "--port", "0", *where])
    assert done.exit_code == 1
    assert "a newer server has used the state in" in done.output


def test_no_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://ghost:s3cret@127.0.0.1:1/x?sslpassword=s3cret&connect_timeout=2"
    monkeypatch.setattr(on_postgresql, "_LOCK_TIMEOUT_S", 0.1)
    assert "s3cret" not in repr(Settings(database=address))
    (words,) = Database(address).find_problems()
    assert "the state in postgresql://127.0.0.1:1/x: connection failed" in words
    assert "s3cret" not in words
    for wrong in ("postgresql://a:s3cret@b:port/x", "mysql://a:s3cret@b/x", "s3cret"):
        with pytest.raises(StateError, match="not the address of a database") as caught:
            Database(wrong)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
