"""A clock for the TUF client that a test sets."""

import datetime
from types import SimpleNamespace

import pytest
import tuf.ngclient._internal.trusted_metadata_set as trusted


def set_clock(monkeypatch: pytest.MonkeyPatch, by: datetime.timedelta) -> None:
    """Sets the clock that metadata are judged by ahead, or back where `by` is negative."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return datetime.datetime.now(tz) + by

    clock = SimpleNamespace(datetime=Clock, timezone=datetime.timezone)
    monkeypatch.setattr(trusted, "datetime", clock)
