"""Spreads connections over the server's processes, each of which has a line of its own.

The kernel gives a new connection to whichever process takes it first, and there it stays. So two
clients could wait for each other in one process while the next one has nothing to do.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Long enough for a process without work to take a connection first, which takes it far less than a
# millisecond; short beside a photo's 10.
YIELD_S = 0.002
# Of a process that has more to do the others have, too: then nobody waits before taking on.
_MOST_YIELDING = 2


class Spreading:
    """Answers as an app does, but closes connections while others wait in this process.

    The client's next request then comes over a new connection, to a process that has time for it.
    """

    def __init__(self, inner: "WSGIApplication", count_waiting: Callable[[], int]) -> None:
        """Stands before an app.

        Args:
            inner: the app.
            count_waiting: returns how many requests wait for a place in this process.
        """
        self._inner, self._count_waiting = inner, count_waiting

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answers a request."""

        def start(*given: Any) -> Callable[[bytes], object]:
            # WSGI has no word for it: `Connection` is not an app's to send (PEP 3333).
            close = getattr(getattr(start_response, "__self__", None), "force_close", None)
            if close is not None and self._count_waiting():
                close()
            return start_response(*given)

        return self._inner(environ, start)


def should_yield(admitted: int) -> bool:
    """Tells whether a process should let the others take a new connection first.

    Args:
        admitted: photos that it recognises, or that wait for it.
    """
    return 0 < admitted <= _MOST_YIELDING
