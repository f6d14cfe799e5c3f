"""How often may be asked: windows of requests, and photos a day."""

import ipaddress
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, g

from serving.access.caller import Key
from serving.access.counters import Counters, Window
from serving.access.rates import Rate, of_day
from serving.errors import QuotaError, StateError
from serving.state.pause import Pause

PHOTOS = "photos"
# Who has a whole /64 has 2^64 addresses, and every customer of an IPv6 network has one.
_IPV6_PREFIX = 64
_STANDINGS, _RESERVED, _RECOGNISED = "ghostlens_standings", "ghostlens_reserved", "ghostlens_photos"


@dataclass(frozen=True)
class Standing:
    """How far a limit is used.

    Attributes:
        policy: its name: a scope, "photos" or "refused".
        quota: what is allowed in a window.
        window_s: how long that is, in seconds.
        remaining: what is left of it.
        reset_s: when the next window begins, in seconds from now.
    """

    policy: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int


class Limiter:
    """Counts requests and photos. Safe to use from several threads, processes and machines.

    A database that does not answer limits nobody: places and lines bound what a server takes on
    in any case, and staff at a counter should not wait for a counter.
    """

    def __init__(
        self,
        counters: Counters,
        of_keys: Mapping[str, Rate],
        of_addresses: Mapping[str, Rate],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Counts nothing yet.

        Args:
            counters: where is counted.
            of_keys: scope -> what each key may; a scope that is missing has no limit.
            of_addresses: scope, or "refused" -> what each client without a key may.
            clock_s: the time, in seconds.
        """
        self._counters, self._of_keys, self._of_addresses = counters, of_keys, of_addresses
        self._pause = Pause(clock_s)

    def count_request(self, scope: str, key: Key | None, address: str) -> None:
        """Counts a request, of a key or else of a client's address.

        Args:
            scope: what it needs; or "refused", where its key was none.
            key: whose it is.
            address: where it comes from.

        Raises:
            QuotaError: there were too many.
        """
        limits = self._of_addresses if key is None else self._of_keys
        rate = limits.get(scope)
        if rate is not None:
            whose = find_network(address) if key is None else key.id
            self._count(scope, rate, whose, 1)

    def reserve_photo(self, key: Key) -> None:
        """Counts a photo of a key that may have so many a day; `settle` corrects that.

        Raises:
            QuotaError: it had as many today.
        """
        if key.photos_a_day is None:
            return
        rate = of_day(key.photos_a_day)
        if self._count(PHOTOS, rate, key.id, 1):
            setattr(g, _RESERVED, (rate, key.id))

    def settle(self) -> None:
        """Counts as many photos as the request at hand had recognised, if none, none."""
        reserved: tuple[Rate, str] | None = g.pop(_RESERVED, None)
        difference = g.get(_RECOGNISED, 0) - 1
        if reserved is None or difference == 0:
            return
        rate, key_id = reserved
        self._add(PHOTOS, rate, key_id, difference)

    def _count(self, policy: str, rate: Rate, whose: str, amount: int) -> bool:
        """Counts, and tells whether it was counted."""
        window = self._add(policy, rate, whose, amount)
        if window is None or window.number <= rate.number:
            return window is not None
        if policy == PHOTOS:
            self._add(policy, rate, whose, -amount)
        what = "photos recognised" if policy == PHOTOS else f"requests ({policy})"
        raise QuotaError(
            f"too many: allowed are {rate.number} {what} in {rate.window_s} s",
            policy,
            find_standings()[policy].reset_s,
        )

    def _add(self, policy: str, rate: Rate, whose: str, amount: int) -> Window | None:
        if self._pause.find_failure() is not None:
            return None
        name = f"{policy} {whose} {rate.window_s}"
        try:
            window = self._counters.add(name, rate.window_s, amount)
        except StateError as error:
            self._pause.begin(error)
            logging.getLogger("serving").error("nothing is limited now: %s", error)
            return None
        left = max(0, rate.number - window.number)
        reset_s = max(1, math.ceil(window.until_ms / 1000 - time.time()))
        find_standings()[policy] = Standing(policy, rate.number, rate.window_s, left, reset_s)
        return window


def note_photo() -> None:
    """Notes that a photo of the request at hand was recognised."""
    setattr(g, _RECOGNISED, g.get(_RECOGNISED, 0) + 1)


def find_standings() -> dict[str, Standing]:
    """Returns how far the limits are used that the request at hand counts for, by name."""
    standings: dict[str, Standing] = g.setdefault(_STANDINGS, {})
    return standings


def add_fields(response: Response) -> None:
    """Tells in an answer what the limits are (draft-ietf-httpapi-ratelimit-headers-10)."""
    standings = find_standings().values()
    if standings:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{x.policy}";q={x.quota};w={x.window_s}' for x in standings
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{x.policy}";r={x.remaining};t={x.reset_s}' for x in standings
        )


def find_network(address: str) -> str:
    """Returns what stands for a client: its IPv4 address, or the /64 of its IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"  # as of a client on a socket of Unix
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found.packed, _IPV6_PREFIX), strict=False))
    return str(found)
