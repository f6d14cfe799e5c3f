import gzip
import http.client
import re
import socket
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BodyLengthError, MediaTypeError, RequestError
from serving.inference.bodies import inflate
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.test_server import ask, serve

RED = make_photo(COLOURS["red"])
RECOGNISE = "/v1/models/colours/recognise"


def compress_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "DEFLATE ": compress_raw}


@given(st.binary(max_size=300), st.sampled_from(sorted(CODERS)))
def test_what_was_compressed_comes_back(data: bytes, coding: str) -> None:
    assert inflate(CODERS[coding](data), coding, 300) == data


def test_what_was_not_compressed_stays() -> None:
    assert inflate(b"\x1f\x8b", "", 1) == b"\x1f\x8b"
    assert inflate(b"abc", "identity", 3) == b"abc"


def test_a_gzip_body_of_several_members_is_their_sum() -> None:
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", 100) == b"one two"


@pytest.mark.parametrize("coding", sorted(CODERS))
def test_a_bomb_is_refused_without_being_inflated(coding: str) -> None:
    bomb = CODERS[coding](bytes(20_000_000))
    assert len(bomb) < 30_000
    with pytest.raises(BodyLengthError, match="allowed are 1000 bytes"):
        inflate(bomb, coding, 1000)


def test_many_small_members_count_together() -> None:
    with pytest.raises(BodyLengthError):
        inflate(gzip.compress(bytes(10)) * 11, "gzip", 100)


@pytest.mark.parametrize(
    ("data", "coding", "error"),
    [
        (gzip.compress(b"a photo")[:-1], "gzip", RequestError),
        (b"", "gzip", RequestError),
        (zlib.compress(b"a photo") + b"more", "deflate", RequestError),
        (gzip.compress(b"a photo") + b"more", "gzip", RequestError),
        (zlib.compress(b"a photo"), "gzip", RequestError),
        (b"a photo", "br", MediaTypeError),
        (b"a photo", "gzip, gzip", MediaTypeError),
    ],
)
def test_what_is_damaged_or_of_another_coding_is_refused(
    data: bytes, coding: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        inflate(data, coding, 100)


def send_head(connection: socket.socket, length: int) -> None:
    head = f"POST {RECOGNISE} HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())


def test_slow_senders_and_clients_that_hang_up_do_not_keep_others_from_answers(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"GHOSTLENS_RECEIVE_WAIT_S": "1", "GHOSTLENS_RECOGNISE_QUEUE": "1"}
    monkeypatch.setattr("tests.serving.test_server.clean_environment", add(environment))
    with serve(published) as (address, _):
        place = re.sub("http://", "", address).split(":")
        with socket.create_connection((place[0], int(place[1])), timeout=60) as slow:
            send_head(slow, 10_000)
            deadline_s = time.monotonic() + 60
            slow.settimeout(0.2)
            received = b""
            while not received and time.monotonic() < deadline_s:
                try:
                    slow.sendall(b"x")  # drips: no time between two bytes is long
                    received = slow.recv(10_000)
                except TimeoutError:
                    continue
            assert received.startswith(b"HTTP/1.1 408")
            assert b"slow-body" in received
        for _ in range(5):
            with socket.create_connection((place[0], int(place[1])), timeout=60) as gone:
                send_head(gone, len(RED))
                gone.sendall(RED)
        answer = ask_patiently(f"{address}{RECOGNISE}")
        assert answer.status == 200


def add(environment: dict[str, str]) -> object:
    from tests.serving.test_server import clean_environment

    return lambda: clean_environment() | environment


def ask_patiently(url: str) -> http.client.HTTPResponse:
    """Asks again where the line is full, as a client should."""
    for _ in range(100):
        try:
            return ask(url, RED, Content_Type="image/jpeg")
        except OSError as error:
            assert getattr(error, "code", 0) == 503
            time.sleep(0.1)
    raise AssertionError("the line never became free")
