"""Counts of scans, and what keeps a device from being counted twice or too often."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from serving.state.database import metadata

# A count each. Days are those of UTC, counted from 1970-01-01. The order of the key is that of
# what is asked: some days of one model.
scan_counts = Table(
    "scan_counts",
    metadata,
    Column("model", String, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("place", String, primary_key=True),  # "server" or "device": where it was recognised
    Column("kind", String, primary_key=True),  # what is counted, see `serving.dashboard.counts`
    Column("item", String, primary_key=True),  # a verdict, a label, the number of a bin
    Column("number", BigInteger, nullable=False),
)
# Devices stand under the SHA-256 of their id, as in reports. No more than how many scans each one
# told of a day is kept by device, which bounds what one can tell.
usage_days = Table(
    "usage_days",
    metadata,
    Column("model", String, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("device", String, primary_key=True),
    Column("scans", BigInteger, nullable=False),
)
usage_reports = Table(
    "usage_reports",
    metadata,
    Column("report_id", String, primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
)
Index("usage_reports_aged", usage_reports.c.received_ms)
# Alarms that are on: told once, by whichever process finds them first.
drift_alarms = Table(
    "drift_alarms",
    metadata,
    Column("model", String, primary_key=True),
    Column("name", String, primary_key=True),  # see `serving.dashboard.drift.Finding.name`
    Column("since_ms", BigInteger, nullable=False),
)
