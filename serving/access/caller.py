"""Who asks: the key of the request at hand."""

from dataclasses import dataclass

from flask import g

from serving.access.scopes import ADMIN

# Who acts where the request has no key and nobody gave a name: in the audit log, and on pages.
NOBODY = "somebody without a key"
_KEY = "ghostlens_key"


@dataclass(frozen=True)
class Key:
    """An API key, without what makes it secret.

    Attributes:
        id: names it in lists and logs, and may be seen by anybody.
        name: what whoever made it called it.
        scopes: what it may do.
        models: the models that it may ask about; empty for all.
        photos_a_day: how many photos it may have recognised in a day; None for as many as it likes.
    """

    id: str
    name: str
    scopes: frozenset[str]
    models: frozenset[str] = frozenset()
    photos_a_day: int | None = None

    def allows(self, scope: str) -> bool:
        """Tells whether it has a scope; `admin` includes all."""
        return bool(self.scopes & {scope, ADMIN})


def current_key() -> Key | None:
    """Returns the key of the request at hand, or None where it came without one."""
    key: Key | None = g.get(_KEY)
    return key


def note_key(key: Key) -> None:
    """Makes a key the one of the request at hand."""
    setattr(g, _KEY, key)
