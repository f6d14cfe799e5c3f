"""A server process of two workers where everything needs a key, asked as clients do."""

import contextlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device
from mobile_assets.errors import PullError
from serving.access.keys import Wish, create_key, list_keys, revoke_key
from serving.access.ring import FRESH_S
from serving.access.tokens import make_token, read_id
from serving.state.database import Database
from tests.conftest import run_command
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.access import nginx
from tests.serving.test_server import clean_environment

PHOTO = make_photo(COLOURS["red"])
RECOGNISE = "/v1/models/colours/recognise"


@dataclass(frozen=True)
class Guarded:
    """A running server, its database, and the file that it writes to."""

    address: str
    database: Database
    output: Path

    def make_key(self, name: str, *scopes: str, **wish: object) -> str:
        found = Wish(name, frozenset(scopes), **wish)  # type: ignore[arg-type]
        return create_key(self.database, found, "ann", time.time_ns() // 1_000_000)


@pytest.fixture(scope="module")
def server(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    environment = clean_environment() | {
        "GHOSTLENS_STATE": str(folder / "state"),
        "GHOSTLENS_PUBLIC_SCOPES": "",
        "GHOSTLENS_PROXIES": "1",
        "GHOSTLENS_KEY_LIMITS": "observe=none, recognise=20/minute",
        "PYTHONDEVMODE": "1",
    }
    command = [sys.executable, "-m", "serving", "run", "--repository", str(published)]
    command += ["--port", "0", "--workers", "2", "--threads", "20"]
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        yield Guarded(wait_for_address(output, process), Database(folder / "state"), output)
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for_address(output: Path, process: subprocess.Popen[bytes]) -> str:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and process.poll() is None:
        found = re.search(r"http://[0-9.]+:[0-9]+", output.read_text())
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(output.read_text())


def ask(url: str, token: str | None, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    own = {"Content-Type": "image/jpeg"} | {x.replace("_", "-"): y for x, y in headers.items()}
    if token is not None:
        own["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, own), timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_phone_pulls_updates_and_reports_with_its_key_alone(
    server: Guarded, key_folder: Path, tmp_path: Path
) -> None:
    root = (key_folder / "root.json").read_bytes()
    token = server.make_key("phones", "pull", "report")
    with pytest.raises(PullError):
        BundleClient(tmp_path / "without", server.address, root).pull("colours", "android")
    client = BundleClient(tmp_path / "phone", server.address, root, api_key=token)
    assert client.pull("colours", "android").model.manifest.version == "1.1.0"
    again = client.update("colours", Device("android"))
    assert again.check.decision.code == "up-to-date"
    fresh = BundleClient(tmp_path / "fresh", server.address, root, api_key=token)
    assert fresh.update("colours", Device("android", device_id="phone-1")).pull is not None


def test_the_commands_take_the_key_from_a_file_and_never_show_it(
    server: Guarded, key_folder: Path, tmp_path: Path
) -> None:
    token, root = server.make_key("command", "pull", "report"), key_folder / "root.json"
    file = tmp_path / "key"
    arguments = ["mobile_assets", "pull", "colours", "--url", server.address, "--root", root]
    arguments += ["--platform", "android", "--out", tmp_path / "phone", "--api-key-file", file]
    file.write_text(f"{make_token('till0000')}\n")
    refused = run_command(*arguments)
    assert refused.returncode == 1
    assert "401" in refused.stderr and "till0000" not in refused.stderr
    file.write_text(f"{token}\n")
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    assert token[13:] not in done.stdout + done.stderr


def test_nvidias_client_sends_the_key_as_a_header(server: Guarded) -> None:
    headers = {"Authorization": f"Bearer {server.make_key('triton', 'recognise')}"}
    photo = triton.InferInput("photo", [1], "BYTES")
    photo.set_data_from_numpy(np.array([PHOTO], dtype=np.object_))
    with triton.InferenceServerClient(server.address.removeprefix("http://")) as client:
        assert client.is_server_ready()
        answer = client.infer("colours", [photo], headers=headers)
        assert answer.as_numpy("label").tolist() == [b"red"]


def test_the_body_of_somebody_without_a_key_is_not_read(server: Guarded) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST {RECOGNISE} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
        connection.sendall(f"{head}Content-Length: 30000000\r\n\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 401")


def test_limits_hold_across_workers(server: Guarded) -> None:
    token = server.make_key("busy", "recognise", photos_a_day=12)
    url = f"{server.address}/v2/models/colours"
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: ask(url, token)[0], range(30)))
    assert statuses == {200: 20, 429: 10}
    daily = server.make_key("daily", "recognise", photos_a_day=5)
    with ThreadPoolExecutor(4) as pool:
        statuses = Counter(
            pool.map(lambda _: ask(server.address + RECOGNISE, daily, PHOTO)[0], range(12))
        )
    assert statuses == {200: 5, 429: 7}


def test_a_revoked_key_stops_in_all_workers(server: Guarded) -> None:
    token = server.make_key("lost", "observe", "pull")
    url = f"{server.address}/v1/models"
    assert {ask(url, token)[0] for _ in range(20)} == {200}
    revoke_key(server.database, str(read_id(token)), "lost", "ann", time.time_ns() // 1_000_000)
    time.sleep(FRESH_S)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ask(url, token)[0], range(20))) == {401}


