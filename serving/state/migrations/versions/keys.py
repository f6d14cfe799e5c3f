"""API keys."""

import sqlalchemy as sa
from alembic import op

from serving.state.tables import LARGE

revision = "keys"
down_revision = "scans"


def upgrade() -> None:
    """Adds a table."""
    op.create_table(
        "keys",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("photos_a_day", sa.Integer),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("former_sha256", sa.String(64)),
        sa.Column("former_until_ms", LARGE),
        sa.Column("created_ms", LARGE, nullable=False),
        sa.Column("expires_ms", LARGE),
        sa.Column("used_ms", LARGE),
        sa.Column("revoked_ms", LARGE),
        sa.UniqueConstraint("name", name="keys_name_unique"),
    )
