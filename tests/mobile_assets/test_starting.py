import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets import starting
from mobile_assets.client import BundleClient
from mobile_assets.errors import PullError
from mobile_assets.installed import load_current
from mobile_assets.starting import Installed, Refused, find_installed
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


@settings(deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.sampled_from(["ghostlens.current/2", MODEL, "1.0.0"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["schema", "model", "entries", "refused", "version"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_stands_in_the_file_is_read_or_counts_as_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / MODEL
    folder.mkdir(exist_ok=True)
    (folder / "current.json").write_bytes(data)
    assert find_installed(folder).model == MODEL


def test_an_app_that_pulled_nothing_runs_what_it_was_shipped_with(tmp_path: Path) -> None:
    client = BundleClient(tmp_path / "cache", "http://127.0.0.1:9", b"")
    assert start(client) is None
    client.confirm_start(MODEL)


WEEK_S = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("later_s", "is_refused"),
    [(0, True), (WEEK_S - 60, True), (WEEK_S + 60, False), (-60, False)],
)
def test_a_crash_is_held_against_a_version_for_a_week(
    updated: BundleClient, monkeypatch: pytest.MonkeyPatch, later_s: int, is_refused: bool
) -> None:
    """Not longer where the clock was wrong: a crash in the future counts for nothing."""
    for _ in range(3):
        start(updated)
    installed = find_installed(updated.cache_dir / MODEL)
    now_s = time.time()
    monkeypatch.setattr(starting.time, "time", lambda: now_s + later_s)
    for app_version in (None, "1.0.0", "2.0.0"):
        assert installed.list_refused(app_version) == (("1.1.0",) if is_refused else ())


def test_a_failed_self_test_is_held_against_a_version_until_the_app_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = Installed(MODEL).refuse(Refused("1.1.0", "1.0.0")).refuse(Refused("1.2.0"))
    monkeypatch.setattr(starting.time, "time", lambda: 1e10)
    assert installed.list_refused("1.0.0") == ("1.1.0", "1.2.0")
    assert installed.list_refused("1.0.1") == ("1.2.0",)


def test_a_second_crash_counts_anew(updated: BundleClient) -> None:
    once = Installed(MODEL).refuse(Refused("1.1.0", crashed_at_s=1))
    twice = once.refuse(Refused("1.1.0", crashed_at_s=2))
    assert twice.refused == (Refused("1.1.0", crashed_at_s=2),)


def test_what_the_client_before_wrote_is_read(pulled: BundleClient) -> None:
    path = pulled.cache_dir / MODEL / "current.json"
    value = json.loads(path.read_bytes())
    value["refused"] = [{"version": "0.9.0", "app_version": ""}]
    path.write_text(json.dumps(value))
    assert find_installed(path.parent).refused == (Refused("0.9.0"),)
    assert start(pulled) == "1.0.0"
