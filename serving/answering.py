"""gunicorn's answers, sent as few times as they can be."""

import time
from functools import lru_cache
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]

# Longer ones are not copied to stand behind their head.
_LONGEST_JOINED_BYTES = 1 << 16
_format_date = lru_cache(maxsize=2)(util.http_date)


def install() -> None:
    """Makes gunicorn's workers in this process answer so."""
    wsgi.Response = JoinedResponse
    util.http_date = show_date


def show_date(timestamp: float | None = None) -> str:
    """Returns a time as HTTP writes it: of now, or of seconds since 1970. Once made it is kept."""
    date: str = _format_date(int(time.time() if timestamp is None else timestamp))
    return date


class JoinedResponse(wsgi.Response):  # type: ignore[misc]
    """Sends the head of an answer together with the first part of its body.

    gunicorn sends them one after the other: two packets, and a client that wakes up for the first
    only to wait for the second.
    """

    sock: Any

    def write(self, data: bytes) -> None:
        """Sends a part of the body; see gunicorn."""
        if self.headers_sent or len(data) > _LONGEST_JOINED_BYTES:
            super().write(data)
            return
        connection, self.sock = self.sock, _Parts()
        try:
            super().write(data)
        finally:
            parts, self.sock = self.sock, connection
        connection.sendall(b"".join(parts.held))


class _Parts:
    """Stands for a connection, and holds what is sent over it."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def sendall(self, data: Any) -> None:
        self.held.append(data)
