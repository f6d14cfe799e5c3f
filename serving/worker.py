"""gunicorn's threaded worker, which clients cannot hold up by being slow."""

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from serving.inference.watch import limited, shut_reading
from serving.refusals import write_problem
from serving.spreading import YIELD_S, should_yield


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """Bounds what a client can do by being slow.

    A request's head must be there within the time that bodies have: gunicorn's own limits are of
    silence alone, and a byte now and then would hold a thread for days. And a client that does not
    close its side of a connection is waited for by the thread that answered it: gunicorn waits for
    two seconds in the one thread that takes on and hands out all connections.

    Attributes:
        count_admitted: returns how many photos are recognised or wait for that in this process.
    """

    count_admitted: Callable[[], int] = staticmethod(lambda: 0)

    def init_process(self) -> None:
        """Begins the worker's process; see gunicorn, which writes its refusals as pages."""
        util.write_error = write_problem
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """Takes on a connection, unless a process that has less to do takes it first."""
        if should_yield(self.count_admitted()):
            time.sleep(YIELD_S)
        super().accept(listener)

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
        return super().handle_request(req, conn)


def _stay_closed(graceful: bool = False) -> None:
    """Replaces the `close` of a connection that is closed already."""
