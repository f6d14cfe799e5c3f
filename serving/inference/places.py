"""Places where photos are recognised, and the bounded line before them."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.errors import BusyError, ClientGoneError
from serving.observing import metrics

# How often one who waits looks whether its client is still there.
_LOOK_S = 0.25
# Weight of the newest request in the running mean of how long a place stays taken.
_NEWEST = 0.1
_START_MEAN_S = 0.05


def _never_gone() -> bool:
    return False


class Places:
    """Bounds how many requests are worked on at once, and how many wait. Safe to use from threads.

    A place goes to who waited longest. More than `at_once + queue_length` requests are refused when
    they come, before their bodies are read: a client learns at once that it should try elsewhere
    or later, and the memory of bodies is bounded.
    """

    def __init__(self, at_once: int, queue_length: int, wait_s: float) -> None:
        """Makes them, all free.

        Args:
            at_once: places.
            queue_length: requests that may wait for one, or still send their body.
            wait_s: longest time from the end of a body to the end of the work on it, in seconds.
        """
        self.wait_s = wait_s
        self._at_once = at_once
        self._most = at_once + queue_length
        self._admitted = 0
        self._free = at_once
        self._line: deque[threading.Event] = deque()
        self._mean_s = _START_MEAN_S
        self._lock = threading.Lock()
        metrics.PLACES.set(at_once)
        metrics.ADMITTED_LIMIT.set(self._most)

    @property
    def waiting(self) -> int:
        """Requests that were admitted and have no place yet."""
        with self._lock:
            return self._admitted - (self._at_once - self._free)

    @contextmanager
    def admit(self, is_gone: Callable[[], bool] = _never_gone) -> Iterator["Ticket"]:
        """Admits a request, which can then wait for its place.

        Args:
            is_gone: tells whether the client hung up, so that nobody waits for the answer.

        Raises:
            BusyError: the line is full.
        """
        with self._lock:
            if self._admitted >= self._most:
                raise BusyError(
                    f"{self._admitted} photos are being recognised or wait for it, as many as are "
                    "allowed; try again later",
                    self._estimate_wait_s(),
                )
            self._admitted += 1
            metrics.ADMITTED.inc()
        try:
            yield Ticket(self, is_gone)
        finally:
            with self._lock:
                self._admitted -= 1
                metrics.ADMITTED.dec()

    def _enter(self, ticket: "Ticket") -> None:
        with self._lock:
            if self._free and not self._line:
                self._free -= 1
                metrics.PLACES_USED.inc()
                return
            turn = threading.Event()
            self._line.append(turn)
        while not turn.wait(min(_LOOK_S, ticket.left_s())):
            try:
                ticket.check()
            except (BusyError, ClientGoneError):
                self._step_out(turn)
                raise

    def _step_out(self, turn: threading.Event) -> None:
        with self._lock:
            if not turn.is_set():
                self._line.remove(turn)
                return
        self._leave()  # the place came in the same moment

    def _leave(self, took_s: float | None = None) -> None:
        with self._lock:
            if took_s is not None:
                self._mean_s += _NEWEST * (took_s - self._mean_s)
            if self._line:
                self._line.popleft().set()  # the place is handed over, and nobody gets in between
            else:
                self._free += 1
                metrics.PLACES_USED.dec()

    def _estimate_wait_s(self) -> int:
        seconds = self._admitted * self._mean_s / self._at_once
        return max(1, min(math.ceil(seconds), math.ceil(self.wait_s)))


class Ticket:
    """An admitted request: when it has to be answered, and whether somebody still waits for it."""

    def __init__(self, places: Places, is_gone: Callable[[], bool]) -> None:
        self._places = places
        self._is_gone = is_gone
        self._deadline_s = math.inf
        self._taken_s: float | None = None

    def start(self, wait_s: float | None = None) -> None:
        """Starts the time within which the answer must be there, now that the body is.

        Args:
            wait_s: what the client allows, in seconds; never more than the server does.
        """
        most_s = self._places.wait_s
        allowed_s = most_s if wait_s is None else min(wait_s, most_s)
        self._deadline_s = min(self._deadline_s, time.monotonic() + allowed_s)

    def left_s(self) -> float:
        """Returns the seconds that are left, 0 at least; infinite before `start`."""
        return max(0.0, self._deadline_s - time.monotonic())

    def check(self) -> None:
        """Stops work that nobody waits for any more; called between the steps.

        Raises:
            BusyError: the time is over.
            ClientGoneError: the client hung up.
        """
        if self.left_s() <= 0:
            raise BusyError("the answer was not ready within the time allowed; try again later")
        if self._is_gone():
            raise ClientGoneError("the client hung up before the answer was ready")

    @contextmanager
    def take_place(self) -> Iterator[None]:
        """Waits for a place and holds it, to the end of the block or until it is given back.

        Who holds one already goes on with it.

        Raises:
            BusyError: none became free in time.
            ClientGoneError: the client hung up meanwhile.
        """
        if self._taken_s is not None:
            yield
            return
        self.start()
        self._places._enter(self)
        self._taken_s = time.monotonic()
        try:
            self.check()
            yield
        finally:
            self.give_place()

    def give_place(self) -> None:
        """Gives the place to the next, where the ticket holds one: what follows needs none."""
        if self._taken_s is not None:
            took_s = time.monotonic() - self._taken_s
            self._taken_s = None
            self._places._leave(took_s)
