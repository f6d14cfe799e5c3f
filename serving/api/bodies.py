"""Bodies of requests as they are read: no longer than allowed, and what their digests say."""

from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from serving.api.digests import format_digest, new_hash, read_digests
from serving.errors import DigestError

_FIELDS = {"Content-Digest": "HTTP_CONTENT_DIGEST", "Repr-Digest": "HTTP_REPR_DIGEST"}


def watch_body() -> None:
    """Watches over the body of the request at hand, which is read later.

    Raises:
        DigestError: a malformed field; another hash is one where the body's last byte is read.
    """
    environ = request.environ
    stated = [
        (field, *entry)
        for field, variable in _FIELDS.items()
        if variable in environ
        for entry in read_digests(field, environ[variable]).items()
    ]
    if stated or request.content_length is None:
        environ["wsgi.input"] = _Body(environ["wsgi.input"], stated)


class _Body:
    """A request's body; reading its end raises where it is not what was stated.

    And reading up to the limit raises where it goes on: Werkzeug gives what came so far, as if that
    were all, of a body without a stated length.
    """

    def __init__(self, stream: Any, stated: list[tuple[str, str, bytes]]) -> None:
        self._stream, self._stated = stream, stated
        self._length = request.content_length
        self._hashes = {name: new_hash(name) for _, name, _ in stated}
        self._read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        return self._note(self._stream.read(size), size)

    def readline(self, size: int = -1) -> bytes:
        return self._note(self._stream.readline(size), size)

    def _note(self, part: bytes, size: int) -> bytes:
        for found in self._hashes.values():
            found.update(part)
        self._read_bytes += len(part)
        if self._length is None:
            is_whole = (not part and size != 0) or self._is_at_limit()
        else:
            is_whole = self._read_bytes == self._length  # nobody reads more
        if is_whole:
            self._compare()
        return part

    def _is_at_limit(self) -> bool:
        limit = request.max_content_length
        if limit is None or self._read_bytes < limit:
            return False
        if self._stream.read(1):
            raise RequestEntityTooLarge
        return True

    def _compare(self) -> None:
        for field, name, stated in self._stated:
            found = self._hashes[name].digest()
            if found != stated:
                raise DigestError(
                    f"{field} is {format_digest(name, stated)}: the body, of {self._read_bytes} "
                    f"bytes, has {format_digest(name, found)}"
                )
