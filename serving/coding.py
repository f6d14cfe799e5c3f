"""Content codings: what is text goes out compressed to those who can read it (RFC 9110, 8.4).

Only gzip: all HTTP clients read it, and zstd saves no more of manifests and metadata. Weights stay
as they are: most shrink by a tenth, and could then not be fetched in parts or by `sendfile`. The
figures stand in docs/serving-download.md.
"""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

from flask import Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from training.files import sha256_bytes

GZIP = "gzip"
# Shorter ones fit into the same packet; longer ones would take the memory of the cache below.
_SHORTEST_BYTES = 512
_LONGEST_BYTES = 4 << 20
_CACHED = 32


@dataclass(frozen=True)
class Representation:
    """The bytes that an address has, in one coding.

    Attributes:
        sha256: of the bytes as they are sent.
        size_bytes: their length.
        tag: the entity tag, another one for each coding.
        open: opens them to be read from one byte up to another; it may give more.
    """

    sha256: str
    size_bytes: int
    tag: str
    open: Callable[[int, int], BinaryIO] = field(compare=False)


def can_shrink(content_type: str, size_bytes: int) -> bool:
    """Returns whether the bytes of an address are offered in another coding too."""
    is_text = content_type.startswith("text/") or content_type == "application/json"
    return is_text and _SHORTEST_BYTES <= size_bytes <= _LONGEST_BYTES


def prefers_gzip(accepted: Accept) -> bool:
    """Returns whether a client that says what it accepts takes gzip at least as gladly."""
    return bool(accepted[GZIP] > 0 and accepted[GZIP] >= accepted["identity"])


@lru_cache(maxsize=_CACHED)
def shrink(plain: Representation) -> Representation:
    """Returns the same bytes in gzip. The same bytes always give the same ones."""
    with plain.open(0, plain.size_bytes) as stream:
        data = gzip.compress(stream.read(), mtime=0)
    return from_bytes(data, f"{plain.tag}-{GZIP}")


def shrink_answer(response: Response) -> Response:
    """Compresses an answer in JSON that is made for one request."""
    made = not response.direct_passthrough and "ETag" not in response.headers
    if made and response.mimetype == "application/json" and not response.content_encoding:
        data = response.get_data()
        if can_shrink(response.mimetype, len(data)):
            if "Vary" in response.headers:
                response.vary.add("Accept-Encoding")
            else:  # which makes no set of names for one
                response.headers["Vary"] = "Accept-Encoding"
            if _takes_gzip(request.environ.get("HTTP_ACCEPT_ENCODING", "")):
                response.set_data(gzip.compress(data, mtime=0))
                response.content_encoding = GZIP
    return response


@lru_cache(maxsize=64)
def _takes_gzip(header: str) -> bool:
    return prefers_gzip(parse_accept_header(header, Accept))


def from_bytes(data: bytes, tag: str | None = None) -> Representation:
    """Returns what is in memory; the tag is the SHA-256 when not given."""
    sha256 = sha256_bytes(data)
    return Representation(sha256, len(data), tag or sha256, lambda *part: _open(data, *part))


def _open(data: bytes, start: int, stop: int) -> BinaryIO:
    return io.BytesIO(data[start:stop])
