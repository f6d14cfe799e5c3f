"""Who asks: the key of the request at hand."""

from dataclasses import dataclass

from flask import g


@dataclass(frozen=True)
class Key:
    """Who asks.

    Attributes:
        id: the public part of the key.
        name: what its owner called it.
        scopes: what it may do.
    """

    id: str
    name: str
    scopes: frozenset[str]


def current_key() -> Key | None:
    """Returns the key of the request at hand, or None where it came without one."""
    key: Key | None = g.get("ghostlens_key")
    return key
