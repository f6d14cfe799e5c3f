"""gunicorn's threaded worker, which clients cannot hold up by being slow, and which shares work."""

import ctypes
import selectors
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from serving import answering
from serving.inference.watch import limited, shut_reading
from serving.refusals import write_problem

# What takes a core for a while; all else costs a hundredth of it.
_OF_PHOTOS = ("/recognise", "/infer")
_SIGN_OF_LIFE_S = 1.0
# mallopt(3)
_M_MMAP_THRESHOLD, _LARGE_BYTES = -3, 4 << 20
# So many photos take as long as what a process does before its first: golden ones, and the model.
_LOADING = 10


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """Bounds what a client can do by being slow, and hands on what others have time for.

    A request's head must be there within the time that bodies have: gunicorn's own limits are of
    silence alone, and a byte now and then would hold a thread for days. And a client that does not
    close its side of a connection is waited for by the thread that answered it: gunicorn waits for
    two seconds in the one thread that takes on and hands out all connections.

    A connection with a request goes to the process that has least to do, see `serving.spreading`;
    one that has no model in memory yet counts as busy.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        """Makes it, in the first process; see gunicorn."""
        super().__init__(*given, **named)
        self._photos = _LOADING
        self._photos_lock = threading.Lock()
        self._alive_at_s = 0.0

    def init_process(self) -> None:
        """Begins the worker's process; see gunicorn, which writes its refusals as pages."""
        util.write_error = write_problem
        answering.install()
        _give_memory_back()
        super().init_process()

    def run(self) -> None:
        """Takes on connections until it is told to stop; see gunicorn."""
        box = self.app.spreading.find_box(self.slot)
        if box is not None:
            self.poller.register(box, selectors.EVENT_READ, self._take_over)
        self._count_photos(0)
        super().run()

    def note_ready(self) -> None:
        """Takes on photos like the others: its models are in memory."""
        self._count_photos(-_LOADING)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begins to stop; see gunicorn."""
        super().handle_exit(sig, frame)
        self.app.spreading.leave(self.slot)

    def notify(self) -> None:
        """Shows that it is alive; gunicorn does for each event what is read once in a while."""
        if time.monotonic() - self._alive_at_s >= _SIGN_OF_LIFE_S:
            self._alive_at_s = time.monotonic()
            super().notify()

    def enqueue_req(self, conn: TConn) -> None:
        """Has a connection with a request handled, here or by a process that has less to do."""
        other = self.app.spreading.find_idler(self._photos)
        if other is None or _is_begun(conn) or not self.app.spreading.hand(conn.sock, other):
            self._take_on(conn)
            return
        self.nr_conns -= 1
        conn.close()  # this copy of it

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begins to accept connections, or accepts no more; see gunicorn.

        Who stops still answers those that wait, and then refuses: gunicorn would keep newcomers
        waiting until the process ends, and reset their connections.
        """
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        while self._take_over(None):
            pass
        while self.sockets:
            listener = self.sockets.pop()
            taken_before = -1
            while self.nr_conns != taken_before:
                taken_before = self.nr_conns
                self.accept(listener)
            listener.close()

    def _take_over(self, _: socket.socket | None) -> bool:
        """Takes on a connection that another process handed over; tells whether one was there."""
        sock = self.app.spreading.take(self.slot)
        if sock is None:
            return False
        try:
            conn = TConn(self.cfg, sock, sock.getpeername(), sock.getsockname())
        except OSError:  # the client hung up
            sock.close()
            return True
        self.nr_conns += 1
        self._take_on(conn)
        return True

    def _take_on(self, conn: TConn) -> None:
        conn.is_counted = True
        self._count_photos(1)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Handles a request of a connection; see gunicorn."""
        limit_s = self.app.settings.receive_wait_s
        with limited(limit_s, partial(shut_reading, conn.sock)) as conn.lift_limit:
            kept = super().handle(conn)
        if not kept:
            conn.close(graceful=True)
            conn.close = _stay_closed
        return kept

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answers a request whose head is there; see gunicorn."""
        conn.lift_limit()
        if self.app.shared.is_stopping:  # soon nobody reads what a kept connection would send
            req.force_close()
        if not req.path.endswith(_OF_PHOTOS):
            self._discount(conn)
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keeps or closes a connection whose request was answered; see gunicorn."""
        self._discount(conn)
        super().finish_request(conn, fs)

    def _discount(self, conn: TConn) -> None:
        if conn.is_counted:
            conn.is_counted = False
            self._count_photos(-1)

    def _count_photos(self, more: int) -> None:
        """Counts requests that are for photos, or may be: their head was not read yet."""
        with self._photos_lock:
            self._photos += more
            if self.alive:
                self.app.spreading.note(self.slot, self._photos)
            if not self.alive:  # the signal may have come in between
                self.app.spreading.leave(self.slot)


def _give_memory_back() -> None:
    """Has large blocks given back to the system when they are freed, where that is glibc's choice.

    Else it keeps blocks as large as any that was freed, and so for good what one large photo took.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _is_begun(conn: TConn) -> bool:
    """Tells whether something was read of a connection that is not answered yet, or it is TLS."""
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return True
    return conn.is_http2 or type(conn.sock) is not socket.socket


def _stay_closed(graceful: bool = False) -> None:
    """Replaces the `close` of a connection that is closed already."""
