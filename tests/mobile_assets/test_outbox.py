import json
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError

from mobile_assets.outbox import send_waiting

URL = "https://server/v1/models/fruit/reports"


class Server:
    """Answers with one error after the other, or takes what is sent."""

    def __init__(self, *errors: Exception | None) -> None:
        self._errors, self.took = list(errors), list[Any]()

    def ask(self, url: str, body: Any, max_bytes: int) -> bytes:
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        self.took.append(body)
        return b"{}"


def put(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{number}.json" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def read(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] = json.loads(path.read_text())
    return found if found["mine"] else None


def send(server: Server, waiting: list[Path]) -> tuple[int, list[str]]:
    sent = send_waiting(server, URL, waiting, read)  # type: ignore[arg-type]
    return sent, [path.name for path in waiting if path.exists()]


def test_what_the_server_takes_waits_no_more(tmp_path: Path) -> None:
    server = Server()
    assert send(server, put(tmp_path, '{"mine": 1}', '{"mine": 2}')) == (2, [])
    assert [body["mine"] for body in server.took] == [1, 2]


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
def test_all_wait_while_the_server_cannot_take_them_or_the_key_does_not_count(
    tmp_path: Path, status: int
) -> None:
    waiting = put(tmp_path, '{"mine": 1}', '{"mine": 2}')
    assert send(Server(DownloadHTTPError("no", status)), waiting) == (0, ["0.json", "1.json"])
    assert send(Server(DownloadError("no network")), waiting) == (0, ["0.json", "1.json"])
    assert send(Server(), waiting) == (2, [])


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_is_refused_for_good_is_dropped_and_keeps_nothing_back(
    tmp_path: Path, status: int
) -> None:
    waiting = put(tmp_path, '{"mine": 1}', '{"mine": 2}')
    assert send(Server(DownloadHTTPError("no", status)), waiting) == (1, [])


def test_what_is_damaged_or_not_to_be_sent_is_dropped(tmp_path: Path) -> None:
    server = Server()
    assert send(server, put(tmp_path, "{", "[]", "{}", '{"mine": 0}', '{"mine": 1}')) == (1, [])
    assert server.took == [{"mine": 1}]
