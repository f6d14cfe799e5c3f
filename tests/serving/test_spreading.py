"""Connections go to the process that has least to do, and none is lost on the way."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from serving.spreading import Spreading
from serving.worker import BoundedWorker
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.inference.test_overload import connect, list_children, send_head
from tests.serving.test_server import ask, serve, wait_until_ready

RED = make_photo(COLOURS["red"])
PATH = "/v1/models/colours/recognise"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=10)
        theirs, _ = listener.accept()
        with ours, theirs:
            yield ours, theirs


@contextmanager
def make_worker(spreading: Spreading) -> Iterator[BoundedWorker]:
    """Makes the process of slot 0, as the first process does before it forks."""
    app = SimpleNamespace(spreading=spreading)
    worker = BoundedWorker(1, os.getpid(), [], app, 1, Config(), None)
    worker.slot = 0
    worker.method_queue.init()
    try:
        yield worker
    finally:
        worker.method_queue.close()
        worker.tmp.close()


def test_who_has_least_to_do_is_found_where_that_is_less_than_ones_own() -> None:
    spreading = Spreading(4)
    assert spreading.find_idler(5) is None  # there is nobody yet
    for slot, load in enumerate((3, 1, 2)):
        spreading.note(slot, load)
    assert [spreading.find_idler(load) for load in (3, 2, 1, 0)] == [1, 1, None, None]
    spreading.leave(1)
    assert [spreading.find_idler(load) for load in (3, 2)] == [2, None]


def test_a_process_without_a_place_takes_part_in_nothing() -> None:
    spreading = Spreading(2)
    spreading.note(2, 0)
    spreading.forget(2)
    assert spreading.find_box(2) is None
    assert spreading.find_idler(9) is None


def test_a_process_that_is_stopped_while_it_counts_is_handed_nothing() -> None:
    class Stopping(Spreading):
        def note(self, slot: int, load: int) -> None:
            worker.handle_exit(signal.SIGTERM, None)
            super().note(slot, load)

    spreading = Stopping(1)
    with make_worker(spreading) as worker:
        worker.note_ready()
    assert spreading.find_idler(9) is None


def test_a_process_that_has_no_model_yet_is_handed_nothing_that_others_have_time_for() -> None:
    spreading = Spreading(2)
    spreading.note(1, 5)
    with make_worker(spreading) as worker:
        worker._count_photos(0)
        assert [spreading.find_idler(load) for load in (9, 5)] == [1, None]
        assert spreading.find_idler(worker._photos) == 1
        worker.note_ready()
        assert [spreading.find_idler(load) for load in (9, 5)] == [0, 0]
        assert spreading.find_idler(worker._photos) is None


def test_a_connection_that_is_handed_over_is_the_same_one(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    spreading = Spreading(2)
    ours.sendall(b"sent before")
    assert spreading.hand(theirs, 1)
    theirs.close()
    taken = spreading.take(1)
    assert taken is not None
    with taken:
        assert taken.recv(100) == b"sent before"
        taken.sendall(b"answered")
    assert ours.recv(100) == b"answered"
    assert spreading.take(1) is None


def test_what_a_dead_process_had_not_taken_goes_to_another(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    spreading = Spreading(2)
    spreading.note(0, 7)
    spreading.note(1, 0)
    assert spreading.hand(theirs, 1)
    theirs.close()
    spreading.forget(1)
    taken = spreading.take(0)
    assert taken is not None
    with taken:
        assert taken.getpeername() == ours.getsockname()


def test_a_process_that_died_last_finds_it_when_it_begins_anew(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    spreading = Spreading(1)
    assert spreading.hand(pair[1], 0)
    spreading.forget(0)
    taken = spreading.take(0)
    assert taken is not None
    taken.close()


def test_who_cannot_be_handed_more_is_handed_nothing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    spreading = Spreading(1)
    handed = 0
    while spreading.hand(pair[1], 0):
        handed += 1
    assert handed > 0
    for _ in range(handed):
        taken = spreading.take(0)
        assert taken is not None
        taken.close()


class Server:
    """A server of two processes, and which of them answered."""

    def __init__(self, address: str, process: "subprocess.Popen[str]") -> None:
        self.address, self._process = address, process

    def list_workers(self) -> list[int]:
        return list_children(self._process.pid)

    def read_answering(self, count: int) -> list[int]:
        """Returns the processes that answered the next requests for photos."""
        found: list[int] = []
        while len(found) < count:
            line = self._read_line()
            if PATH in line:
                found.append(json.loads(line)["process.pid"])
        return found

    def _read_line(self) -> str:
        assert self._process.stderr is not None
        line = ""
        while not line.endswith("\n"):  # it is written meanwhile
            line += self._process.stderr.readline()
            time.sleep(0 if line else 0.01)
        return line

    def wait_for_admitted(self, count: int) -> None:
        while f"ghostlens_recognise_admitted {count}.0\n" not in self._read_metrics():
            time.sleep(0.01)

    def _read_metrics(self) -> str:
        return ask(f"{self.address}/metrics").read().decode()


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[Server]:
    with serve(published, "--workers", "2") as (address, process):
        wait_until_ready(address)
        found = Server(address, process)
        while "ghostlens_workers_ready 2.0\n" not in found._read_metrics():
            time.sleep(0.05)
        yield found


class Client:
    """Asks over one connection, which has to stay open."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.address[7:], timeout=60)
        self._connection.connect()
        self._socket = self._connection.sock

    def recognise(self) -> None:
        self._connection.request("POST", PATH, RED, {"Content-Type": "image/jpeg"})
        answer = self._connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        assert self._connection.sock is self._socket


