from pathlib import Path

import pytest

from serving.errors import StateError
from serving.state.database import Database


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"x" * 4096)
    with pytest.raises(StateError, match=r"state\.db"), Database(tmp_path).read():
        pass


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot make"), Database(tmp_path / "file" / "x").read():
        pass
