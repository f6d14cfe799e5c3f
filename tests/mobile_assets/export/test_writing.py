from pathlib import Path

import pytest

from mobile_assets.errors import BundleError
from mobile_assets.export.writing import below, write_layout
from training.errors import StorageError
from training.files import check_sums


def test_a_layout_is_written_with_its_hashes(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_layout(tmp_path / "out", {"README.md": b"words", **below("a/b", {"c.bin": b"\x00"})})
    assert (tmp_path / "out" / "a" / "b" / "c.bin").read_bytes() == b"\x00"
    check_sums(tmp_path / "out")
    (tmp_path / "out" / "README.md").write_bytes(b"other")
    with pytest.raises(StorageError, match=r"README\.md was changed"):
        check_sums(tmp_path / "out")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "app" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(BundleError, match="is not empty"):
        write_layout(own.parent, {"README.md": b""})
    with pytest.raises(BundleError, match="is not empty"):
        write_layout(own, {"README.md": b""})
    assert own.read_text() == "mine" and list(own.parent.iterdir()) == [own]


def test_nothing_is_left_of_a_layout_that_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_layout(tmp_path / "out", {"a": b"a file", "a/b": b"below a file"})
    assert [path.name for path in tmp_path.iterdir() if path.name != ".out.lock"] == []
