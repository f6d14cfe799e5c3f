import http.client
import json
import signal
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from serving.app import create_app
from serving.inference.engine import Engine
from serving.inference.loaded import LoadedVersions
from serving.inference.places import Places
from serving.observing import processes
from serving.observing.processes import Shared
from serving.observing.readiness import STARTING, STOPPING, Readiness
from serving.settings import Settings
from serving.storage import Storage
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving import test_server
from tests.serving.test_server import ask, clean_environment, serve, wait_until_ready

URL = "/v1/models/colours/recognise"


def make_readiness(repository: Path) -> Readiness:
    storage = Storage(repository)
    return Readiness(storage, Engine(LoadedVersions(storage, 1 << 28), Places(1, 1, 1)))


def test_a_process_is_ready_once_its_current_version_is_in_memory(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load, load = threading.Event(), LoadedVersions.preload

    def load_late(versions: LoadedVersions, model: str, version: str) -> bool:
        assert may_load.wait(60)
        return load(versions, model, version)

    monkeypatch.setattr(LoadedVersions, "preload", load_late)
    readiness = make_readiness(published)
    is_told = threading.Event()
    readiness.start(is_told.set, tell=False)
    assert readiness.find_reason() == STARTING
    assert not is_told.is_set()
    may_load.set()
    assert is_told.wait(60)
    assert readiness.find_reason() is None


def test_a_process_that_shall_stop_is_not_ready(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = create_app(Settings(published, state=tmp_path / "state")).test_client()
    assert client.get("/readyz").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    shared = Shared(tmp_path)
    monkeypatch.setattr(processes, "shared", shared)
    assert client.get("/readyz").status_code == 200
    shared.note_stopping()
    stopping = client.get("/readyz")
    assert (stopping.status_code, stopping.json["problems"]) == (503, [STOPPING])
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/livez").status_code == 200


def test_what_does_not_fit_is_left_for_whoever_asks(published: Path) -> None:
    versions = LoadedVersions(Storage(published), 20 << 20)  # for one of them
    assert versions.preload("colours", "1.1.0")
    assert not versions.preload("colours", "1.0.0")
    assert versions.list_loaded() == [("colours", "1.1.0")]


def test_a_server_that_was_told_to_stop_answers_until_balancers_know(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = clean_environment() | {"GHOSTLENS_DRAIN_S": "60", "TMPDIR": str(tmp_path)}
    monkeypatch.setattr(test_server, "clean_environment", lambda: drain)
    with serve(published, "--state", str(tmp_path / "state")) as (address, process):
        wait_until_ready(address)
        assert list(tmp_path.glob("ghostlens-metrics-*"))
        process.send_signal(signal.SIGTERM)
        while True:
            try:
                ask(f"{address}/readyz")
                time.sleep(0.02)
            except urllib.error.HTTPError as error:
                assert STOPPING in json.load(error)["problems"]
                break
        kept = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        kept.request("GET", "/livez")
        answer = kept.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        photo = make_photo(COLOURS["red"])
        assert ask(address + URL, photo, Content_Type="image/jpeg").status == 200
        process.send_signal(signal.SIGTERM)  # nobody waits for a balancer that is gone
        assert process.wait(60) == 0
        assert not list(tmp_path.glob("ghostlens-metrics-*"))
