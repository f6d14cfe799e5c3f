import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from serving.errors import StateError
from serving.state import on_sqlite
from serving.state.database import Database
from serving.state.mounts import find_network_file_system
from serving.state.on_sqlite import ROLLBACK, WAL, choose_journal, has_sound_wal
from serving.state.tables import holds


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_sqlite, "_BUSY_TIMEOUT_S", 0.2)


def read_pragmas(database: Database) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys")
    with database.read() as connection:
        return {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ("3.40.1", False),
        ("3.44.5", False),
        ("3.44.6", True),
        ("3.45.0", False),
        ("3.50.6", False),
        ("3.50.7", True),
        ("3.51.2", False),
        ("3.51.3", True),
        ("3.53.0", True),
    ],
)
def test_a_version_with_the_fault_of_resetting_the_log_gets_a_rollback_journal(
    version: str, sound: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor, patch = map(int, version.split("."))
    assert has_sound_wal((major, minor, patch)) is sound
    monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: sound)
    database = Database(tmp_path)
    journal = WAL if sound else ROLLBACK
    assert read_pragmas(database) == {"journal_mode": journal, "synchronous": 2, "foreign_keys": 1}
    database.close()


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
def test_a_file_gets_the_journal_of_the_version_that_opens_it(
    before: bool, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sound in (before, after):
        monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda sound=sound: sound)
        database = Database(tmp_path)
        with database.write() as connection:
            connection.execute(insert(holds).values(model="m", version=str(sound), kind="paused"))
        assert read_pragmas(database)["journal_mode"] == (WAL if sound else ROLLBACK)
        database.close()
    assert not (tmp_path / "state.db-wal").exists()


@pytest.mark.usefixtures("no_patience")
def test_a_log_that_others_hold_open_is_not_written_with_the_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: True)
    other = Database(tmp_path)
    with other.read():
        pass
    monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: False)
    again = Database(tmp_path)
    with pytest.raises(StateError, match="other processes hold it open: stop them"), again.write():
        pass
    other.close()
    with Database(tmp_path).write():
        pass


@pytest.mark.usefixtures("no_patience")
def test_a_file_in_use_keeps_its_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: False)
    first, second = Database(tmp_path), Database(tmp_path)
    with first.read() as connection:
        connection.execute(holds.select()).all()
        monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: True)
        assert read_pragmas(second)["journal_mode"] == ROLLBACK
    first.close()
    second.close()


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"x" * 4096)
    with pytest.raises(StateError, match=r"state\.db.*a backup helps"), Database(tmp_path).read():
        pass


def test_a_file_that_may_not_be_written_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    words = r"state\.db: unable to open database file; the server must be allowed to write"
    with pytest.raises(StateError, match=words), Database(tmp_path).read():
        pass


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot make"), Database(tmp_path / "file" / "x").read():
        pass


def test_a_network_file_system_is_known_by_the_mount_that_hides_the_others(tmp_path: Path) -> None:
    mounts, folder = tmp_path / "mounts", tmp_path / "a b" / "below"
    folder.mkdir(parents=True)
    named = str(folder.parent).replace(" ", r"\040")
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/x {named} nfs4 rw 0 0\n")
    assert find_network_file_system(folder, mounts) == "nfs4"
    assert find_network_file_system(tmp_path, mounts) is None
    mounts.write_text(f"{mounts.read_text()}/dev/sda {named} ext4 rw 0 0\n")
    assert find_network_file_system(folder, mounts) is None
    assert find_network_file_system(folder, tmp_path / "none") is None


def test_a_network_file_system_gets_a_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_sqlite, "has_sound_wal", lambda: True)
    assert choose_journal(tmp_path) == WAL
    monkeypatch.setattr(on_sqlite, "find_network_file_system", lambda folder: "nfs")
    assert choose_journal(tmp_path) == ROLLBACK


def test_what_has_no_step_yet_is_copied_before_it_gets_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as direct, direct:
        direct.execute("CREATE TABLE holds (model VARCHAR, version VARCHAR, kind VARCHAR)")
        direct.execute("INSERT INTO holds VALUES ('colours', '1.0.0', 'halted')")
    database = Database(tmp_path)
    with database.write() as connection:
        connection.execute(holds.delete())
    database.close()
    (copy,) = tmp_path.glob("state-before-*.db")
    with closing(sqlite3.connect(copy)) as direct:
        assert direct.execute("SELECT * FROM holds").fetchall() == [("colours", "1.0.0", "halted")]
