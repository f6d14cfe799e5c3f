"""Sends what is the same for everybody: whole, in part, compressed, or not again."""

from typing import BinaryIO

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable
from werkzeug.http import is_resource_modified, parse_range_header
from werkzeug.wsgi import wrap_file

from serving.api.digests import SHA256, choose_algorithm, format_digest
from serving.coding import GZIP, Representation, can_shrink, prefers_gzip, shrink

# Of a client that takes no more of a file; a phone that lost its network asks for the rest later.
STALL_S = 60


def send_representation(plain: Representation, content_type: str, cache_control: str) -> Response:
    """Answers with a file or the part of it that was asked for (RFC 9110, sections 12 to 14).

    Args:
        plain: the bytes of the address, not compressed.
        content_type: their media type.
        cache_control: how caches may keep them.

    Raises:
        PreconditionFailed: `If-Match` names other content.
        RequestedRangeNotSatisfiable: the part lies behind the end.
    """
    response = Response(content_type=content_type)
    chosen = _choose_coding(response, plain)
    response.set_etag(chosen.tag)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = cache_control
    _add_digest(response, chosen)
    if not is_resource_modified(request.environ, response.headers["ETag"]):
        if "If-Match" in request.headers:
            raise PreconditionFailed(f"the file is {chosen.tag}")
        response.status_code = 304
        return response
    start, stop = _choose_part(chosen)
    if stop - start < chosen.size_bytes:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{chosen.size_bytes}"
    response.content_length = stop - start
    if request.method != "HEAD":
        _bound_stall()
        part = _Part(chosen.open(start, stop), stop - start)
        response.direct_passthrough = True
        response.response = wrap_file(request.environ, part)  # type: ignore[arg-type]
    return response


def _add_digest(response: Response, chosen: Representation) -> None:
    """Adds `Repr-Digest`, also to a part and a 304: it is of the whole, and known by its name.

    `Content-Digest` stays out: of a whole answer it is the same, and a part is worth hashing to
    nobody who verifies the whole in the end.
    """
    if choose_algorithm(request.headers.get("Want-Repr-Digest"), [SHA256]):
        response.headers["Repr-Digest"] = format_digest(SHA256, bytes.fromhex(chosen.sha256))


def _bound_stall() -> None:
    # Python's `sendfile` waits without an end for a client that takes nothing, whatever the limits
    # of the kernel's socket, unless the connection has a timeout; gunicorn sets it back.
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(STALL_S)


def _choose_coding(response: Response, plain: Representation) -> Representation:
    """Returns what is sent, and says so; parts are always of the bytes as they are."""
    if not can_shrink(response.content_type or "", plain.size_bytes):
        return plain
    response.vary.add("Accept-Encoding")
    wants_part = request.method == "GET" and "Range" in request.headers
    if wants_part or not prefers_gzip(request.accept_encodings):
        return plain
    response.content_encoding = GZIP
    return shrink(plain)


def _choose_part(whole: Representation) -> tuple[int, int]:
    """Returns the first byte to send, and the one after the last.

    A range that is not understood, several at once, and one whose `If-Range` is of other content
    are ignored, as the RFC allows: the answer is the whole file.

    Raises:
        RequestedRangeNotSatisfiable: the range lies behind the end.
    """
    wanted = parse_range_header(request.headers.get("Range"))
    condition = request.headers.get("If-Range")
    ignored = request.method != "GET" or condition not in (None, f'"{whole.tag}"')
    if ignored or wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return 0, whole.size_bytes
    part = wanted.range_for_length(whole.size_bytes)
    if part is None:
        raise RequestedRangeNotSatisfiable(whole.size_bytes)
    return part


class _Part:
    """A part of an open file: has the descriptor for `sendfile`, and ends where it should."""

    def __init__(self, stream: BinaryIO, left_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = left_bytes

    def read(self, size_bytes: int = -1) -> bytes:
        limit = self._left_bytes if size_bytes < 0 else min(size_bytes, self._left_bytes)
        data = self._stream.read(limit)
        self._left_bytes -= len(data)
        return data

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()
