"""Answers that requests with an Idempotency-Key had."""

import sqlalchemy as sa
from alembic import op

revision = "idempotency"
down_revision = "state"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "idempotency",
        sa.Column("key_sha256", sa.String(64), primary_key=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.Text),
    )
    op.create_index("idempotency_aged", "idempotency", ["until_ms"])
