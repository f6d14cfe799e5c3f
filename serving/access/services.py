"""What deciding who may ask takes, for each app."""

from dataclasses import dataclass

from apiflask import APIFlask
from flask import current_app

from serving.access.counters import Counters
from serving.access.limiting import Limiter
from serving.access.ring import KeyRing
from serving.context import get_database, get_settings

_EXTENSION = "ghostlens_access"


@dataclass(frozen=True)
class _Access:
    key_ring: KeyRing
    limiter: Limiter


def attach_access(app: APIFlask) -> None:
    """Makes what looks keys up and counts requests; the app's other services are there already."""
    with app.app_context():
        settings = get_settings()
        counters = Counters(settings.state_place)
        limiter = Limiter(counters, settings.key_limits, settings.address_limits)
        app.extensions[_EXTENSION] = _Access(KeyRing(get_database()), limiter)


def get_key_ring() -> KeyRing:
    """Returns what finds the keys of the app that answers now."""
    return _find().key_ring


def get_limiter() -> Limiter:
    """Returns what counts the requests of the app that answers now."""
    return _find().limiter


def _find() -> _Access:
    access: _Access = current_app.extensions[_EXTENSION]
    return access
