"""The steps from an empty database to today's tables, on both kinds of database."""

import sqlite3
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

import serving
from serving.errors import StateError
from serving.state import migrations
from serving.state.audit import append, find_break, list_entries
from serving.state.database import Database, metadata
from serving.state.tables import holds
from serving.state.upgrading import read_revision
from tests.serving.postgres_server import PostgresServer

# What the server of issue 5 made: no revision is noted, and there were no indexes at first.
OLD_TABLES = """
CREATE TABLE reports (report_id VARCHAR NOT NULL, received_ms INTEGER NOT NULL, model VARCHAR NOT
NULL, version VARCHAR NOT NULL, device VARCHAR NOT NULL, event VARCHAR NOT NULL, passed BOOLEAN NOT
NULL, details TEXT NOT NULL, PRIMARY KEY (report_id));
CREATE TABLE verdicts (model VARCHAR NOT NULL, version VARCHAR NOT NULL, device VARCHAR NOT NULL,
passed BOOLEAN NOT NULL, received_ms INTEGER NOT NULL, PRIMARY KEY (model, version, device));
CREATE TABLE offers (model VARCHAR NOT NULL, version VARCHAR NOT NULL, device VARCHAR NOT NULL,
offered_ms INTEGER NOT NULL, PRIMARY KEY (model, version, device));
CREATE TABLE stages (model VARCHAR NOT NULL, channel VARCHAR NOT NULL, salt VARCHAR NOT NULL,
version VARCHAR NOT NULL, share_bp INTEGER NOT NULL, signed_bp INTEGER NOT NULL,
since_ms INTEGER NOT NULL, PRIMARY KEY (model, channel));
CREATE TABLE holds (model VARCHAR NOT NULL, version VARCHAR NOT NULL, kind VARCHAR NOT NULL,
PRIMARY KEY (model, version));
CREATE TABLE audit (id INTEGER NOT NULL, at VARCHAR NOT NULL, actor VARCHAR NOT NULL,
action VARCHAR NOT NULL, model VARCHAR NOT NULL, version VARCHAR NOT NULL, reason TEXT NOT NULL,
details TEXT NOT NULL, previous_sha256 VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, PRIMARY KEY (id));
CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
INSERT INTO holds VALUES ('colours', '1.1.0', 'halted');
"""


@pytest.fixture(scope="module", autouse=True)
def all_tables() -> None:
    """Loads every module that adds tables."""
    folder = Path(serving.__file__).parent
    for path in folder.glob("**/*.py"):
        if "= Table(" in path.read_text(encoding="utf-8"):
            import_module(".".join(["serving", *path.relative_to(folder).with_suffix("").parts]))


def test_the_steps_have_one_head_and_it_is_the_one_that_servers_look_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_the_steps_lead_to_the_tables_that_the_code_uses(database: Database) -> None:
    with database.write() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "state.db") as direct:
        direct.executescript(OLD_TABLES)
        direct.execute("PRAGMA journal_mode=WAL")
    direct.close()
    return tmp_path


def test_a_file_of_an_older_server_is_taken_over_and_gets_what_it_lacks(old_file: Path) -> None:
    database = Database(old_file)
    with database.write() as connection:
        assert connection.execute(select(holds)).all() == [("colours", "1.1.0", "halted")]
        append(connection, "ann", "resume", "colours", "1.1.0")
        assert find_break(list_entries(connection)) is None
        assert read_revision(connection) == migrations.HEAD
        found = {name: inspect(connection).get_indexes(name) for name in ("reports", "verdicts")}
        assert {name: [x["name"] for x in indexes] for name, indexes in found.items()} == {
            "reports": ["reports_aged"],
            "verdicts": ["verdicts_counted"],
        }
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_of_a_newer_server_is_refused_and_left_alone(
    database: Database, state_place: Path | str
) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'tomorrow'"))
    again = Database(state_place)
    with pytest.raises(StateError, match=r"a newer server has used .* at 'tomorrow'"), again.read():
        pass
    with database.read() as connection:
        assert read_revision(connection) == "tomorrow"


def test_an_empty_database_of_postgresql_gets_its_tables(postgres: PostgresServer) -> None:
    database = Database(postgres.make_database(empty=True))
    with database.read() as connection:
        assert read_revision(connection) == migrations.HEAD
    database.close()
