"""The server as a process of its own, asked from outside over a loopback port."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device
from mobile_assets.recognise import recognise
from mobile_assets.release import Release
from serving.app import create_app
from serving.server import read_quota
from serving.settings import Settings
from tests.conftest import ROOT, run_command
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.mobile_assets.test_transfer import serve_app
from tests.serving.conftest import Phone, set_current

# Runs `python -m serving` where none of the heavy packages can be imported.
LIGHT = """
import runpy, sys
HEAVY = {"torch", "tensorflow", "executorch", "coremltools", "litert_torch"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
sys.argv[0] = "serving"
runpy.run_module("serving", run_name="__main__")
"""


def clean_environment() -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if "GHOSTLENS_" not in name}
    return inherited | {"PYTHONPATH": str(ROOT)}


@contextmanager
def serve(
    repository: Path | str, *arguments: str, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Runs the server on a free port until the block ends; gives its address and process.

    What it logs can be read of the process's `stderr`, which is a file: nothing waits for a reader.
    `settings` are variables of its environment.
    """
    command = [sys.executable, "-c", LIGHT, "run", "--repository", str(repository), "--port", "0"]
    command += [] if "--workers" in arguments else ["--workers", "1"]
    with tempfile.NamedTemporaryFile("w+") as log, Path(log.name).open() as errors:
        process = subprocess.Popen(
            [*command, *arguments],
            env=clean_environment() | dict(settings or {}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        process.stderr = errors
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[0-9.]+:[0-9]+", line)
            assert found, errors.read()
            yield found[0], process
        finally:
            process.terminate()
            process.wait(timeout=60)
            process.stdout.close()


def wait_until_ready(address: str) -> None:
    """Returns when a process of the server has loaded a version."""
    while True:
        try:
            ask(f"{address}/readyz")
            return
        except urllib.error.HTTPError as error:
            assert error.code == 503
            time.sleep(0.02)


@pytest.fixture(scope="module")
def address(published: Path) -> Iterator[str]:
    with serve(published) as (address, _):
        yield address


def ask(url: str, data: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return urllib.request.urlopen(urllib.request.Request(url, data, names), timeout=60)


def make_remote_phone(address: str, cache: Path, key_folder: Path) -> Phone:
    root = (key_folder / "root.json").read_bytes()
    return Phone(cache, root, f"{address}/metadata/", f"{address}/targets/")


def test_a_photo_is_recognised_without_any_heavy_package(address: str) -> None:
    for label, colour in COLOURS.items():
        url = f"{address}/v1/models/colours/recognise?top_k=1"
        answer = json.load(ask(url, make_photo(colour), Content_Type="image/jpeg"))
        assert answer["answers"][0]["label"] == label


def test_a_tuf_client_reads_the_release_and_its_files(
    address: str, key_folder: Path, tmp_path: Path
) -> None:
    phone = make_remote_phone(address, tmp_path, key_folder)
    release = Release.from_bytes(phone.read("colours/release.json"))
    assert release.current == "1.1.0"
    assert phone.read("colours/1.1.0/labels.txt") == b"red\ngreen\nblue\n"


def test_a_pulled_model_and_the_cloud_give_the_same_answer(
    address: str, key_folder: Path, tmp_path: Path
) -> None:
    root = (key_folder / "root.json").read_bytes()
    pulled = BundleClient(tmp_path, f"{address}/", root).pull("colours", "android").model
    photo = make_photo(COLOURS["blue"], 300, 200)
    local = recognise(pulled, photo)
    url = f"{address}/v1/models/colours/recognise"
    remote = json.load(ask(url, photo, Content_Type="image/jpeg"))
    assert remote["version"] == local.version
    assert remote["verdict"] == local.verdict
    assert [entry["label"] for entry in remote["answers"]] == [e.label for e in local.answers]
    for here, there in zip(local.answers, remote["answers"], strict=True):
        assert there["probability"] == pytest.approx(here.probability, abs=1e-6)


def test_a_phone_pulls_out_of_object_storage_through_the_server_past_it_and_without_it(
    published_s3: str, s3_endpoint: str, s3_credentials: None, key_folder: Path, tmp_path: Path
) -> None:
    root, state = (key_folder / "root.json").read_bytes(), tmp_path / "state"
    bucket, _, _ = published_s3.removeprefix("s3://").partition("?")
    bucket_url = f"{s3_endpoint}/{bucket}"
    alone = BundleClient(tmp_path / "alone", bucket_url, root)
    assert alone.pull("colours", "android").model.manifest.version == "1.1.0"
    with serve(published_s3, "--state", str(state)) as (address, _):
        through = BundleClient(tmp_path / "through", address, root).pull("colours", "android")
        assert recognise(through.model, make_photo(COLOURS["blue"])).answers[0].label == "blue"
    settings = Settings(published_s3, files_url=f"{bucket_url}/targets", state=state)
    with serve_app(create_app(settings)) as address:
        past = BundleClient(tmp_path / "past", address, root)
        assert past.update("colours", Device("android")).check.decision.code == "first"
        assert past.update("colours", Device("android")).check.decision.code == "up-to-date"


def test_ranges_put_together_are_the_file(address: str) -> None:
    files = json.load(ask(f"{address}/v1/models/colours/versions/1.0.0"))["files"]
    file = next(entry for entry in files if entry["path"].endswith(".tflite"))
    url = address + file["url"]
    whole = ask(url).read()
    assert len(whole) == file["size_bytes"]
    parts = []
    for start in range(0, len(whole), 100):
        response = ask(url, Range=f"bytes={start}-{start + 99}")
        assert response.status == 206
        parts.append(response.read())
    assert b"".join(parts) == whole


def test_many_at_once_are_all_answered(address: str) -> None:
    photos = {label: make_photo(colour) for label, colour in COLOURS.items()}
    url = f"{address}/v1/models/colours/recognise?top_k=1"

    def recognise_one(label: str) -> str:
        answer = json.load(ask(url, photos[label], Content_Type="image/jpeg"))
        return str(answer["answers"][0]["label"])

    labels = list(photos) * 20
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(recognise_one, labels)) == labels


def test_a_body_without_an_end_is_cut_at_the_limit(published: Path) -> None:
    with serve(published) as (address, _):
        host = address.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.putrequest("POST", "/v1/models/colours/recognise")
        connection.putheader("Content-Type", "image/jpeg")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        try:
            for _ in range(64):
                connection.send(chunk)
            connection.send(b"0\r\n\r\n")
        except OSError:  # the server hung up, as it may
            pass
        else:
            assert connection.getresponse().status == 413
        assert ask(f"{address}/livez").status == 200


def test_a_rollback_and_tampering_while_the_server_runs(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    with serve(repository) as (address, _):
        phone = make_remote_phone(address, tmp_path / "phone", key_folder)
        assert Release.from_bytes(phone.read("colours/release.json")).current == "1.1.0"
        wait_until_ready(address)
        set_current("colours", "1.0.0", repository, key_folder)
        assert Release.from_bytes(phone.read("colours/release.json")).current == "1.0.0"
        assert json.load(ask(f"{address}/readyz"))["status"] == "ready"
        (repository / "metadata" / "timestamp.json").write_bytes(b"{")
        assert json.load(ask(f"{address}/readyz"))["status"] == "degraded"
        assert Release.from_bytes(phone.read("colours/release.json")).current == "1.0.0"


def test_a_phone_refuses_a_server_of_another_owner(
    address: str, key_folder: Path, tmp_path: Path
) -> None:
    done = run_command("mobile_assets", "keys", tmp_path / "strange")
    assert done.returncode == 0, done.stderr
    root = (key_folder / "root.json").read_text().replace('"sig": "', '"sig": "00')
    phone = Phone(tmp_path / "phone", root.encode(), f"{address}/metadata/", f"{address}/targets/")
    with pytest.raises(RepositoryError):
        phone.read("colours/release.json")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_cleanly(published: Path, number: signal.Signals) -> None:
    with serve(published) as (address, process):
        assert ask(f"{address}/livez").status == 200
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert "stacktrace" not in process.stderr.read()


def test_an_empty_place_is_told_on_the_console_and_served_all_the_same(tmp_path: Path) -> None:
    with serve(tmp_path / "mistyped") as (address, process):
        assert ask(f"{address}/livez").status == 200
        assert process.stderr is not None
        while not (line := process.stderr.readline()):
            time.sleep(0.02)
        told = json.loads(line)
        assert told["severity"] == "WARNING"
        words = f"not ready, answers 503 until that changes: nothing is published in {tmp_path}"
        assert told["message"].startswith(words)


def test_a_port_in_use_or_a_bad_setting_is_one_line(published: Path, address: str) -> None:
    port = address.rpartition(":")[2]
    taken = run_command("serving", "run", "--repository", published, "--port", port)
    assert taken.returncode == 1
    assert taken.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    threads = run_command("serving", "run", "--repository", published, "--threads", "0")
    assert threads.returncode == 1
    assert threads.stderr == "error: threads is 0: allowed are 1 to 256\n"


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("max 100000", None),
        ("", None),
    ],
)
def test_a_containers_quota_of_processors_is_read(
    tmp_path: Path, text: str, cores: int | None
) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(text)
    assert read_quota(path) == cores
    assert read_quota(tmp_path / "missing") is None
