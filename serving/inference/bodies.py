"""Bodies of requests: received within a time, inflated within a limit, given up with their client.

WSGI knows neither time limits nor clients that hang up. Behind gunicorn the connection's socket is
at hand, and gives both; behind a server that hides it, bodies take as long as that server allows.
"""

import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from serving.errors import (
    BodyLengthError,
    MalformedError,
    MediaTypeError,
    RequestError,
    SlowBodyError,
)
from serving.inference.watch import limited, shut_reading

_SOCKET = "gunicorn.socket"
# zlib's `wbits` (zlib.h, inflateInit2): 31 takes gzip alone, 15 zlib's own frame, which HTTP calls
# deflate (RFC 9110, section 8.4.1.2); some clients send that without its frame, which is -15.
_GZIP, _ZLIB, _RAW = 31, 15, -15
_ZLIB_METHOD = 8
# As a number: joining the names of flags takes longer than looking.
_LOOK_ONLY = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
CODINGS = ("gzip", "deflate")
_TOO_SLOW = "the body did not arrive within {:g} s, or nothing came of it for a while"


@contextmanager
def receiving(limit_s: float) -> Iterator[None]:
    """Bounds the time in which the body of the request at hand is read within the block.

    Args:
        limit_s: from now on, in seconds.

    Raises:
        SlowBodyError: the time was over before the body was, or the server's limit of silence.
        MalformedError: it is sent in chunks that are none.
        RequestError: the body ended before its end.
    """
    connection = request.environ.get(_SOCKET)
    was_cut = False

    def cut() -> None:
        nonlocal was_cut
        if connection is not None:
            was_cut = True
            shut_reading(connection)

    try:
        with limited(limit_s, cut):
            yield
    except Exception as error:
        # Werkzeug wraps what the socket says; and a form that was cut is read as far as it came.
        if was_cut or BlockingIOError in (type(error), type(error.__context__)):
            raise SlowBodyError(_TOO_SLOW.format(limit_s)) from error
        if isinstance(error, ParseException):
            raise MalformedError(f"the body is no chunks of HTTP: {error}") from error
        if isinstance(error, OSError | ClientDisconnected):
            raise RequestError("the body ended before its end") from error
        raise
    if was_cut:
        raise SlowBodyError(_TOO_SLOW.format(limit_s))


def watch_client() -> Callable[[], bool]:
    """Returns a function that tells whether the client of the request at hand hung up."""
    connection = request.environ.get(_SOCKET)
    # Over TLS nothing can be looked at without taking it: behind nginx this is plain TCP.
    if not isinstance(connection, socket.socket) or hasattr(connection, "cipher"):
        return lambda: False

    def is_gone() -> bool:
        try:
            return not connection.recv(1, _LOOK_ONLY)
        except BlockingIOError:
            return False
        except OSError:
            return True

    return is_gone


def inflate(data: bytes, coding: str, limit_bytes: int) -> bytes:
    """Undoes the coding of a body.

    Args:
        data: the body as it came.
        coding: the value of `Content-Encoding`; empty or "identity" for none.
        limit_bytes: how long it may become.

    Raises:
        MediaTypeError: another coding.
        BodyLengthError: it is longer.
        RequestError: it is damaged, or goes on behind its end.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return data
    if name not in CODINGS:
        raise MediaTypeError(
            f"the body's Content-Encoding is {coding!r}: allowed are {', '.join(CODINGS)}"
        )
    try:
        return b"".join(_inflate_members(data, _choose_wbits(data, name), limit_bytes))
    except zlib.error as error:
        raise RequestError(f"the body is no whole {name} stream: {error}") from error


def _choose_wbits(data: bytes, name: str) -> int:
    if name == "gzip":
        return _GZIP
    # RFC 1950, section 2.2: the first two bytes name the method, and are a multiple of 31.
    framed = len(data) > 1 and data[0] & 15 == _ZLIB_METHOD and (data[0] << 8 | data[1]) % 31 == 0
    return _ZLIB if framed else _RAW


def _inflate_members(data: bytes, wbits: int, limit_bytes: int) -> Iterator[bytes]:
    """Yields what each member holds: a gzip body may have several (RFC 1952, section 2.2)."""
    left_bytes = limit_bytes
    while True:
        member = zlib.decompressobj(wbits)
        part = member.decompress(data, left_bytes + 1)
        left_bytes -= len(part)
        if left_bytes < 0:
            raise BodyLengthError(f"the body is too long inflated: allowed are {limit_bytes} bytes")
        if not member.eof:
            raise zlib.error("it ends before its end")
        yield part
        data = member.unused_data
        if not data:
            return
        if wbits != _GZIP:
            raise zlib.error("something follows its end")
