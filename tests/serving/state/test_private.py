import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from serving.access.counters import Counters
from serving.state import private
from serving.state.database import Database
from serving.state.migrations import HEAD
from serving.state.on_sqlite import WAL, File
from serving.state.private import make_private_file


def read_modes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder.parent).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("journal", ["truncate", WAL])
def test_nobody_else_may_read_what_the_server_remembers(
    tmp_path: Path, journal: str, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.state.on_sqlite.choose_journal", lambda _: journal)
    folder = tmp_path / "state"
    database, counters = Database(folder), Counters(folder)
    counters.add("pull of somebody", 60)
    with database.write() as connection:
        connection.execute(text("DELETE FROM holds"))  # its journal lies there meanwhile
        assert isinstance(database.place, File)
        database.place.keep_copy(HEAD)
        modes = read_modes(folder)
    database.close()
    assert modes.pop("state") == 0o700
    assert len(modes) >= 5, modes
    assert set(modes.values()) == {0o600}, modes


def test_a_file_from_before_loses_what_everybody_could_and_keeps_its_group(tmp_path: Path) -> None:
    for name in ("state.db", "limits.db"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o664)
    database = Database(tmp_path)
    with database.read():
        Counters(tmp_path).add("pull of somebody", 60)
    database.close()
    modes = read_modes(tmp_path)
    assert [modes[f"{tmp_path.name}/{name}"] for name in ("state.db", "limits.db")] == [0o660] * 2


def test_of_several_who_make_the_same_file_each_finds_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, together = tmp_path / "file", threading.Barrier(4)
    create = private._create

    def create_together(path: Path) -> None:
        together.wait(30)
        create(path)

    monkeypatch.setattr(private, "_create", create_together)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make_private_file, [path] * 4))
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
