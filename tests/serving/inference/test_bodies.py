import errno
import fcntl
import gzip
import resource
import socket
import zlib
from collections.abc import Iterator

import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BodyLengthError, MediaTypeError, RequestError, SlowBodyError
from serving.inference.bodies import inflate, receiving, watch_client


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
        (gzip.compress(b"a photo", mtime=0)[:-1], "gzip", RequestError),
        (b"", "gzip", RequestError),
        (zlib.compress(b"a photo") + b"more", "deflate", RequestError),
        (gzip.compress(b"a photo", mtime=0) + b"more", "gzip", RequestError),
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


MANY_FILES = 1500  # more than select(2) can look at


@pytest.fixture
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2 * MANY_FILES), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("least", [0, MANY_FILES])
@pytest.mark.usefixtures("many_files")
def test_a_client_is_gone_once_it_closed_its_connection(least: int) -> None:
    here, there = socket.socketpair()
    connection = socket.socket(fileno=fcntl.fcntl(here, fcntl.F_DUPFD, least))
    here.close()
    with connection, there:
        environment = {"gunicorn.socket": connection}
        with Flask("any").test_request_context("/", environ_base=environment):
            is_gone = watch_client()
            assert not is_gone()
            there.sendall(b"the next request")
            assert not is_gone()
            assert connection.recv(100) == b"the next request"
            there.close()
            assert is_gone()


def test_where_the_connection_cannot_be_seen_nobody_is_gone() -> None:
    with Flask("any").test_request_context("/"):
        assert not watch_client()()


class Silent:
    """A body that gunicorn reads of a client which says nothing more."""

    def read(self, size: int = -1) -> bytes:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/form-data; boundary=b"])
def test_who_is_silent_within_a_body_is_told_that_it_is_slow(kind: str) -> None:
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    body = {"wsgi.input": Silent(), "wsgi.input_terminated": True, "CONTENT_LENGTH": "500"}
    with (
        app.test_request_context("/", method="POST", content_type=kind, environ_overrides=body),
        pytest.raises(SlowBodyError),
        receiving(30),
    ):
        request.form if kind.startswith("multipart") else request.get_data()
