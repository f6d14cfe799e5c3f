"""Counts of scans, and what devices tell of theirs."""

import sqlalchemy as sa
from alembic import op

revision = "scans"
down_revision = "idempotency"


def upgrade() -> None:
    """Adds three tables."""
    op.create_table(
        "scan_counts",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("item", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_days",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("scans", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_reports",
        sa.Column("report_id", sa.String, primary_key=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("usage_reports_aged", "usage_reports", ["received_ms"])
