"""Ends what takes too long from outside: reading a connection has no other limit of its own.

A timeout of the socket would not do: it counts from the last byte, and a sender can drip.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

_LOOK_S = 0.25
# Looks at nothing before the thread ends: to start one for each request costs more than to look.
_IDLE_LOOKS = 20


@contextmanager
def limited(limit_s: float, cut: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Calls `cut` once, from another thread, where the block takes longer than it may.

    Args:
        limit_s: from now on, in seconds; kept to a quarter of a second.
        cut: makes the block come to its end.

    Yields:
        Lifts the limit; what follows in the block may take as long as it likes.
    """
    entry = _watch.add(limit_s, cut)
    try:
        yield partial(_watch.remove, entry)
    finally:
        _watch.remove(entry)


def shut_reading(connection: socket.socket) -> None:
    """Lets whoever reads a connection see its end."""
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        return  # it is closed already


class _Watch:
    def __init__(self) -> None:
        self._watched: dict[int, tuple[float, Callable[[], object]]] = {}
        self._next = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, limit_s: float, cut: Callable[[], object]) -> int:
        with self._lock:
            self._next += 1
            self._watched[self._next] = time.monotonic() + limit_s, cut
            # Started when it is needed, and so after the fork.
            if self._thread is None:
                thread = threading.Thread(target=self._run, daemon=True)
                thread.start()
                self._thread = thread
            return self._next

    def remove(self, entry: int) -> None:
        with self._lock:
            self._watched.pop(entry, None)

    def _run(self) -> None:
        idle_looks = 0
        while True:
            time.sleep(_LOOK_S)
            now_s = time.monotonic()
            with self._lock:
                idle_looks = 0 if self._watched else idle_looks + 1
                if idle_looks > _IDLE_LOOKS:
                    self._thread = None
                    return
                for entry, (deadline_s, cut) in list(self._watched.items()):
                    if now_s >= deadline_s:
                        del self._watched[entry]
                        _call(cut)


def _call(cut: Callable[[], object]) -> None:
    """Calls it; what it raises ends nobody else's limit.

    A connection may have come to its end by itself in this very moment.
    """
    try:
        cut()
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        logging.getLogger("serving").debug("nothing was left to cut: %r", error)


_watch = _Watch()
