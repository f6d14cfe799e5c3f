import gc
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device, RuntimeOfApp
from mobile_assets.housekeeping import remove_left_versions
from mobile_assets.installed import PulledModel
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository
from tests.mobile_assets.test_transfer import serve_app


def remove(client: BundleClient) -> list[str]:
    removed = remove_left_versions(client.cache_dir / MODEL)
    return sorted(folder.relative_to(client.cache_dir / MODEL).parts[0] for folder in removed)


pytestmark = pytest.mark.usefixtures("only_litert")


@pytest.fixture
def switched(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> BundleClient:
    """An app that left 1.0.0 of two platforms: 1.1.0 for two others is in use, and before."""
    pulled.pull(MODEL, "android", runtime="executorch")
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "android")
    pulled.pull(MODEL, "android", runtime="executorch")
    gc.collect()
    return pulled


def test_versions_that_are_neither_in_use_nor_to_go_back_to_are_removed(
    switched: BundleClient,
) -> None:
    assert remove(switched) == ["1.0.0", "1.0.0"]
    assert remove(switched) == []
    model_dir = switched.cache_dir / MODEL
    assert sorted(path.name for path in model_dir.glob("*/")) == ["1.1.0"]
    assert len(list(model_dir.glob("1.1.0/*/"))) == 2
    started = switched.start(MODEL)
    assert started is not None and started.manifest.version == "1.1.0"


def test_the_next_update_removes_what_the_last_one_left(
    repository: Repository, second_bundle_path: Path, tmp_path: Path
) -> None:
    litert, executorch = (
        Device("android", runtimes=(RuntimeOfApp(name),)) for name in ("litert", "executorch")
    )
    with serve_app(create_app(Settings(repository.folder))) as url:
        phone = BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)
        phone.update(MODEL, litert)
        repository.add(second_bundle_path)
        phone.update(MODEL, litert)
        repository.set_current(MODEL, "1.0.0")
        phone.update(MODEL, executorch)
        folders = phone.cache_dir / MODEL
        assert len(list(folders.glob("1.0.0/*/"))) == 2
        gc.collect()
        phone.update(MODEL, executorch)
        [left] = folders.glob("1.0.0/*/")
        assert left.name.startswith("executorch")
        assert len(list(folders.glob("1.1.0/*/"))) == 1


def test_the_version_to_go_back_to_is_kept(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "python")
    assert remove(pulled) == []
    for _ in range(2):
        pulled.start(MODEL)
    before = pulled.start(MODEL)
    assert before is not None and before.manifest.version == "1.0.0"


def test_what_this_process_holds_is_kept_until_it_lets_go(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    running = pulled.start(MODEL)
    assert running is not None
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "android")
    pulled.pull(MODEL, "android", runtime="executorch")
    assert remove(pulled) == [] and running.artifact_path().exists()
    del running
    gc.collect()
    assert remove(pulled) == ["1.0.0"]


def run_app(client: BundleClient, line: Connection) -> None:
    model = client.start(MODEL)
    line.send("started")
    line.recv()
    assert isinstance(model, PulledModel)


def test_what_another_process_runs_is_kept_until_it_ends(
    pulled: BundleClient, repository: Repository, second_bundle_path: Path
) -> None:
    here, there = multiprocessing.Pipe()
    app = multiprocessing.get_context("fork").Process(
        target=run_app, args=(pulled, there), daemon=True
    )
    app.start()
    assert here.recv() == "started"
    repository.add(second_bundle_path)
    pulled.pull(MODEL, "android")
    pulled.pull(MODEL, "android", runtime="executorch")
    gc.collect()
    assert remove(pulled) == []
    app.kill()
    app.join()
    assert remove(pulled) == ["1.0.0"]


@pytest.mark.parametrize("data", [None, b"", b"\x00" * 300])
def test_nothing_is_removed_where_it_is_not_known_what_is_in_use(
    pulled: BundleClient, data: bytes | None
) -> None:
    path = pulled.cache_dir / MODEL / "current.json"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    gc.collect()
    assert remove(pulled) == []
    assert pulled.pull(MODEL, "python").downloaded_bytes == 0
    assert version_in_use(pulled) == "1.0.0"


def test_what_killed_processes_left_is_removed_and_nothing_else(pulled: BundleClient) -> None:
    model_dir = pulled.cache_dir / MODEL
    left = [model_dir / "0.9.0" / f".litert-fp32-{'0' * 12}.{kind}.abc" for kind in ("new", "old")]
    own = [model_dir / "0.9.0" / "notes", model_dir / "reports" / "x"]
    for folder in [*left, *own]:
        folder.mkdir(parents=True)
    assert remove(pulled) == []
    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in own)
