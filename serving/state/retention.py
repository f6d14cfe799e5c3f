"""Deletes old reports of versions that no device is offered any more, a few at a time.

Devices stand in the state under hashes only; still, what nothing needs is not kept for ever. The
audit log and halts stay.
"""

import logging
import threading
import time
from collections.abc import Iterable

from sqlalchemy import Table, delete, select
from sqlalchemy.engine import Connection

from mobile_assets.release import Release
from serving.errors import StateError
from serving.state.database import Database
from serving.state.tables import offers, reports, verdicts
from serving.state.times import DAY_MS, now_ms

# Rows of each table that go in one transaction, which other writers wait for.
_MOST_ROWS = 500
_PAUSE_S = 3600
_TIMES = {reports: "received_ms", verdicts: "received_ms", offers: "offered_ms"}


class Retention:
    """Decides when to look for old reports. Safe to use from several threads and processes."""

    def __init__(self, database: Database, keep_days: int) -> None:
        """Looks for nothing yet.

        Args:
            database: the state.
            keep_days: how long reports of versions that are offered to nobody are kept, in days.
        """
        self._database, self._keep_days = database, keep_days
        self._lock = threading.Lock()
        self._due_s = 0.0

    def prune(self, releases: Iterable[Release]) -> int:
        """Deletes some of what is too old; once an hour, and at once again while there is more.

        Nothing is deleted of a version that a channel offers or is rolling out, whatever its age.
        A state that cannot be written is told in the log: this is never why a request fails.

        Args:
            releases: the signed policies of all models.

        Returns:
            How many rows were deleted.
        """
        with self._lock:
            if time.monotonic() < self._due_s:
                return 0
            self._due_s = time.monotonic() + _PAUSE_S
        before_ms = now_ms() - self._keep_days * DAY_MS
        try:
            with self._database.write() as connection:
                deleted = delete_old(connection, releases, before_ms)
        except StateError as error:
            logging.getLogger("serving").error("old reports are kept: %s", error)
            return 0
        if max(deleted) == _MOST_ROWS:
            self._due_s = 0.0
        return sum(deleted)


def delete_old(
    connection: Connection, releases: Iterable[Release], before_ms: int
) -> tuple[int, ...]:
    """Deletes what is older than a time of versions that no channel offers, up to 500 rows a table.

    Returns:
        How many rows of each table were deleted.
    """
    left = [(x.model, version) for x in releases for version in x.names if not _offers(x, version)]
    return tuple(_delete(connection, table, left, before_ms) for table in _TIMES)


def _offers(release: Release, version: str) -> bool:
    return any(
        version == channel.current or (channel.rollout and version == channel.rollout.version)
        for channel in release.channels.values()
    )


def _delete(
    connection: Connection, table: Table, versions: Iterable[tuple[str, str]], before_ms: int
) -> int:
    """Deletes old rows of these versions; each model and version is found by an index."""
    deleted, key = 0, list(table.primary_key)[-1]  # the report or, within a version, the device
    for model, version in versions:
        same = (table.c.model == model) & (table.c.version == version)
        old = (
            select(key).where(same, table.c[_TIMES[table]] < before_ms).limit(_MOST_ROWS - deleted)
        )
        deleted += connection.execute(delete(table).where(same, key.in_(old))).rowcount
        if deleted == _MOST_ROWS:
            break
    return deleted
