"""Signed metadata and published files, for TUF clients and caches."""

import base64
from functools import partial
from typing import Any, BinaryIO

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import Response, redirect, request
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable
from werkzeug.http import is_resource_modified, parse_range_header
from werkzeug.wsgi import wrap_file

from serving.access import needs
from serving.coding import GZIP, Representation, can_shrink, from_bytes, prefers_gzip, shrink
from serving.context import get_storage
from serving.objects import find_cache_control, find_content_type

blueprint = APIBlueprint("files", __name__, tag="Files")
# Of a client that takes no more of a file; a phone that lost its network asks for the rest later.
STALL_S = 60
_TARGET_RESPONSES = {
    206: "A part",
    307: "Served elsewhere",
    304: "Not modified",
    412: "Other content",
    416: "No such part",
}


@blueprint.get("/metadata/<name>")
@needs("pull")
@blueprint.output(FileSchema(type="string", format="binary"), content_type="application/json")
@blueprint.doc(responses={304: "Not modified", 412: "Other content"})
def send_metadata(name: str) -> Response:
    """Download signed metadata, as TUF clients do."""
    return _send(name, from_bytes(get_storage().read_metadata(name)))


@blueprint.get("/targets/<path:path>")
@needs("pull")
@blueprint.output(
    FileSchema(type="string", format="binary"), content_type="application/octet-stream"
)
@blueprint.doc(responses=_TARGET_RESPONSES)
def send_target(path: str) -> Response:
    """Download a published file.

    The name holds the SHA-256, so that the content at an address never changes. `Range` and
    `If-Range` fetch a part; `Repr-Digest` gives the SHA-256 of the whole, as it is sent: text
    comes compressed to those who accept gzip.
    """
    storage = get_storage()
    url = storage.find_elsewhere(path)
    if url is not None:
        return redirect(url, 307, Response)  # type: ignore[return-value]
    file = storage.find_file(path)
    open_part = partial(storage.open_file, file)
    return _send(path, Representation(file.sha256, file.size_bytes, file.sha256, open_part))


def _send(name: str, plain: Representation) -> Response:
    """Answers with a file or the part of it that was asked for (RFC 9110, sections 12 to 14)."""
    response = Response(content_type=find_content_type(name))
    chosen = _choose_coding(response, plain)
    digest = base64.b64encode(bytes.fromhex(chosen.sha256)).decode()
    response.set_etag(chosen.tag)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = find_cache_control(name)
    response.headers["Repr-Digest"] = f"sha-256=:{digest}:"
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


def describe_in(spec: dict[str, Any]) -> None:
    """Corrects an OpenAPI document: no body with 304, and a part is of the type of the whole."""
    for path in spec["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            responses.get("304", {}).pop("content", None)
            if "206" in responses:
                responses["206"]["content"] = responses["200"]["content"]


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
