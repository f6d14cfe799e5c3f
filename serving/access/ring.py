"""Looks keys up: in the database, and for moments in memory."""

import hmac
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from serving.access.caller import Key
from serving.access.keys import StoredKey, find_key, note_use
from serving.access.tokens import hash_token, read_id
from serving.errors import KeyNeededError, StateError
from serving.state.database import Database
from serving.state.pause import Pause
from serving.state.times import now_ms

# A key that was revoked, rotated or changed elsewhere is found out here after so long.
FRESH_S = 2.0
# While the database does not answer, what it said last counts for so long, and then nothing does.
# A key can only be revoked in that database, so that this opens no door that was shut, but to a
# server which alone cannot reach it.
STALE_S = 30.0
_USED_EVERY_MS = 3600 * 1000
_MOST_KEPT = 10_000


@dataclass(frozen=True)
class _Seen:
    stored: StoredKey
    at_s: float


class KeyRing:
    """Finds the key of a token. Safe to use from several threads; each process has its own."""

    def __init__(
        self,
        database: Database,
        now_ms: Callable[[], int] = now_ms,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Knows no key yet.

        Args:
            database: where keys are kept.
            now_ms: the time, in milliseconds since 1970.
            clock_s: for how long something is known, in seconds.
        """
        self._database, self._now_ms, self._clock_s = database, now_ms, clock_s
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()
        self._pause = Pause(clock_s)

    def find(self, token: str) -> Key:
        """Returns the key that a token is of.

        Raises:
            KeyNeededError: it is of none, or of one that does not count any more.
            StateError: the database does not answer, and did not for a while.
        """
        key_id = read_id(token)
        if key_id is None:
            raise KeyNeededError("what was sent as a key is none: is it whole?", is_wrong=True)
        stored = self._look_up(key_id)
        now_ms = self._now_ms()
        if stored is None or not _matches(stored, hash_token(token), now_ms):
            raise KeyNeededError(f"the key {key_id} is not known, or was rotated", is_wrong=True)
        end = stored.find_end(now_ms)
        if end is not None:
            raise KeyNeededError(f"the key {key_id} {end}", is_wrong=True)
        return stored.key

    def _look_up(self, key_id: str) -> StoredKey | None:
        seen, now_s = self._seen.get(key_id), self._clock_s()
        if seen is not None and now_s - seen.at_s < FRESH_S:
            return seen.stored
        try:
            stored = self._ask(key_id)
        except StateError:
            if seen is None or now_s - seen.at_s >= STALE_S:
                raise
            return seen.stored
        self._remember(key_id, stored, now_s)
        return stored

    def _ask(self, key_id: str) -> StoredKey | None:
        failure = self._pause.find_failure()
        if failure is not None:
            raise failure
        try:
            stored = find_key(self._database, key_id)
        except StateError as error:
            self._pause.begin(error)
            raise
        self._pause.end()
        return stored

    def _remember(self, key_id: str, stored: StoredKey | None, now_s: float) -> None:
        with self._lock:
            former = self._seen.get(key_id)
            if former is not None and former.at_s > now_s:
                return  # who asked later was faster, and may know that it was revoked
            self._seen.pop(key_id, None)
            if stored is None:
                return  # so that a key counts from the moment that it is made
            self._seen[key_id] = _Seen(stored, now_s)
            if len(self._seen) > _MOST_KEPT:
                self._seen.popitem(last=False)
        self._note_use(stored)

    def _note_use(self, stored: StoredKey) -> None:
        since_ms = self._now_ms() - _USED_EVERY_MS
        if stored.used_ms is not None and stored.used_ms >= since_ms:
            return
        try:
            note_use(self._database, stored.key.id, self._now_ms(), since_ms)
        except StateError as error:
            logging.getLogger("serving").error("the use of a key is not noted: %s", error)


def _matches(stored: StoredKey, sha256: str, now_ms: int) -> bool:
    """Compares in a time that tells nothing of where hashes differ."""
    if hmac.compare_digest(stored.token_sha256, sha256):
        return True
    if stored.former_sha256 is None or stored.former_until_ms is None:
        return False
    return hmac.compare_digest(stored.former_sha256, sha256) and now_ms < stored.former_until_ms
