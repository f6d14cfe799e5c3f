"""Times as the state keeps them: whole milliseconds since 1970."""

import time

DAY_MS = 24 * 3600 * 1000


def now_ms() -> int:
    """Returns the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
