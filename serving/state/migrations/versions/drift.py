"""Alarms of drift that were told."""

import sqlalchemy as sa
from alembic import op

revision = "drift"
down_revision = "corrections"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "drift_alarms",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
