"""Corrections, and the photos that were kept with them."""

import sqlalchemy as sa
from alembic import op

revision = "corrections"
down_revision = "keys"


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "corrections",
        sa.Column("correction_id", sa.String(36), primary_key=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("scanned_ms", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("answered_label", sa.String(200)),
        sa.Column("answered_probability", sa.Float),
        sa.Column("answered_verdict", sa.String(16), nullable=False),
        sa.Column("answered_by", sa.String(16), nullable=False),
        sa.Column("right_kind", sa.String(16), nullable=False),
        sa.Column("right_label", sa.String(200)),
        sa.Column("site", sa.String(64)),
        sa.Column("note", sa.Text),
        sa.Column("file_sha256", sa.String(64)),
        sa.Column("kept_sha256", sa.String(64)),
        sa.Column("look", sa.String(96)),
        sa.Column("photo", sa.String(16), nullable=False),
        sa.Column("photo_name", sa.String(200)),
        sa.Column("photo_until_ms", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("duplicate_of", sa.String(36)),
        sa.Column("conflict_with", sa.String(36)),
        sa.Column("decided_ms", sa.BigInteger),
        sa.Column("decided_by", sa.String(200)),
        sa.Column("reason", sa.Text),
        sa.Column("final_kind", sa.String(16)),
        sa.Column("final_label", sa.String(200)),
    )
    for name, columns in (
        ("listed", ["model", "received_ms"]),
        ("of_device", ["device", "received_ms"]),
        ("of_file", ["file_sha256"]),
        ("of_photo", ["kept_sha256"]),
        ("with_photo", ["photo_name"]),
    ):
        op.create_index(f"corrections_{name}", "corrections", columns)
    op.create_table(
        "kept_photos",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("noted_ms", sa.BigInteger, nullable=False),
    )
