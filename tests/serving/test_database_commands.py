import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Column, MetaData, String, Table, insert, select, text, update

from serving.cli import main
from serving.rollouts import HALTED, Rollouts
from serving.settings import DATABASE_VARIABLE
from serving.state.audit import append, find_break, list_entries
from serving.state.copying import copy_rows, read_tables, summarise
from serving.state.database import Database
from serving.state.migrations import HEAD
from serving.state.tables import LARGE, holds, reports
from tests.serving.postgres_server import PostgresServer

DEVICES = 2500


def call(*words: str | Path, fails: bool = False) -> str:
    done = CliRunner().invoke(main, ["database", *map(str, words)])
    assert (done.exit_code != 0) is fails, done.output
    return done.output


def name(place: Path | str) -> tuple[str, str]:
    return ("--state" if isinstance(place, Path) else "--database", str(place))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    folder = tmp_path / "filled"
    database = Database(folder)
    with database.write() as connection:
        rows = [
            {
                "report_id": f"{number:05}",
                "received_ms": 1_800_000_000_000 + number,
                "model": "colours",
                "version": "1.1.0",
                "device": f"é-{number}",
                "event": "start",
                "passed": number % 3 > 0,
                "details": "{}",
            }
            for number in range(DEVICES)
        ]
        connection.execute(insert(reports), rows)
        append(connection, "ann", "publish", "colours", "1.1.0", "für alle", share=0.5)
    Rollouts(database).hold("colours", "1.1.0", HALTED, "bob", "it's bad")
    database.close()
    return folder


def test_a_state_in_order_is_told_to_be_so(filled: Path) -> None:
    told = call("check", *name(filled))
    assert f"{filled}/state.db\n" in told
    assert f"SQLite {sqlite3.sqlite_version}, journal_mode=" in told and "synchronous=2" in told
    assert "quick_check: ok" in told
    assert f"this version ({HEAD})" in told
    assert f"reports {DEVICES}" in told and "2 rows of the audit log, none changed" in told


def test_a_changed_row_of_the_log_is_told(state_place: Path | str) -> None:
    database = Database(state_place)
    with database.write() as connection:
        append(connection, "ann", "publish", "colours")
        drop = "DROP TRIGGER audit_refuses_update"
        on_postgresql = connection.dialect.name == "postgresql"
        connection.execute(text("DROP TRIGGER audit_refuses ON audit" if on_postgresql else drop))
        connection.execute(text("UPDATE audit SET actor = 'bob'"))
    database.close()
    assert "WRONG: row 1 of the audit log was changed" in call(
        "check", *name(state_place), fails=True
    )


def test_a_server_that_forgets_at_a_power_cut_is_told(postgres: PostgresServer) -> None:
    told = call("check", "--database", postgres.make_database(), fails=True)
    assert "WRONG: fsync is off" in told and "2 of" not in told
    assert "\nencoding UTF8\nWRONG" in told and f"this version ({HEAD})" in told
    assert told.count("WRONG") == 1 and "1 of the above should be looked at" in told


def test_a_damaged_file_is_told(filled: Path) -> None:
    path = filled / "state.db"
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\xff" * 8192 + whole[half + 8192 :])
    told = call("check", *name(filled), fails=True)
    assert "quick_check: " in told or "malformed" in told
    assert "quick_check: ok" not in told


def test_tables_of_an_older_version_are_told_and_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as direct:
        direct.execute("CREATE TABLE holds (model VARCHAR, version VARCHAR, kind VARCHAR)")
    told = call("check", *name(tmp_path), fails=True)
    assert f"WRONG: its tables are at None, this version's at {HEAD}: `database upgrade`" in told
    told = call("upgrade", *name(tmp_path))
    copy = tmp_path / f"state-before-{HEAD}.db"
    assert f"went from no revision to {HEAD}" in told and str(copy) in told and copy.is_file()
    assert f"is at {HEAD} already" in call("upgrade", *name(tmp_path))
    assert "none changed" in call("check", *name(tmp_path))


def test_a_state_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    assert "state.db yet" in call("check", *name(tmp_path / "none"), fails=True)
    assert not (tmp_path / "none").exists()


def test_everything_is_copied_into_an_empty_database(
    filled: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.make_database(empty=True)
    told = call("copy", *name(filled), "--to", address)
    assert f"reports: {DEVICES} rows, the same in both" in told and "audit: 2 rows" in told
    source, target = Database(filled), Database(address)
    with source.read() as old, target.read() as new:
        tables = read_tables(old)
        assert len(tables) > 6
        for table in tables.values():
            assert summarise(old, table) == summarise(new, table)
        assert find_break(list_entries(new)) is None
        assert new.execute(select(holds.c.kind)).scalar_one() == HALTED
    with target.write() as connection:
        append(connection, "ann", "resume", "colours")
    target.close()
    source.close()
    monkeypatch.setenv(DATABASE_VARIABLE, address)
    assert "3 rows of the audit log, none changed" in call("check", fails=True)
    told = call("copy", *name(filled), "--to", address, fails=True)
    assert "is not empty: audit has rows" in told


def test_keys_that_count_up_go_on_after_the_highest_that_was_copied(
    filled: Path, postgres: PostgresServer
) -> None:
    id_column = Column("id", LARGE, primary_key=True)
    numbered = Table("numbered", MetaData(), id_column, Column("word", String))
    source, target = Database(filled), Database(postgres.make_database())
    for database in (source, target):
        with database.write() as connection:
            numbered.create(connection)
    with source.write() as connection:
        connection.execute(insert(numbered), [{"word": "a"}, {"word": "b"}])
    assert copy_rows(source, target)["numbered"] == 2
    with target.write() as connection:
        made = connection.execute(insert(numbered).values(word="c")).inserted_primary_key
        assert made is not None and made[0] == 3
    source.close()
    target.close()


def test_a_copy_that_cannot_be_whole_leaves_the_target_empty(
    filled: Path, postgres: PostgresServer
) -> None:
    database, address = Database(filled), postgres.make_database()
    with database.write() as connection:
        connection.execute(update(holds).values(kind="\0"))  # which PostgreSQL cannot hold
    told = call("copy", *name(filled), "--to", address, fails=True)
    assert "NUL" in told
    target = Database(address)
    with target.read() as connection:
        tables = read_tables(connection).values()
        assert all(summarise(connection, table)[0] == 0 for table in tables)
    target.close()
    with database.write() as connection:
        connection.execute(text("CREATE TABLE tomorrow (id INTEGER)"))
    database.close()
    told = call("copy", *name(filled), "--to", address, fails=True)
    assert "has unknown tables: tomorrow" in told
