from email.utils import formatdate
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from serving.answering import JoinedResponse, show_date


class Connection:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)


def answer(parts: list[bytes], *headers: tuple[str, str], method: str = "GET") -> list[bytes]:
    connection = Connection()
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    response = JoinedResponse(request, connection, Config())
    response.start_response("200 OK", list(headers))
    for part in parts:
        response.write(part)
    response.close()
    return connection.sent


def test_a_short_answer_is_sent_at_once() -> None:
    (sent,) = answer([b"photo"], ("Content-Length", "5"))
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\nphoto")


def test_parts_follow_in_their_order() -> None:
    first, *others = answer([b"one", b"two", b"three"], ("Content-Length", "11"))
    assert first.endswith(b"\r\n\r\none")
    assert others == [b"two", b"three"]


def test_what_has_no_length_is_sent_in_chunks() -> None:
    first, *others = answer([b"photo", b"s"])
    assert first.endswith(b"\r\n\r\n5\r\nphoto\r\n")
    assert b"".join(others) == b"1\r\ns\r\n0\r\n\r\n"


def test_a_long_part_is_not_copied() -> None:
    part = bytes(1 << 20)
    head, sent = answer([part], ("Content-Length", str(len(part))))
    assert head.endswith(b"\r\n\r\n")
    assert sent is part


@pytest.mark.parametrize(("parts", "method"), [([], "GET"), ([b""], "GET"), ([b"1"], "HEAD")])
def test_an_answer_without_a_body_is_its_head(parts: list[bytes], method: str) -> None:
    length = str(len(b"".join(parts)))
    (sent,) = answer(parts, ("Content-Length", length), method=method)
    assert sent.endswith(b"\r\n\r\n")


def test_what_is_no_bytes_is_refused() -> None:
    with pytest.raises(TypeError):
        answer(["text"], ("Content-Length", "4"))


@pytest.mark.parametrize("at_s", [0, 1_700_000_000, 1_700_000_000.9])
def test_dates_are_written_as_before(at_s: float) -> None:
    assert show_date(at_s) == formatdate(at_s, usegmt=True)
