"""Files that are whole or absent, whatever happens while they are written."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from training.errors import StorageError
from training.files import (
    SUMS_NAME,
    check_sums,
    exclusive_lock,
    new_directory,
    write_atomic,
    write_sums,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from training.files import new_directory
with new_directory(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"a longer first content")
    write_atomic(path, "second")
    assert path.read_text() == "second"
    assert names_in(path.parent) == {"file"}


def test_a_full_disk_is_named_and_harms_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        write_atomic(disk / "file", b"old")
        with pytest.raises(StorageError, match=r"file: the disk is full \(\d+ bytes free\)"):
            write_atomic(disk / "file", bytes(1 << 20))
        with pytest.raises(StorageError, match="the disk is full"), new_directory(disk / "d") as d:
            (d / "big").write_bytes(bytes(1 << 20))
        assert (disk / "file").read_bytes() == b"old"
        assert names_in(disk) - {".d.lock"} == {"file"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        write_atomic(tmp_path / "file" / "inside", b"")


def test_new_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(ValueError, match="stop"), new_directory(target) as folder:
        (folder / "part").write_text("x")
        raise ValueError("stop")
    assert not target.exists()
    with new_directory(target) as folder:
        (folder / "a").write_text("first")
    with pytest.raises(ValueError, match="stop"), new_directory(target) as folder:
        raise ValueError("stop")
    assert (target / "a").read_text() == "first"
    with new_directory(target) as folder:
        (folder / "b").write_text("second")
    assert names_in(target) == {"b"}
    assert names_in(tmp_path) == {"target", ".target.lock"}


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with new_directory(target) as folder:
        (folder / "a").write_text("first")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target)])
    assert killed.returncode == -signal.SIGKILL
    assert names_in(target) == {"a"}
    assert any(name.startswith(".target.new.") for name in names_in(tmp_path))
    with new_directory(target) as folder:
        (folder / "b").write_text("second")
    assert names_in(target) == {"b"}
    assert names_in(tmp_path) == {"target", ".target.lock"}


def test_a_folder_set_aside_by_a_killed_writer_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "target"
    aside = tmp_path / ".target.old.abc" / "target"
    aside.mkdir(parents=True)
    (aside / "a").write_text("first")
    with pytest.raises(ValueError, match="stop"), new_directory(target):
        raise ValueError("stop")
    assert (target / "a").read_text() == "first"


def test_the_second_writer_is_told(tmp_path: Path) -> None:
    with new_directory(tmp_path / "target") as folder:
        (folder / "a").write_text("first")
        with (
            pytest.raises(StorageError, match="another process"),
            new_directory(tmp_path / "target"),
        ):
            pass
    with exclusive_lock(tmp_path / ".target.lock"):
        pass


def test_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_text("one")
    (tmp_path / "äpfel.txt").write_text("two")
    written = write_sums(tmp_path)
    assert check_sums(tmp_path) == written
    checked = subprocess.run(["sha256sum", "-c", SUMS_NAME], cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_a_changed_missing_or_unlisted_state_is_found(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="not complete"):
        check_sums(tmp_path)
    (tmp_path / "file").write_text("one")
    write_sums(tmp_path)
    (tmp_path / "file").write_text("two")
    with pytest.raises(StorageError, match="was changed"):
        check_sums(tmp_path)
    (tmp_path / "file").unlink()
    with pytest.raises(StorageError, match="cannot read"):
        check_sums(tmp_path)


@pytest.mark.parametrize(
    "line", ["nonsense", f"{'0' * 64}  ../outside", f"{'0' * 64}  /etc/passwd"]
)
def test_sums_that_point_outside_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / SUMS_NAME).write_text(line + "\n")
    with pytest.raises(StorageError, match="not a line of sha256sum"):
        check_sums(tmp_path)


def test_files_are_readable_by_others(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
