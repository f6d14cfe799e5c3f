"""Tables of what devices reported, what was held back for it, and the audit log.

Other sub-packages define their own tables on the same `metadata`, each in its own `tables.py`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

# Constraints need names, so that a later migration can say which one it changes.
metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_refers",
    }
)
# Times are whole milliseconds since 1970, which 32 bits do not hold. SQLite's integers have 64
# bits under every name, but only INTEGER makes a key that counts up.
LARGE = BigInteger().with_variant(Integer, "sqlite")

# Devices stand under the SHA-256 of their id: who has the file learns no ids, and the server
# needs none.
reports = Table(
    "reports",
    metadata,
    Column("report_id", String, primary_key=True),
    Column("received_ms", LARGE, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("device", String, nullable=False),
    Column("event", String, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("details", Text, nullable=False),  # JSON: figures, platform, runtime
)
Index("reports_aged", reports.c.model, reports.c.version, reports.c.received_ms)
# The latest report of each device since the version was last resumed.
verdicts = Table(
    "verdicts",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("received_ms", LARGE, nullable=False),
)
# Holds all that counting reads, so that the table itself is not.
Index(
    "verdicts_counted",
    verdicts.c.model,
    verdicts.c.version,
    verdicts.c.passed,
    verdicts.c.received_ms,
)
# Devices that a rollout's version was offered to.
offers = Table(
    "offers",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("device", String, primary_key=True),
    Column("offered_ms", LARGE, nullable=False),
)
# The share of each rollout that is in effect, which may be less than the signed one.
stages = Table(
    "stages",
    metadata,
    Column("model", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("salt", String, nullable=False),
    Column("version", String, nullable=False),
    Column("share_bp", Integer, nullable=False),
    Column("signed_bp", Integer, nullable=False),  # the signed share that was judged last
    Column("since_ms", LARGE, nullable=False),
)
# Versions that are held back, until a person resumes them.
holds = Table(
    "holds",
    metadata,
    Column("model", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("kind", String, nullable=False),  # "halted" or "paused"
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("previous_sha256", String, nullable=False),
    Column("sha256", String, nullable=False),
)
