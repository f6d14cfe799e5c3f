"""Which tokens count, and what happens while the database does not answer."""

from pathlib import Path

import pytest

from serving.access import ring as ring_module
from serving.access.keys import StoredKey, Wish, create_key, find_key, revoke_key, rotate_key
from serving.access.ring import FRESH_S, STALE_S, KeyRing
from serving.access.tokens import make_token, read_id
from serving.errors import KeyNeededError, StateError
from serving.state.database import Database

TILL = Wish("till", frozenset({"recognise"}), expires_ms=10_000_000)


class Clock:
    """A time that tests set, in both of a ring's units."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def now_ms(self) -> int:
        return int(self.s * 1000)


class BreakableDatabase(Database):
    """One whose server can be taken away."""

    broken = False
    asked = 0

    def read(self):  # type: ignore[no-untyped-def]
        self.asked += 1
        if self.broken:
            raise StateError("the state: no answer")
        return super().read()

    def write(self):  # type: ignore[no-untyped-def]
        if self.broken:
            raise StateError("the state: no answer")
        return super().write()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> BreakableDatabase:
    return BreakableDatabase(tmp_path / "state")


@pytest.fixture
def token(database: BreakableDatabase, clock: Clock) -> str:
    return create_key(database, TILL, "ann", clock.now_ms())


@pytest.fixture
def ring(database: BreakableDatabase, clock: Clock) -> KeyRing:
    return KeyRing(database, clock.now_ms, lambda: clock.s)


def find_id(token: str) -> str:
    found = read_id(token)
    assert found is not None
    return found


def test_a_token_gives_its_key(ring: KeyRing, token: str) -> None:
    assert ring.find(token).name == "till"


def test_another_secret_of_the_same_key_does_not_count(ring: KeyRing, token: str) -> None:
    ring.find(token)
    with pytest.raises(KeyNeededError, match=r"the key \w+ is not known, or was rotated"):
        ring.find(make_token(find_id(token)))
    with pytest.raises(KeyNeededError, match="is it whole"):
        ring.find(token[:-1])


def test_a_new_key_counts_at_once_though_it_was_asked_for_before(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    with pytest.raises(KeyNeededError):
        ring.find(make_token("soon0000"))
    second = create_key(database, Wish("soon", frozenset({"pull"})), "ann", clock.now_ms())
    assert ring.find(second).name == "soon"


def test_the_database_is_asked_once_in_two_seconds(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    for _ in range(100):
        ring.find(token)
    asked = database.asked
    clock.s += FRESH_S
    ring.find(token)
    assert (asked, database.asked) == (1, 2)


def test_a_revoked_key_stops_within_two_seconds(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    ring.find(token)
    revoke_key(database, find_id(token), "lost", "ann", clock.now_ms())
    clock.s += FRESH_S
    with pytest.raises(KeyNeededError, match="was revoked"):
        ring.find(token)


def test_a_key_that_was_seen_revoked_does_not_count_again_for_who_asked_before_and_is_slower(
    ring: KeyRing,
    token: str,
    database: BreakableDatabase,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_slowly(database: Database, key_id: str) -> StoredKey | None:
        monkeypatch.undo()
        stored = find_key(database, key_id)
        revoke_key(database, key_id, "lost", "ann", clock.now_ms())
        clock.s += 0.1
        with pytest.raises(KeyNeededError, match="was revoked"):
            ring.find(token)
        return stored

    monkeypatch.setattr(ring_module, "find_key", find_slowly)
    ring.find(token)
    with pytest.raises(KeyNeededError, match="was revoked"):
        ring.find(token)


def test_a_rotated_token_counts_until_its_overlap_ends_though_nobody_asks_the_database(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    new = rotate_key(database, find_id(token), 1_500, "ann", clock.now_ms())
    assert ring.find(token) == ring.find(new)
    clock.s += 1.5
    assert ring.find(new).name == "till"
    with pytest.raises(KeyNeededError, match="was rotated"):
        ring.find(token)


def test_a_key_expires_though_the_database_is_gone(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    clock.s = 9_999.0
    ring.find(token)
    database.broken = True
    clock.s = 10_000.0
    with pytest.raises(KeyNeededError, match="has expired"):
        ring.find(token)


def test_a_database_that_does_not_answer_opens_no_door(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    database.broken = True
    with pytest.raises(StateError):
        ring.find(token)


def test_a_key_that_was_seen_outlives_a_short_outage_and_no_long_one(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    ring.find(token)
    database.broken = True
    clock.s += STALE_S - 1
    assert ring.find(token).name == "till"
    with pytest.raises(KeyNeededError):
        ring.find(make_token(find_id(token)))
    clock.s += 1
    with pytest.raises(StateError):
        ring.find(token)
    database.broken = False
    clock.s += 1
    assert ring.find(token).name == "till"


def test_a_database_that_does_not_answer_is_asked_once_a_second(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    database.broken = True
    for _ in range(100):
        with pytest.raises(StateError):
            ring.find(token)
    assert database.asked == 1


def test_the_use_of_a_key_is_noted_once_an_hour(
    ring: KeyRing, token: str, database: BreakableDatabase, clock: Clock
) -> None:
    seen = []
    for _ in range(3):
        ring.find(token)
        stored = find_key(database, find_id(token))
        assert stored is not None
        seen.append(stored.used_ms)
        clock.s += 1_900
    assert seen == [1_000_000, 1_000_000, 4_800_000]
