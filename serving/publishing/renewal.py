"""The timer that renews the online signatures, so that clients never find them over their time."""

import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from serving.errors import SettingsError
from serving.publishing.repository import EXPIRY_DAYS, State
from training.errors import GhostlensError

_LOG = logging.getLogger(__name__)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
# Two renewals may fail in a row before a client refuses the timestamp.
_MOST_EVERY_S = EXPIRY_DAYS["timestamp"] * _UNITS_S["d"] / 3
_RETRY_S = 60.0
_WARN_BEFORE = timedelta(days=30)


def read_duration_s(text: str) -> float:
    """Reads a time between two renewals, as in 90s, 30m, 12h or 1d.

    Returns:
        Seconds.

    Raises:
        SettingsError: another form, or so long that one failed renewal would show.
    """
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
    if not 0 < seconds <= _MOST_EVERY_S:
        raise SettingsError(
            f"the time between renewals is {text!r}: allowed are 1s to "
            f"{_MOST_EVERY_S / _UNITS_S['h']:.0f}h, a number and one of s, m, h, d"
        )
    return float(seconds)


def renew_repeatedly(renew: Callable[[], State], every_s: float, stopped: threading.Event) -> int:
    """Renews at once and then again and again, until told to stop; logs each renewal.

    A renewal that fails (another publisher is at work, the disk is full) is logged as an error
    and tried again after a minute at most.

    Args:
        renew: renews the online signatures once.
        every_s: the time between two renewals.
        stopped: ends the waiting.

    Returns:
        How many renewals were done.
    """
    done = 0
    while not stopped.is_set():
        try:
            state = renew()
        except GhostlensError as error:
            _LOG.error("not renewed: %s", error)
            stopped.wait(min(every_s, _RETRY_S))
            continue
        done += 1
        _LOG.info(
            "renewed: timestamp version %d counts until %s",
            state.timestamp.version,
            f"{state.timestamp.expires:%Y-%m-%dT%H:%M:%SZ}",
        )
        for words in find_due(state):
            _LOG.warning("%s", words)
        stopped.wait(every_s)
    return done


def find_due(state: State, now: datetime | None = None) -> list[str]:
    """Returns, in words, which offline signatures a person must renew soon."""
    now = now or datetime.now(UTC)
    return [
        f"the {role} metadata count only until {expires:%Y-%m-%d}: "
        f"`python -m serving trust propose --renew {role}` begins their renewal"
        for role, expires in state.expiries().items()
        if role not in ("snapshot", "timestamp") and expires - now < _WARN_BEFORE
    ]
