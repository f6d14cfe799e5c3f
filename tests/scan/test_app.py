"""The page's source: what is committed is what it builds into; its own unit tests pass."""

import gzip
import re
from pathlib import Path

import pytest

from tests.scan.building import BUILT, copy_app, run_npm


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_app(tmp_path_factory.mktemp("scan"))


def read_all(folder: Path) -> dict[str, bytes]:
    """The files of a build; what is compressed is compared by what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            found[name] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


def test_the_committed_files_are_what_the_source_builds_into(app: Path) -> None:
    run_npm(app, "build")
    again = read_all(app.parent / "built")
    committed = read_all(BUILT)
    assert sorted(committed) == sorted(again), "run `make scan-page`, and commit serving/scan/built"
    different = [name for name, data in committed.items() if again[name] != data]
    assert not different, "run `make scan-page`, and commit serving/scan/built"


def test_the_page_passes_its_own_tests(app: Path) -> None:
    told = run_npm(app, "test")
    assert re.search(r"^# fail 0$", told, re.MULTILINE)
    assert int(re.findall(r"^# pass (\d+)$", told, re.MULTILINE)[0]) > 0
