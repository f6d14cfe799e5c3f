"""What deciding who may ask takes, for each app."""

from dataclasses import dataclass

from apiflask import APIFlask
from flask import current_app

from serving.access.ring import KeyRing
from serving.context import get_database

_EXTENSION = "ghostlens_access"


@dataclass(frozen=True)
class _Access:
    key_ring: KeyRing


def attach_access(app: APIFlask) -> None:
    """Makes what looks keys up; the app's other services are there already."""
    with app.app_context():
        app.extensions[_EXTENSION] = _Access(KeyRing(get_database()))


def get_key_ring() -> KeyRing:
    """Returns what finds the keys of the app that answers now."""
    return _find().key_ring


def _find() -> _Access:
    access: _Access = current_app.extensions[_EXTENSION]
    return access
