"""Clients that are slow, gone, or too many, against a server process of a short line."""

import resource
import socket
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving import test_server
from tests.serving.test_server import ask, clean_environment, serve

RED = make_photo(COLOURS["red"])
THREADS = Settings.threads
CROWD = 2000
MAX_WORKER_MB = 250
URL = "/v1/models/colours/recognise"


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[tuple[str, int]]:
    settings = {"GHOSTLENS_RECEIVE_WAIT_S": "1", "GHOSTLENS_RECOGNISE_QUEUE": "2"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
        with serve(published) as (address, process):
            yield address, process.pid


@pytest.fixture(scope="module")
def address(server: tuple[str, int]) -> str:
    return server[0]


def connect(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def send_head(connection: socket.socket, length: int) -> None:
    head = f"POST {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())


def ask_patiently(address: str) -> int:
    """Asks again where the line is full, as a client should; returns how often it was."""
    for refused in range(200):
        try:
            assert ask(address + URL, RED, Content_Type="image/jpeg").status == 200
            return refused
        except urllib.error.HTTPError as error:
            assert error.code == 503
            assert 1 <= int(error.headers["Retry-After"]) <= 10
            time.sleep(0.1)
    raise AssertionError("the line never became free")


def test_a_sender_that_drips_is_cut_off_and_told_so(address: str) -> None:
    with connect(address) as slow:
        send_head(slow, 10_000)
        slow.settimeout(0.2)
        end_s, received = time.monotonic() + 60, b""
        while b"slow-body" not in received and time.monotonic() < end_s:
            try:
                if not received:
                    slow.sendall(b"x")  # no time between two bytes is long
                if not (part := slow.recv(10_000)):
                    break
                received += part
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")
    assert b"slow-body" in received
    ask_patiently(address)


def test_heads_that_drip_hold_no_thread_for_ever(address: str) -> None:
    lines = [connect(address) for _ in range(THREADS)]
    for line in lines:
        line.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
    end_s, closed = time.monotonic() + 60, 0
    for line in lines:
        with line:
            line.settimeout(0.1)
            while time.monotonic() < end_s:
                try:
                    line.sendall(b"x")  # no time between two bytes is long
                    assert line.recv(1) == b""
                except TimeoutError:
                    continue
                except OSError:
                    pass
                closed += 1
                break
    assert closed == THREADS
    assert ask(address + "/livez").status == 200


def test_clients_that_hang_up_leave_the_line_to_others(address: str) -> None:
    for sent in (RED, RED[:100]) * 3:
        with connect(address) as gone:
            send_head(gone, len(RED))
            gone.sendall(sent)
    ask_patiently(address)


def test_of_too_many_all_are_answered_or_refused_and_then_the_next_is_served(address: str) -> None:
    with ThreadPoolExecutor(40) as pool:
        refused = sum(pool.map(lambda _: ask_patiently(address), range(80)))
    assert refused > 0
    assert ask(address + "/livez").status == 200


@pytest.fixture
def many_sockets() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], CROWD + 500), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_sockets")
def test_a_crowd_at_the_same_moment_is_answered_or_refused_within_bounds(
    server: tuple[str, int],
) -> None:
    address, pid = server
    head = f"POST {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
    whole = f"{head}Content-Length: {len(RED)}\r\nConnection: close\r\n\r\n".encode() + RED
    # None closes its side before all are read: a server that waits for that never gets done.
    lines = []
    for _ in range(CROWD):
        lines.append(connect(address))
        lines[-1].sendall(whole)
    heads = [read_all(line).partition(b"\r\n\r\n")[0] for line in lines]
    statuses = Counter(head[9:12] for head in heads)
    assert set(statuses) <= {b"200", b"503"}
    assert statuses[b"200"] and statuses[b"503"]
    assert all(b"Retry-After: " in head for head in heads if head[9:12] == b"503")
    ask_patiently(address)
    assert max(map(read_peak_mb, list_children(pid))) < MAX_WORKER_MB


def read_all(line: socket.socket) -> bytes:
    parts = []
    with line:
        while part := line.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def list_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def read_peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
