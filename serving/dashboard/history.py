"""Reads counts back: of some days of a model."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from serving.dashboard.counts import LABEL, VERDICT
from serving.dashboard.tables import scan_counts, usage_days

Items = Counter[str]


@dataclass(frozen=True)
class History:
    """The counts of some days of a model.

    Attributes:
        first_day: the first of them; days are counted from 1970-01-01.
        last_day: the last.
        rows: place, version, kind, day -> item -> number.
    """

    first_day: int
    last_day: int
    rows: dict[tuple[str, str, str, int], Items]

    @property
    def days(self) -> range:
        """All days, also those without scans."""
        return range(self.first_day, self.last_day + 1)

    def add_up(
        self,
        kind: str,
        place: str | None = None,
        version: str | None = None,
        days: Iterable[int] | None = None,
    ) -> Items:
        """Returns item -> number, over everything that is not named."""
        found: Items = Counter()
        wanted = None if days is None else set(days)
        for (own_place, own_version, own_kind, day), items in self.rows.items():
            if (
                own_kind == kind
                and place in (None, own_place)
                and version in (None, own_version)
                and (wanted is None or day in wanted)
            ):
                found.update(items)
        return found

    def count_scans(
        self,
        place: str | None = None,
        version: str | None = None,
        days: Iterable[int] | None = None,
    ) -> int:
        """Returns the number of scans."""
        return self.add_up(VERDICT, place, version, days).total()

    def find_main_version(self, place: str, days: Iterable[int]) -> str | None:
        """Returns the version with most scans in some days, or None where there are none."""
        wanted = set(days)
        scans: Counter[str] = Counter()
        for (own_place, version, kind, day), items in self.rows.items():
            if own_place == place and kind == VERDICT and day in wanted:
                scans[version] += items.total()
        return max(sorted(scans), key=lambda version: scans[version], default=None)


def read_history(
    connection: Connection, model: str, first_day: int, last_day: int, labels_from: int
) -> History:
    """Reads the counts of some days.

    Args:
        connection: of `Database.read`.
        model: its name.
        first_day: from here.
        last_day: to here, inclusive.
        labels_from: labels, of which there may be thousands, from this day on alone.
    """
    days = (scan_counts.c.day >= first_day) & (scan_counts.c.day <= last_day)
    wanted = (scan_counts.c.kind != LABEL) | (scan_counts.c.day >= labels_from)
    rows: dict[tuple[str, str, str, int], Items] = defaultdict(Counter)
    for row in connection.execute(select(scan_counts).filter_by(model=model).where(days, wanted)):
        rows[row.place, row.version, row.kind, row.day][row.item] = int(row.number)
    return History(first_day, last_day, dict(rows))


def count_devices(connection: Connection, model: str, first_day: int) -> int:
    """Returns how many devices told of scans since a day; of the last 30 days at most."""
    devices = select(func.count(usage_days.c.device.distinct())).filter_by(model=model)
    return int(connection.execute(devices.where(usage_days.c.day >= first_day)).scalar_one())
