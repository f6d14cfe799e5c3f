"""What the views share: one storage and one engine for each app."""

from dataclasses import dataclass

from apiflask import APIFlask
from flask import current_app

from serving.engine import Engine
from serving.settings import Settings
from serving.storage import Storage

_EXTENSION = "ghostlens"


@dataclass(frozen=True)
class _Services:
    storage: Storage
    engine: Engine


def attach_services(app: APIFlask, settings: Settings) -> None:
    """Makes the storage and the engine of an app."""
    storage = Storage(settings.repository, settings.trusted_root)
    engine = Engine(
        storage, settings.models_in_memory, settings.recognise_at_once, settings.recognise_wait_s
    )
    app.extensions[_EXTENSION] = _Services(storage, engine)


def get_storage() -> Storage:
    """Returns the storage of the app that answers now."""
    services: _Services = current_app.extensions[_EXTENSION]
    return services.storage


def get_engine() -> Engine:
    """Returns the engine of the app that answers now."""
    services: _Services = current_app.extensions[_EXTENSION]
    return services.engine
