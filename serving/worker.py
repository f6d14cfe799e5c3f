"""gunicorn's threaded worker, in which no request's head may drip in for ever."""

from functools import partial
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from serving.inference.watch import limited, shut_reading
from serving.refusals import write_problem


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """Closes a connection whose request's head takes longer than bodies may.

    gunicorn lets a client that sends a byte now and then hold a thread until the head is as long as
    heads may be, which takes days. Its other limits are of silence alone.
    """

    def init_process(self) -> None:
        """Begins the worker's process; see gunicorn, which writes its refusals as pages."""
        util.write_error = write_problem
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        """Handles a request of a connection; see gunicorn."""
        limit_s = self.app.settings.receive_wait_s
        with limited(limit_s, partial(shut_reading, conn.sock)) as conn.lift_limit:
            return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answers a request whose head is there; see gunicorn."""
        conn.lift_limit()
        return super().handle_request(req, conn)