class Waiting:
    """A request whose body is held back: it keeps its process busy."""

    def __init__(self, server: Server, others: int = 0) -> None:
        self._server = server
        self._connection = connect(server.address)
        send_head(self._connection, len(RED))
        server.wait_for_admitted(others + 1)

    def finish(self) -> int:
        """Sends the body; returns the process that answered."""
        with self._connection:
            self._connection.sendall(RED)
            assert self._connection.recv(16).startswith(b"HTTP/1.1 200")
            [pid] = self._server.read_answering(1)
        return pid


def test_a_kept_connection_asks_whichever_process_has_nothing_to_do(server: Server) -> None:
    clients = [Client(server) for _ in range(3)]

    def ask_all() -> set[int]:
        for client in clients:
            client.recognise()
        return set(server.read_answering(len(clients)))

    def settle_at(pid: int) -> bool:
        # A process says that it has less to do a moment after the answer is out.
        return any(ask_all() == {pid} for _ in range(50))

    waiting = Waiting(server)
    at = [pid for pid in server.list_workers() if settle_at(pid)]
    busy = waiting.finish()
    assert at == [pid for pid in server.list_workers() if pid != busy]
    # Now they lie with the process that was idle; make that one busy, and the other one not.
    while True:
        first = Waiting(server)
        second = Waiting(server, others=1)
        if first.finish() == busy:
            break
        second.finish()
    assert settle_at(busy)
    assert [second.finish()] == at


def test_requests_that_wait_at_once_stand_in_different_processes(server: Server) -> None:
    first = Waiting(server)
    second = Waiting(server, others=1)
    assert {first.finish(), second.finish()} == set(server.list_workers())


def test_who_comes_while_the_server_stops_is_refused_and_not_kept_waiting(
    published: Path,
) -> None:
    with serve(published, "--workers", "2") as (address, process):
        wait_until_ready(address)
        server = Server(address, process)
        kept = Client(server)
        kept.recognise()
        waiting = Waiting(server)
        process.terminate()
        end_s = time.monotonic() + 60
        while is_listening(address):
            assert time.monotonic() < end_s
            time.sleep(0.01)
        assert process.poll() is None  # it still waits for the body
        waiting.finish()
        assert process.wait(60) == 0


def is_listening(address: str) -> bool:
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # in the very moment of the end
        return True
    return True


def test_a_connection_outlives_the_death_of_processes_that_it_is_not_with(server: Server) -> None:
    client = Client(server)
    client.recognise()
    [holding] = server.read_answering(1)
    [other] = [pid for pid in server.list_workers() if pid != holding]
    os.kill(other, signal.SIGKILL)
    while other in server.list_workers():
        time.sleep(0.01)
    waiting = Waiting(server)
    client.recognise()
    waiting.finish()
