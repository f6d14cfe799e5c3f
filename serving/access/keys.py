"""API keys in the database: made, listed, rotated, revoked; each of it stands in the audit log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection

from serving.access.caller import Key
from serving.access.scopes import ADMIN, OBSERVE, SCOPES, check_scopes
from serving.access.tables import keys
from serving.access.tokens import hash_token, hide_tokens, make_id, make_token
from serving.errors import KeyStoreError
from serving.state.audit import append
from serving.state.database import Database

MOST_NAME_CHARS = 100


@dataclass(frozen=True)
class StoredKey:
    """A key as it is kept; times in milliseconds since 1970.

    Attributes:
        key: what it is and may do.
        token_sha256: of its token.
        former_sha256: of the token before the last rotation.
        former_until_ms: until when that one counts.
        created_ms: when it was made.
        expires_ms: from when on it does not count; None for never.
        used_ms: about when it was last used, to the hour.
        revoked_ms: when it was revoked.
    """

    key: Key
    token_sha256: str
    former_sha256: str | None
    former_until_ms: int | None
    created_ms: int
    expires_ms: int | None
    used_ms: int | None
    revoked_ms: int | None

    def find_end(self, now_ms: int) -> str | None:
        """Returns why it does not count any more, or None where it does."""
        if self.revoked_ms is not None:
            return "was revoked"
        if self.expires_ms is not None and self.expires_ms <= now_ms:
            return "has expired"
        return None


@dataclass(frozen=True)
class Wish:
    """What a new key shall be; see `Key`, and `StoredKey` for when it expires.

    Raises:
        KeyStoreError: it cannot be so; the message says what is allowed.
    """

    name: str
    scopes: frozenset[str]
    models: frozenset[str] = frozenset()
    photos_a_day: int | None = None
    expires_ms: int | None = None

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not 0 < len(self.name.strip()) <= MOST_NAME_CHARS:
            raise KeyStoreError(f"a key's name has 1 to {MOST_NAME_CHARS} printable characters")
        if not self.scopes:
            raise KeyStoreError(f"a key needs a scope: allowed are {', '.join(SCOPES)}")
        check_scopes(self.scopes)
        if self.models and self.scopes & {ADMIN, OBSERVE}:
            raise KeyStoreError(
                f"{ADMIN} and {OBSERVE} are about all models: such a key cannot be for "
                f"{', '.join(sorted(self.models))} alone"
            )
        if self.photos_a_day is not None and self.photos_a_day < 1:
            raise KeyStoreError(f"photos_a_day is {self.photos_a_day}: allowed are 1 and more")


def create_key(database: Database, wish: Wish, actor: str, now_ms: int) -> str:
    """Makes a key.

    Args:
        database: where it is kept.
        wish: what it shall be.
        actor: who makes it, for the audit log.
        now_ms: the time.

    Returns:
        Its token, which is kept nowhere.

    Raises:
        KeyStoreError: there is a key of that name.
        StateError: see `Database.write`.
    """
    key_id = make_id()
    token = make_token(key_id)
    with database.write() as connection:
        if connection.execute(select(keys.c.id).where(keys.c.name == wish.name)).first():
            raise KeyStoreError(
                f"there is a key {wish.name!r}; each has a name of its own, also after it was "
                "revoked"
            )
        row = {
            "id": key_id,
            "name": wish.name,
            "scopes": json.dumps(sorted(wish.scopes)),
            "models": json.dumps(sorted(wish.models)),
            "photos_a_day": wish.photos_a_day,
            "token_sha256": hash_token(token),
            "created_ms": now_ms,
            "expires_ms": wish.expires_ms,
        }
        connection.execute(insert(keys).values(row))
        details = {
            "scopes": sorted(wish.scopes),
            "models": sorted(wish.models),
            "photos_a_day": wish.photos_a_day,
            "expires_ms": wish.expires_ms,
        }
        _note(connection, actor, "create key", key_id, wish.name, details=details)
    return token


def list_keys(database: Database) -> list[StoredKey]:
    """Returns all keys, the oldest first.

    Raises:
        StateError: see `Database.read`.
    """
    with database.read() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.created_ms, keys.c.id)).all()
    return [_read(row) for row in rows]


def find_key(database: Database, key_id: str) -> StoredKey | None:
    """Returns the key of that id, or None.

    Raises:
        StateError: see `Database.read`.
    """
    with database.read() as connection:
        row = connection.execute(select(keys).where(keys.c.id == key_id)).first()
    return None if row is None else _read(row)


def rotate_key(database: Database, key_id: str, overlap_ms: int, actor: str, now_ms: int) -> str:
    """Gives a key a new token; the one before counts on for a while.

    A token that was rotated away earlier stops at once: two count at most.

    Args:
        database: where it is kept.
        key_id: its id.
        overlap_ms: for how long the token before still counts.
        actor: who does it, for the audit log.
        now_ms: the time.

    Returns:
        The new token.

    Raises:
        KeyStoreError: there is no such key, or it does not count any more.
        StateError: see `Database.write`.
    """
    token = make_token(key_id)
    with database.write() as connection:
        found = _find_live(connection, key_id, now_ms)
        change = {
            "token_sha256": hash_token(token),
            "former_sha256": found.token_sha256,
            "former_until_ms": now_ms + overlap_ms,
        }
        connection.execute(update(keys).where(keys.c.id == key_id).values(change))
        _note(
            connection,
            actor,
            "rotate key",
            key_id,
            found.key.name,
            details={"overlap_ms": overlap_ms},
        )
    return token


def revoke_key(database: Database, key_id: str, reason: str, actor: str, now_ms: int) -> Key:
    """Makes a key count no more, for ever.

    Returns:
        The key.

    Raises:
        KeyStoreError: there is no such key, or it does not count any more.
        StateError: see `Database.write`.
    """
    with database.write() as connection:
        found = _find_live(connection, key_id, now_ms)
        change = update(keys).where(keys.c.id == key_id).values(revoked_ms=now_ms)
        connection.execute(change)
        _note(connection, actor, "revoke key", key_id, found.key.name, reason)
    return found.key


def note_use(database: Database, key_id: str, now_ms: int, unless_since_ms: int) -> None:
    """Notes that a key was used, unless that is noted since.

    Raises:
        StateError: see `Database.write`.
    """
    old = keys.c.used_ms.is_(None) | (keys.c.used_ms < unless_since_ms)
    with database.write() as connection:
        connection.execute(update(keys).where(keys.c.id == key_id, old).values(used_ms=now_ms))


def _find_live(connection: Connection, key_id: str, now_ms: int) -> StoredKey:
    row = connection.execute(select(keys).where(keys.c.id == key_id)).first()
    if row is None:
        raise KeyStoreError(f"no key {hide_tokens(key_id)!r}; `serving keys list` shows their ids")
    found = _read(row)
    end = found.find_end(now_ms)
    if end is not None:
        raise KeyStoreError(f"the key {found.key.name!r} {end}")
    return found


def _read(row: Row[Any]) -> StoredKey:
    key = Key(
        row.id,
        row.name,
        frozenset(json.loads(row.scopes)),
        frozenset(json.loads(row.models)),
        row.photos_a_day,
    )
    own = ("token_sha256", "former_sha256", "former_until_ms")
    times = ("created_ms", "expires_ms", "used_ms", "revoked_ms")
    return StoredKey(key, **{name: row._mapping[name] for name in (*own, *times)})


def _note(
    connection: Connection,
    actor: str,
    action: str,
    key_id: str,
    name: str,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    append(connection, actor, action, "", "", reason, key=key_id, name=name, **(details or {}))
