"""Reports, what is held back, and the audit log: what servers before migrations made at once.

A file of theirs has these tables, perhaps not the indexes, and is taken over as it is.
"""

import sqlalchemy as sa
from alembic import op

from serving.state.tables import LARGE

revision = "state"
down_revision = None

_REFUSAL = "the audit log is append-only"


def upgrade() -> None:
    """Makes what is missing."""
    _make(
        "reports",
        sa.Column("report_id", sa.String, primary_key=True),
        sa.Column("received_ms", LARGE, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    _index("reports_aged", "reports", "model", "version", "received_ms")
    _make(
        "verdicts",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("received_ms", LARGE, nullable=False),
    )
    _index("verdicts_counted", "verdicts", "model", "version", "passed", "received_ms")
    _make(
        "offers",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("device", sa.String, primary_key=True),
        sa.Column("offered_ms", LARGE, nullable=False),
    )
    _make(
        "stages",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("salt", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("share_bp", sa.Integer, nullable=False),
        sa.Column("signed_bp", sa.Integer, nullable=False),
        sa.Column("since_ms", LARGE, nullable=False),
    )
    _make(
        "holds",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
    )
    _make(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous_sha256", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        _refuse_changes_on_postgresql()
    else:
        _refuse_changes_on_sqlite()


def _make(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(name, *columns, if_not_exists=True)


def _index(name: str, table: str, *columns: str) -> None:
    op.create_index(name, table, list(columns), if_not_exists=True)


def _refuse_changes_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER IF NOT EXISTS audit_refuses_{verb.lower()} BEFORE {verb} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )


def _refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()"
    )
