"""What the views share: one storage, one engine and one database for each app."""

from dataclasses import dataclass
from functools import partial

from apiflask import APIFlask
from flask import current_app

from serving.access.counters import Counters
from serving.access.limiting import Limiter
from serving.access.ring import KeyRing
from serving.corrections.keeping import KeptPhotos
from serving.dashboard.counting import Counting
from serving.dashboard.watch import Watch
from serving.inference.engine import Engine
from serving.inference.loaded import LoadedVersions
from serving.inference.places import Places
from serving.inference.versions import Versions
from serving.observing.readiness import Readiness
from serving.rollout_history import find_first_share
from serving.rollouts import Rollouts
from serving.rule import Rule
from serving.settings import Settings
from serving.state.database import Database
from serving.state.retention import Retention
from serving.storage import Storage

_EXTENSION = "ghostlens"


@dataclass(frozen=True)
class _Services:
    storage: Storage
    engine: Engine
    database: Database
    rollouts: Rollouts
    retention: Retention
    counting: Counting
    kept_photos: KeptPhotos
    watch: Watch
    settings: Settings
    readiness: Readiness
    key_ring: KeyRing
    limiter: Limiter


def attach_services(app: APIFlask, settings: Settings) -> None:
    """Makes the storage, the engine and the database of an app."""
    storage = Storage(settings.repository, settings.trusted_root, settings.files_url)
    places = Places(settings.recognise_at_once, settings.recognise_queue, settings.recognise_wait_s)
    engine = Engine(_make_versions(storage, settings), places)
    database = Database(settings.state_place, settings.database_connections)
    rule = Rule.from_settings(settings)
    rollouts = Rollouts(database, rule, partial(find_first_share, storage))
    retention = Retention(database, settings.keep_reports_days)
    watch = Watch(storage, database, bool(settings.server_takes_all))
    counting = Counting(database, settings.count_every_s, settings.keep_counts_days, watch.look)
    readiness = Readiness(storage, engine)
    photos = KeptPhotos.from_settings(database, settings)
    counters = Counters(settings.state_place)
    limiter = Limiter(counters, settings.key_limits, settings.address_limits)
    app.extensions[_EXTENSION] = _Services(
        storage,
        engine,
        database,
        rollouts,
        retention,
        counting,
        photos,
        watch,
        settings,
        readiness,
        KeyRing(database),
        limiter,
    )


def _make_versions(storage: Storage, settings: Settings) -> Versions:
    local = LoadedVersions(storage, settings.models_memory_mb << 20)
    if not settings.remote_url:
        return local
    # Only who asks another server needs what asks it.
    from serving.inference.remote import RemoteVersions
    from serving.inference.remote_line import RemoteLine

    return RemoteVersions(
        storage,
        RemoteLine(settings.remote_url, settings.remote_key, settings.threads),
        local,
        settings.remote_models,
        settings.remote_wait_s,
        bool(settings.remote_fallback),
    )


def get_storage() -> Storage:
    """Returns the storage of the app that answers now."""
    return _find_services().storage


def get_engine() -> Engine:
    """Returns the engine of the app that answers now."""
    return _find_services().engine


def get_database() -> Database:
    """Returns the database of the app that answers now."""
    return _find_services().database


def get_rollouts() -> Rollouts:
    """Returns what the app that answers now holds back."""
    return _find_services().rollouts


def get_retention() -> Retention:
    """Returns what deletes old reports of the app that answers now."""
    return _find_services().retention


def get_counting() -> Counting:
    """Returns what counts the scans of the app that answers now."""
    return _find_services().counting


def get_readiness() -> Readiness:
    """Returns whether the app that answers now may be sent requests."""
    return _find_services().readiness


def get_kept_photos() -> KeptPhotos:
    """Returns the photos of corrections of the app that answers now."""
    return _find_services().kept_photos


def get_key_ring() -> KeyRing:
    """Returns what finds the keys of the app that answers now."""
    return _find_services().key_ring


def get_limiter() -> Limiter:
    """Returns what counts the requests of the app that answers now."""
    return _find_services().limiter


def get_watch() -> Watch:
    """Returns what looks for drift in the app that answers now."""
    return _find_services().watch


def get_settings() -> Settings:
    """Returns the settings of the app that answers now."""
    return _find_services().settings


def _find_services() -> _Services:
    services: _Services = current_app.extensions[_EXTENSION]
    return services
