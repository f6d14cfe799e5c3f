"""A raise that is signed before any phone asked is a raise all the same."""

from pathlib import Path
from typing import Any

import pytest

from mobile_assets.release import STABLE
from serving.app import create_app
from serving.publishing.policy import Change, pin, roll_back, roll_out, unpin
from serving.publishing.publish import change_release
from serving.rollout_history import find_first_share
from serving.settings import Settings
from serving.state.audit import list_entries
from serving.state.database import Database
from serving.storage import Storage


@pytest.fixture
def change(repository: Path, key_folder: Path) -> Any:
    def apply(*changes: Change) -> None:
        for each in changes:
            change_release("colours", repository, key_folder, each)

    apply(pin(STABLE, "1.0.0"), unpin(STABLE))
    return apply


def share(share_bp: int) -> Change:
    return roll_out(STABLE, "1.1.0", share_bp)


def find_share(repository: Path) -> int:
    storage = Storage(repository)
    rollout = storage.catalogue.find_release("colours").channels[STABLE].rollout
    assert rollout is not None
    return find_first_share(storage, "colours", STABLE, rollout)


def test_a_server_that_sees_a_raise_first_begins_with_the_share_before(
    repository: Path, change: Any, tmp_path: Path
) -> None:
    change(share(0), share(10_000))
    app = create_app(Settings(repository, state=tmp_path / "state")).test_client()
    answer = app.post(
        "/v1/models/colours/check",
        json={"platform": "android", "device_id": "a", "current_version": "1.0.0"},
    ).json
    assert (answer["action"], answer["code"]) == ("none", "held")
    with Database(tmp_path / "state").read() as connection:
        found = [(x.action, x.details["share_bp"]) for x in list_entries(connection)]
    assert found == [("start", 0), ("hold", 10_000)]


def test_the_lowest_share_of_this_rollout_counts_and_no_other_rollout_does(
    repository: Path, change: Any
) -> None:
    change(share(10), roll_back(STABLE), share(5000))
    assert find_share(repository) == 5000
    change(share(300), share(900), share(2000))
    assert find_share(repository) == 300


def test_what_is_gone_or_not_signed_by_the_keys_of_now_is_passed_over(
    repository: Path, change: Any
) -> None:
    change(share(100), share(200), share(300))
    newest = Storage(repository).catalogue.state.models["colours"].version
    (repository / "metadata" / f"{newest - 1}.colours.json").unlink()
    forged = repository / "metadata" / f"{newest - 2}.colours.json"
    assert find_share(repository) == 100
    forged.write_bytes(forged.read_bytes().replace(b'"length"', b'"Length"'))
    assert find_share(repository) == 300
