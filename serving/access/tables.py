"""The table of API keys."""

from sqlalchemy import Column, Integer, String, Table, Text

from serving.state.tables import LARGE, metadata

# Times are whole milliseconds since 1970; of tokens only the SHA-256 is kept.
keys = Table(
    "keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),  # JSON
    Column("models", Text, nullable=False),  # JSON; an empty list is all of them
    Column("photos_a_day", Integer),
    Column("token_sha256", String(64), nullable=False),
    Column("former_sha256", String(64)),  # what was rotated away, until
    Column("former_until_ms", LARGE),
    Column("created_ms", LARGE, nullable=False),
    Column("expires_ms", LARGE),
    Column("used_ms", LARGE),  # to the hour
    Column("revoked_ms", LARGE),
)
