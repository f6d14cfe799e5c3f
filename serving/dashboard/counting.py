"""Counts scans in memory, and adds them to the database every few seconds and at the end.

A request pays for a place in a list and never waits for a disk. A process that is killed loses what
it counted since it last wrote.
"""

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.engine import Connection

from serving.dashboard.counts import Counts, Key, Scan, today
from serving.dashboard.tables import scan_counts
from serving.errors import StateError
from serving.state.database import Database, insert_into

_HOUR_S = 3600
# Scans that wait to be counted, at most: together that takes a third of the time.
_MOST_WAITING = 1000
_KEY_NAMES = [column.name for column in scan_counts.primary_key]


class Counting:
    """The counts of one process. Safe to use from threads."""

    def __init__(
        self,
        database: Database,
        every_s: float,
        keep_days: int,
        each_hour: Callable[[], None] | None = None,
    ) -> None:
        """Counts nothing yet.

        Args:
            database: what all processes share.
            every_s: how long counts stay in memory, in seconds.
            keep_days: how long they stay in the database, in days.
            each_hour: called about once an hour while there are scans, outside of any request.
        """
        self._each_hour = each_hour
        self._database, self._every_s, self._keep_days = database, every_s, keep_days
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[Scan] = []
        self._counts: Counts = Counter()
        self._timer: threading.Timer | None = None
        self._registered = False
        self._hour_due_s = 0.0

    def note(self, scan: Scan) -> None:
        """Counts a scan."""
        with self._lock:
            self._waiting.append(scan)
            if len(self._waiting) >= _MOST_WAITING:
                self._count_waiting()
            if self._timer is None:
                self._start_timer()

    def flush(self) -> None:
        """Adds what was counted to the database; what cannot be written is kept for the next time.

        This is never why a request fails: it is told in the log.
        """
        with self._writing:
            with self._lock:
                self._count_waiting()
                counts, self._counts, self._timer = self._counts, Counter(), None
            if not counts:
                return
            try:
                with self._database.write() as connection:
                    add_counts(connection, counts)
            except StateError as error:
                logging.getLogger("serving").error("scans are not counted yet: %s", error)
                with self._lock:
                    self._counts.update(counts)
                    if self._timer is None:
                        self._start_timer()

    def _count_waiting(self) -> None:
        for scan in self._waiting:
            key = (scan.model, scan.day, scan.version, scan.place)
            for item in scan.list_items():
                self._counts[key + item] += 1
        self._waiting.clear()

    def _start_timer(self) -> None:
        """Has `flush` called in a while; begun after the fork, which threads do not survive."""
        if not self._registered:
            self._registered = True
            atexit.register(self.flush)
        self._timer = threading.Timer(self._every_s, self._work)
        self._timer.daemon = True
        self._timer.start()

    def _work(self) -> None:
        self.flush()
        if time.monotonic() < self._hour_due_s:
            return
        self._hour_due_s = time.monotonic() + _HOUR_S
        self.prune()
        if self._each_hour is not None:
            self._each_hour()

    def prune(self) -> None:
        """Deletes counts that are older than they are kept; a failure is told in the log."""
        old = scan_counts.c.day < today() - self._keep_days
        try:
            with self._database.write() as connection:
                connection.execute(delete(scan_counts).where(old))
        except StateError as error:
            logging.getLogger("serving").error("old counts of scans are kept: %s", error)


def add_counts(connection: Connection, counts: Counts) -> None:
    """Adds counts to those of the database.

    Args:
        connection: of `Database.write`.
        counts: what to add.
    """
    rows = [_to_row(key, number) for key, number in sorted(counts.items())]
    if not rows:
        return
    adding = insert_into(connection, scan_counts)
    total = scan_counts.c.number + adding.excluded.number
    adding = adding.on_conflict_do_update(index_elements=_KEY_NAMES, set_={"number": total})
    connection.execute(adding, rows)


def _to_row(key: Key, number: int) -> dict[str, str | int]:
    return {**dict(zip(_KEY_NAMES, key, strict=True)), "number": number}
