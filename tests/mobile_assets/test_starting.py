from pathlib import Path

import pytest

from mobile_assets.client import BundleClient
from mobile_assets.errors import PullError
from mobile_assets.installed import load_current
from mobile_assets.starting import find_installed
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.repositories import Repository


def start(client: BundleClient) -> str | None:
    model = client.start(MODEL)
    return None if model is None else model.manifest.version


@pytest.fixture
def updated(pulled: BundleClient, repository: Repository, second_bundle_path: Path) -> BundleClient:
    """An app that ran 1.0.0 and has just switched to 1.1.0."""
    assert start(pulled) == "1.0.0"
    pulled.confirm_start(MODEL)
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "python")
    return pulled


def test_two_unconfirmed_starts_go_back_and_at_last_to_what_was_shipped(
    updated: BundleClient,
) -> None:
    assert [start(updated) for _ in range(6)] == ["1.1.0", "1.1.0", "1.0.0", "1.0.0", None, None]
    refused = find_installed(updated.cache_dir / MODEL).refused
    assert [entry.version for entry in refused] == ["1.1.0", "1.0.0"]
    with pytest.raises(PullError, match="run what the app was shipped with"):
        load_current(updated.cache_dir / MODEL)


def test_a_confirmed_start_ends_the_counting(updated: BundleClient) -> None:
    for _ in range(4):
        assert start(updated) == "1.1.0"
        updated.confirm_start(MODEL)
    assert [start(updated) for _ in range(3)] == ["1.1.0", "1.1.0", "1.0.0"]


def test_a_version_whose_files_were_changed_makes_the_one_before_start(
    updated: BundleClient,
) -> None:
    path = load_current(updated.cache_dir / MODEL).artifact_path()
    path.write_bytes(path.read_bytes()[:-1])
    assert start(updated) == "1.0.0"
    assert not find_installed(updated.cache_dir / MODEL).refused, "it did not fail to start"


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00" * 300, b'{"schema": "ghostlens.current/9"}'])
def test_a_damaged_file_counts_as_nothing_and_a_pull_mends_it(
    pulled: BundleClient, data: bytes
) -> None:
    (pulled.cache_dir / MODEL / "current.json").write_bytes(data)
    assert start(pulled) is None
    assert pulled.pull(MODEL, "python").downloaded_bytes == 0
    assert start(pulled) == "1.0.0"


def test_an_app_that_pulled_nothing_runs_what_it_was_shipped_with(tmp_path: Path) -> None:
    client = BundleClient(tmp_path / "cache", "http://127.0.0.1:9", b"")
    assert start(client) is None
    client.confirm_start(MODEL)