def test_no_key_stands_in_logs_problems_or_the_database(server: Guarded) -> None:
    token = server.make_key("secret", "pull", "recognise")
    said = [
        ask(f"{server.address}/v1/models?key={token}", token),
        ask(f"{server.address}/v1/models/{token}", token),
        ask(f"{server.address}/nowhere/{token}", token),
        ask(f"{server.address}/v1/models/colours/check", token, token.encode()),
        ask(f"{server.address}/v1/models", token + "x"),
        ask(f"{server.address}/v1/models", token, X_Request_ID=token),
        ask(server.address + RECOGNISE, token, PHOTO),
    ]
    assert [status for status, _ in said[:3]] == [422, 422, 404]
    for _, body in said:
        assert token[13:] not in body
    assert token[13:] not in server.output.read_text()
    for file in server.database.place.path.parent.iterdir():  # type: ignore[union-attr]
        assert token[13:].encode() not in file.read_bytes()
    assert "secret" in {stored.key.name for stored in list_keys(server.database)}


@pytest.mark.skipif(nginx.PROGRAM is None, reason="no nginx here: its example stays untried")
def test_behind_nginx_clients_are_told_apart_and_cannot_claim_to_be_others(
    server: Guarded, tmp_path: Path
) -> None:
    context = ssl.create_default_context()
    with nginx.serve_nginx(tmp_path, server.address.removeprefix("http://")) as port:
        context.load_verify_locations(tmp_path / f"{nginx.NAME}.pem")
        context.check_hostname = False

        def send(
            path: str, data: bytes | None = None, **headers: str
        ) -> tuple[int, dict[str, str]]:
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
            with contextlib.closing(connection):
                own = {name.replace("_", "-"): text for name, text in headers.items()}
                connection.request("POST" if data else "GET", path, data, own)
                response = connection.getresponse()
                body = response.read()
                found = dict(response.getheaders())
                return response.status, found | {"body": body.decode(errors="replace")}

        token = server.make_key("proxied", "pull", "recognise")
        key = {"Authorization": f"Bearer {token}", "Content_Type": "image/jpeg"}
        status, answer = send(RECOGNISE, PHOTO, **key)
        assert (status, json.loads(answer["body"])["answers"][0]["label"]) == (200, "red")
        assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])
        assert send(RECOGNISE, bytes((32 << 20) + 1), **key)[0] == 413
        # Each claims to be another client; all are counted as the one that nginx saw.
        wrong = {"Authorization": f"Bearer {make_token('till0000')}"}
        statuses = Counter(
            send("/v1/models", X_Forwarded_For=f"198.51.100.{number}", **wrong)[0]
            for number in range(62)
        )
        assert statuses[429] >= 2 and statuses[401] <= 60
        assert send("/v1/models", X_Forwarded_For="127.0.0.1", Host="localhost")[0] in (401, 429)
        log = (tmp_path / "ghostlens.log").read_text()
        assert answer["X-Request-ID"] in log and token[13:] not in log
