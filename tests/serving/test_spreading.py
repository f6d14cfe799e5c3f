import socket
from typing import Any

import pytest

from serving.spreading import Spreading, should_yield
from serving.worker import BoundedWorker


class Sent:
    """A response as gunicorn makes one."""

    def __init__(self) -> None:
        self.closes, self.status = False, ""

    def force_close(self) -> None:
        self.closes = True

    def start_response(self, status: str, headers: list[Any]) -> Any:
        self.status = status
        return lambda data: None


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


@pytest.mark.parametrize("waiting", [0, 1, 5])
def test_a_connection_ends_only_while_others_wait(waiting: int) -> None:
    sent = Sent()
    assert Spreading(app, lambda: waiting)({}, sent.start_response) == [b"ok"]
    assert sent.closes == bool(waiting)
    assert sent.status == "200 OK"


def test_another_server_than_gunicorn_is_answered_as_ever() -> None:
    statuses: list[str] = []
    Spreading(app, lambda: 1)({}, lambda status, headers: statuses.append(status))
    assert statuses == ["200 OK"]


@pytest.mark.parametrize(("admitted", "expected"), [(0, False), (1, True), (2, True), (3, False)])
def test_who_works_lets_others_go_first_unless_all_are_overrun(
    admitted: int, expected: bool
) -> None:
    assert should_yield(admitted) == expected


def test_a_process_that_works_takes_no_connection_that_an_idle_one_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = BoundedWorker.__new__(BoundedWorker)
    busy.nr_conns, busy.count_admitted = 0, lambda: 1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        taken: list[socket.socket] = []
        # What an idle process does meanwhile.
        monkeypatch.setattr(
            "serving.worker.time.sleep", lambda seconds: taken.append(listener.accept()[0])
        )
        with socket.create_connection(listener.getsockname()):
            busy.accept(listener)
            assert (len(taken), busy.nr_conns) == (1, 0)
            taken[0].close()
