import pytest
from sqlalchemy import select

from serving.access.caller import Key
from serving.access.keys import (
    Wish,
    create_key,
    find_key,
    list_keys,
    note_use,
    revoke_key,
    rotate_key,
)
from serving.access.tokens import hash_token, read_id
from serving.errors import KeyStoreError, SettingsError
from serving.state.audit import find_break, list_entries
from serving.state.database import Database, metadata

TILL = Wish("till", frozenset({"recognise", "pull"}), frozenset({"colours"}), 100, 9_000)


def dump(database: Database) -> list[str]:
    with database.read() as connection:
        tables = [connection.execute(select(table)).all() for table in metadata.tables.values()]
    return [str(row) for rows in tables for row in rows]


def test_a_key_is_found_by_its_id_and_its_token_is_kept_nowhere(database: Database) -> None:
    token = create_key(database, TILL, "ann", 1_000)
    key_id = read_id(token)
    assert key_id is not None
    stored = find_key(database, key_id)
    assert stored is not None
    assert stored.key == Key(key_id, "till", TILL.scopes, TILL.models, 100)
    assert stored.token_sha256 == hash_token(token)
    assert list_keys(database) == [stored]
    assert find_key(database, "till0000") is None
    for row in dump(database):
        assert token[13:] not in row


def test_a_key_ends_when_it_expires_or_is_revoked(database: Database) -> None:
    key_id = read_id(create_key(database, TILL, "ann", 1_000))
    assert key_id is not None
    stored = find_key(database, key_id)
    assert stored is not None
    assert stored.find_end(8_999) is None and stored.find_end(9_000) == "has expired"
    revoke_key(database, key_id, "lost", "ann", 2_000)
    stored = find_key(database, key_id)
    assert stored is not None and stored.find_end(2_001) == "was revoked"
    with pytest.raises(KeyStoreError, match="the key 'till' was revoked"):
        rotate_key(database, key_id, 0, "ann", 3_000)
    with pytest.raises(KeyStoreError, match="no key 'nobody'"):
        revoke_key(database, "nobody", "lost", "ann", 3_000)


def test_rotation_keeps_two_tokens_at_most(database: Database) -> None:
    first = create_key(database, TILL, "ann", 1_000)
    key_id = read_id(first)
    assert key_id is not None
    second = rotate_key(database, key_id, 500, "ann", 2_000)
    third = rotate_key(database, key_id, 500, "ann", 2_100)
    stored = find_key(database, key_id)
    assert stored is not None
    assert stored.token_sha256 == hash_token(third)
    assert (stored.former_sha256, stored.former_until_ms) == (hash_token(second), 2_600)


def test_each_decision_about_a_key_stands_in_the_audit_log(database: Database) -> None:
    key_id = read_id(create_key(database, TILL, "ann", 1_000))
    assert key_id is not None
    rotate_key(database, key_id, 500, "bob", 2_000)
    revoke_key(database, key_id, "lost", "cy", 3_000)
    with database.read() as connection:
        entries = list_entries(connection)
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("ann", "create key"),
        ("bob", "rotate key"),
        ("cy", "revoke key"),
    ]
    assert {entry.details["key"] for entry in entries} == {key_id}
    assert entries[0].details["scopes"] == ["pull", "recognise"]
    assert entries[2].reason == "lost"
    assert find_break(entries) is None


def test_use_is_noted_to_the_hour(database: Database) -> None:
    key_id = read_id(create_key(database, TILL, "ann", 1_000))
    assert key_id is not None
    for now_ms, since_ms, expected in ((5_000, 4_000, 5_000), (5_500, 4_500, 5_000)):
        note_use(database, key_id, now_ms, since_ms)
        stored = find_key(database, key_id)
        assert stored is not None and stored.used_ms == expected


def test_names_are_taken_once(database: Database) -> None:
    create_key(database, TILL, "ann", 1_000)
    with pytest.raises(KeyStoreError, match="there is a key 'till'"):
        create_key(database, TILL, "ann", 1_000)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"name": ""}, "1 to 100 printable"),
        ({"name": "till\nadmin"}, "1 to 100 printable"),
        ({"scopes": frozenset()}, "allowed are recognise, pull, report, publish, observe, admin"),
        ({"scopes": {"admin"}, "models": {"colours"}}, "about all models"),
        ({"photos_a_day": 0}, "photos_a_day is 0"),
    ],
)
def test_what_no_key_can_be(wish: dict[str, object], words: str) -> None:
    given = {"name": "till", "scopes": frozenset({"pull"})} | wish
    with pytest.raises(KeyStoreError, match=words):
        Wish(**given)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="no scope 'pul'"):
        Wish("till", frozenset({"pul"}))
