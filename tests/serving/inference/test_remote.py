"""Another server runs the network: a second Ghostlens, and one that is slow, lies or is gone."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from serving.app import create_app
from serving.inference import remote as remote_module
from serving.inference.engine import Engine
from serving.inference.remote import RemoteVersion
from serving.inference.versions import Version
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, PREPROCESS, SIDE_PX, make_photo
from tests.serving.inference.remotes import TENSORS, FakeRemote, serve_remote
from tests.serving.test_server import serve

URL = "/v1/models/colours/recognise"
PHOTOS = {label: make_photo(colour) for label, colour in COLOURS.items()}
FIRST = list(COLOURS)[:2]
NONE_LEFT = "http://127.0.0.1:1"  # nobody listens there


@pytest.fixture
def remote(published: Path) -> FakeRemote:
    folder = published / "targets/colours/1.1.0/artifacts"
    return FakeRemote(next(folder.glob("*.tflite")).read_bytes())


@pytest.fixture
def address(remote: FakeRemote) -> Iterator[str]:
    with serve_remote(remote) as address:
        yield address


def make_client(published: Path, url: str, **settings: Any) -> FlaskClient:
    return create_app(Settings(published, remote_url=url, **settings)).test_client()


def recognise(client: FlaskClient, label: str = "red") -> Any:
    return client.post(URL, data=PHOTOS[label], content_type="image/jpeg")


def list_local(client: FlaskClient) -> list[tuple[str, str]]:
    versions = client.application.extensions["ghostlens"].engine.versions
    return versions._local.list_loaded()


def infer(client: FlaskClient) -> dict[str, Any]:
    x_nhwc = np.stack([PREPROCESS.read(photo) for photo in PHOTOS.values()])
    image = {"name": "image", "datatype": "UINT8", "shape": list(x_nhwc.shape)}
    body = {"inputs": [image | {"data": x_nhwc.ravel().tolist()}]}
    found = client.post("/v2/models/colours/infer", json=body).json
    return {output["name"]: output["data"] for output in found["outputs"]}


def test_a_second_ghostlens_gives_the_same_names_verdicts_and_numbers(
    published: Path, client: FlaskClient
) -> None:
    with serve(published) as (address, _):
        through = make_client(published, address, remote_fallback=0)
        for label in COLOURS:
            here, there = recognise(client, label).json, recognise(through, label).json
            assert {**here, "timings_ms": {}} == {**there, "timings_ms": {}}
        assert infer(through) == infer(client)
        assert through.get("/v2/models/colours/ready").status_code == 200
        assert list_local(through) == []


def test_a_remote_that_serves_each_version_under_a_name_of_its_own(
    published: Path, remote: FakeRemote, address: str
) -> None:
    def rename(answer: dict[str, Any]) -> None:
        answer["model_name"], answer["model_version"] = "colours-1.1.0", "1"

    remote.change = rename
    client = make_client(published, f"{address}/v2/models/{{model}}-{{version}}", remote_fallback=0)
    assert recognise(client).json["version"] == "1.1.0"


def test_a_key_is_sent_and_stands_in_no_text_of_the_settings(
    published: Path, remote: FakeRemote, address: str
) -> None:
    settings = Settings(published, remote_url=address, remote_key="gl_secret")
    assert recognise(create_app(settings).test_client()).status_code == 200
    assert set(remote.keys) == {"Bearer gl_secret"}
    assert "gl_secret" not in repr(settings)


def test_a_model_that_the_remote_has_not_is_answered_here(
    published: Path, remote: FakeRemote, address: str
) -> None:
    client = make_client(published, address, remote_models=("plums",))
    assert recognise(client).status_code == 200
    assert remote.asked == 0


def answer_evenly(answer: dict[str, Any]) -> None:
    answer["outputs"][0]["data"] = [1 / 3] * len(answer["outputs"][0]["data"])


def test_a_remote_with_another_network_is_never_believed(
    published: Path, remote: FakeRemote, address: str
) -> None:
    remote.change = answer_evenly
    alone = make_client(published, address, remote_fallback=0)
    refused = recognise(alone)
    assert (refused.status_code, refused.json["type"]) == (503, "/docs#remote")
    assert "is not the release's" in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) > 30
    backed = make_client(published, address)
    assert recognise(backed, "green").json["answers"][0]["label"] == "green"
    assert "is not the release's" in backed.get("/readyz").json["problems"][0]


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"inputs": []},
        {"inputs": [{**TENSORS["inputs"][0], "shape": [-1, 3, SIDE_PX, SIDE_PX]}]},
        {"outputs": [{**TENSORS["outputs"][0], "shape": [-1, 4]}, TENSORS["outputs"][1]]},
    ],
)
def test_a_remote_that_takes_or_gives_other_tensors_is_refused(
    published: Path, remote: FakeRemote, address: str, tensors: dict[str, Any]
) -> None:
    remote.tensors = TENSORS | tensors if tensors else {}
    assert recognise(make_client(published, address, remote_fallback=0)).status_code == 503
    assert remote.asked == 0


def test_a_remote_that_takes_one_photo_at_a_time_is_asked_so(
    published: Path, remote: FakeRemote, address: str, client: FlaskClient
) -> None:
    one = {**TENSORS["inputs"][0], "shape": [1, SIDE_PX, SIDE_PX, 3]}
    remote.tensors = TENSORS | {"inputs": [one]}
    through = make_client(published, address, remote_fallback=0)
    assert recognise(through).status_code == 200
    before = remote.asked
    assert infer(through) == infer(client)
    assert remote.asked - before == 3


def set_output(index: int, **values: object) -> Callable[[dict[str, Any]], None]:
    return lambda answer: answer["outputs"][index].update(values)


LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another model": lambda answer: answer.update(model_name="plums"),
    "another version": lambda answer: answer.update(model_version="1.0.0"),
    "no outputs": lambda answer: answer.update(outputs=[]),
    "outputs of no kind": lambda answer: answer.update(outputs=[7, {"name": 3}]),
    "no number": set_output(0, data=[float("nan"), 0.5, 0.5]),
    "negative": set_output(0, data=[-1.0, 1.0, 1.0]),
    "no probabilities": set_output(0, data=[0.9, 0.9, 0.9]),
    "too few": set_output(0, data=[1.0]),
    "too many": set_output(0, data=[0.5, 0.25, 0.25, 0.0]),
    "a shape that lies": set_output(0, shape=[1, 4]),
    "texts": set_output(0, data=["a", "b", "c"]),
    "an endless score": set_output(1, data=[float("inf")]),
    "bytes that are not there": set_output(0, parameters={"binary_data_size": 12}),
}


def send_status(status: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send_error(status)


def send_raw(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.wfile.write(data) and None


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "
FAULTS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "an error": send_status(500),
    "too busy": send_status(503),
    "not found": send_status(404),
    "elsewhere": send_raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
    "nothing": lambda handler: None,
    "no HTTP": send_raw(b"\x00\x01\x02" * 100),
    "no JSON": send_raw(HEAD + b"3\r\n\r\nabc"),
    "half": send_raw(HEAD + b"900\r\n\r\n{"),
    "deep": send_raw(HEAD + b"100000\r\n\r\n" + b"[" * 100_000),
    "a head that lies": send_raw(HEAD + b"2\r\nInference-Header-Content-Length: x\r\n\r\n{}"),
    "a head without an end": send_raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000),
    "too long": send_raw(HEAD + b"9000000\r\n\r\n" + bytes(9_000_000)),
}


def test_whatever_the_remote_sends_is_503_or_answered_here(
    published: Path, remote: FakeRemote, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "_FAILURES", 1000)
    alone = make_client(published, address, remote_fallback=0)
    backed = make_client(published, address)
    assert recognise(alone).status_code == recognise(backed).status_code == 200
    for name, change, behave in [
        *((name, lie, None) for name, lie in LIES.items()),
        *((name, None, fault) for name, fault in FAULTS.items()),
    ]:
        remote.change, remote.behave = change, behave
        refused = recognise(alone)
        assert (refused.status_code, refused.json["type"]) == (503, "/docs#remote"), name
        assert int(refused.headers["Retry-After"]) >= 1
        assert recognise(backed, "blue").json["answers"][0]["label"] == "blue", name
    remote.change = remote.behave = None
    assert recognise(alone, "green").json["answers"][0]["label"] == "green"


def drip(remote: FakeRemote, part: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Sends a byte now and then, each in time, and never comes to an end."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(part)
            while not remote.closing.wait(0.2):
                handler.wfile.write(b"x")

    return behave


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD + b"9999\r\n\r\n{"])
def test_a_remote_that_drips_does_not_hold_anybody_for_ever(
    published: Path, remote: FakeRemote, address: str, part: bytes
) -> None:
    client = make_client(published, address, remote_wait_s=1)
    assert recognise(client).status_code == 200
    assert list_local(client) == []
    remote.behave = drip(remote, part)
    assert recognise(client, "green").json["answers"][0]["label"] == "green"
    assert list_local(client) == [("colours", "1.1.0")]


def test_a_client_that_allows_less_time_is_refused_in_time_and_it_is_not_held_against_the_remote(
    published: Path, remote: FakeRemote, address: str
) -> None:
    client = make_client(published, address, remote_wait_s=5)
    assert recognise(client).status_code == 200
    remote.behave = lambda handler: remote.closing.wait() and None
    x_nhwc = np.zeros((1, SIDE_PX, SIDE_PX, 3))
    image = {"name": "image", "datatype": "UINT8", "shape": list(x_nhwc.shape)}
    body = {
        "inputs": [image | {"data": x_nhwc.astype(int).ravel().tolist()}],
        "parameters": {"timeout": 300_000},
    }
    for _ in range(3):
        response = client.post("/v2/models/colours/infer", json=body)
        assert (response.status_code, response.json["type"]) == (503, "/docs#busy")
    assert ("colours", "1.1.0") in client.application.extensions[
        "ghostlens"
    ].engine.versions._entries
    assert client.get("/readyz").json["problems"] == []


def wait_until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_remote_that_fails_is_left_alone_and_asked_again_once_it_is_well(
    published: Path, remote: FakeRemote, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "_PAUSE_S", 0.2)
    client = make_client(published, address)
    assert recognise(client).status_code == 200
    remote.behave = send_status(500)
    for _ in range(4):
        assert recognise(client).status_code == 200
    assert "it answers 500" in client.get("/readyz").json["problems"][0]
    remote.behave = None

    def is_back() -> bool:
        before = remote.asked
        assert recognise(client).status_code == 200
        return remote.asked > before

    wait_until(is_back)
    wait_until(lambda: client.get("/readyz").json["problems"] == [])


def test_requests_from_before_a_pause_count_nothing_against_a_remote_that_is_well_again(
    published: Path, remote: FakeRemote, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "_PAUSE_S", 0)
    client = make_client(published, address)
    engine = client.application.extensions["ghostlens"].engine
    before = engine.versions.find("colours", "1.1.0")
    fail_thrice(engine, remote, before)
    assert "it answers 500" in engine.find_problems({"colours": "1.1.0"})[0]
    wait_until(lambda: isinstance(engine.versions.find("colours", "1.1.0"), RemoteVersion))
    after = engine.versions.find("colours", "1.1.0")
    fail_thrice(engine, remote, before)  # they waited for their answers all the time
    assert after is not before
    assert engine.versions.find("colours", "1.1.0") is after
    assert engine.find_problems({"colours": "1.1.0"}) == []


def fail_thrice(engine: Engine, remote: FakeRemote, version: Version) -> None:
    remote.behave = send_status(500)
    for _ in range(3):
        with engine.admit(lambda: False) as ticket, ticket.take_place():
            version.answer(ticket, np.zeros((1, SIDE_PX, SIDE_PX, 3), np.uint8))
    remote.behave = None


def test_a_remote_that_is_not_there_at_all(published: Path) -> None:
    assert recognise(make_client(published, NONE_LEFT)).status_code == 200
    refused = recognise(make_client(published, NONE_LEFT, remote_fallback=0))
    assert (refused.status_code, refused.json["type"]) == (503, "/docs#remote")
    assert 1 <= int(refused.headers["Retry-After"]) <= 10


def test_while_the_remote_works_the_place_goes_to_the_next_photo(
    published: Path, remote: FakeRemote, address: str
) -> None:
    client = make_client(published, address, remote_fallback=0, recognise_at_once=1)
    assert recognise(client).status_code == 200
    both = threading.Barrier(2, timeout=30)
    remote.change = lambda answer: both.wait() and None
    app = client.application
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda label: recognise(app.test_client(), label).json, FIRST))
    assert [entry["answers"][0]["label"] for entry in found] == FIRST
