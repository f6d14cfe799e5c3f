from dataclasses import replace

import pytest
from sqlalchemy import Executable, delete, text, update

from serving.errors import StateError
from serving.state.audit import append, find_break, list_entries
from serving.state.database import Database
from serving.state.tables import audit


@pytest.fixture(autouse=True)
def rows(database: Database) -> None:
    for number in range(3):
        with database.write() as connection:
            append(connection, "ann", "promote", "colours", f"1.{number}.0", "best yet", photos=3)


def test_each_row_holds_the_hash_of_the_row_before(database: Database) -> None:
    with database.read() as connection:
        entries = list_entries(connection)
        assert list_entries(connection, "apples") == []
    assert [entry.version for entry in entries] == ["1.0.0", "1.1.0", "1.2.0"]
    assert entries[0].previous_sha256 == "0" * 64
    assert [entry.previous_sha256 for entry in entries[1:]] == [
        entry.sha256 for entry in entries[:-1]
    ]
    assert find_break(entries) is None
    assert entries[1].details == {"photos": 3}


def test_the_database_refuses_to_change_or_delete_a_row(database: Database) -> None:
    changes: list[Executable] = [update(audit).values(actor="bob"), delete(audit)]
    if database.name.startswith("postgresql"):
        changes.append(text("TRUNCATE audit"))
    for change in changes:
        with (
            pytest.raises(StateError, match="the audit log is append-only"),
            database.write() as connection,
        ):
            connection.execute(change)
    with database.read() as connection:
        assert {entry.actor for entry in list_entries(connection)} == {"ann"}


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET reason = 'worst yet' WHERE id = 2", 2),
        ("UPDATE audit SET details = '{}' WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 2", 2),
        ("DELETE FROM audit WHERE id = 1", 1),
    ],
)
def test_who_goes_around_the_triggers_is_found_out(
    statement: str, broken: int, database: Database
) -> None:
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP TRIGGER audit_refuses ON audit"))
        else:
            connection.execute(text("DROP TRIGGER audit_refuses_update"))
            connection.execute(text("DROP TRIGGER audit_refuses_delete"))
        connection.execute(text(statement))
    with database.read() as connection:
        assert find_break(list_entries(connection)) == broken


def test_a_forged_row_needs_all_that_follow(database: Database) -> None:
    with database.read() as connection:
        entries = list_entries(connection)
    forged = replace(entries[0], reason="worst yet")
    forged = replace(forged, sha256=forged.hash())
    assert find_break([forged, *entries[1:]]) == 2


def test_a_failed_transaction_leaves_no_row(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        append(connection, "ann", "halt", "colours")
        raise ZeroDivisionError
    with database.read() as connection:
        assert len(list_entries(connection)) == 3
