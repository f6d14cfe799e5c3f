"""Looks for drift: at most once a minute for whoever asks, and each hour on its own."""

import logging
import threading
import time

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from serving.dashboard.drift import ALARM, Finding, find_drift
from serving.dashboard.tables import drift_alarms
from serving.observing import metrics
from serving.state.database import Database
from serving.state.times import now_ms
from serving.storage import Storage
from training.errors import GhostlensError

_KEEP_S = 60


class Watch:
    """The findings of one process. Safe to use from threads."""

    def __init__(self, storage: Storage, database: Database, server_takes_all: bool) -> None:
        """Looks at nothing yet.

        Args:
            storage: gives the baselines of releases.
            database: gives the counts, and remembers which alarms were told.
            server_takes_all: see `find_drift`.
        """
        self._storage, self._database = storage, database
        self._server_takes_all = server_takes_all
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, list[Finding]]] = {}

    def find(self, model: str) -> list[Finding]:
        """Returns the findings of a model, which are up to a minute old.

        Raises:
            StateError, RepositoryError: see `find_drift`.
        """
        with self._lock:
            due_s, found = self._found.get(model, (0.0, []))
            if time.monotonic() < due_s:
                return found
            found = find_drift(self._storage, self._database, model, self._server_takes_all)
            tell_alarms(self._database, model, found)
            _measure(model, found)
            self._found[model] = (time.monotonic() + _KEEP_S, found)
            return found

    def look(self) -> None:
        """Looks at every model, so that alarms are told where nobody asks; never fails."""
        try:
            for model in self._storage.catalogue.releases:
                self.find(model)
        except GhostlensError as error:
            logging.getLogger("serving").error("no look for drift: %s", error)


def tell_alarms(database: Database, model: str, findings: list[Finding]) -> None:
    """Writes a line to the log for each alarm that begins or ends, once for all processes.

    Args:
        database: remembers which were told.
        model: its name.
        findings: all of them.

    Raises:
        StateError: see `Database.write`.
    """
    alarms = {finding.name: finding for finding in findings if finding.state == ALARM}
    with database.read() as connection:
        if _read_names(connection, model) == set(alarms):
            return
    log = logging.getLogger("serving")
    with database.write() as connection:
        known = _read_names(connection, model)
        for name in sorted(set(alarms) - known):
            row = {"model": model, "name": name, "since_ms": now_ms()}
            connection.execute(insert(drift_alarms).values(row))
            log.warning("drift of %s: %s: %s", model, name, alarms[name].words)
        for name in sorted(known - set(alarms)):
            connection.execute(delete(drift_alarms).filter_by(model=model, name=name))
            log.warning("drift of %s: %s: the alarm is over", model, name)


def _measure(model: str, findings: list[Finding]) -> None:
    for finding in findings:
        labels = (model, finding.place, finding.subject, finding.against)
        effect = finding.compared.effect if finding.compared else 0.0
        metrics.DRIFT.labels(*labels).set(effect)
        metrics.DRIFT_ALARM.labels(*labels).set(finding.state == ALARM)


def _read_names(connection: Connection, model: str) -> set[str]:
    names = select(drift_alarms.c.name).filter_by(model=model)
    return set(connection.execute(names).scalars())
