"""After a failure of a database nobody asks it again for a while: each try may take long."""

import time
from collections.abc import Callable

from serving.errors import StateError

PAUSE_S = 1.0


class Pause:
    """Remembers a failure for a second. Safe to use from several threads."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Knows of no failure.

        Args:
            clock_s: the time, in seconds.
        """
        self._clock_s = clock_s
        self._failed: tuple[StateError, float] | None = None

    def begin(self, failure: StateError) -> None:
        """Has everybody fail as this one did, for a second."""
        self._failed = failure, self._clock_s() + PAUSE_S

    def end(self) -> None:
        """Forgets the failure: an answer came."""
        self._failed = None

    def find_failure(self) -> StateError | None:
        """Returns what whoever asks now has to be told; None where they may ask."""
        failed = self._failed
        if failed is None or self._clock_s() >= failed[1]:
            return None
        failure, _ = failed
        return type(failure)(str(failure))  # a new one: those that raise it add to it
