"""What is counted and measured; docs/observing.md says what each of it is good for.

Imported only by what answers requests: prometheus_client decides when it is imported, and metrics
when they are made, whether several processes share them. So no command imports this.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

from serving.observing import processes

if processes.shared is not None:
    # Asked at each use: this is imported before the processes are forked that get the slots. The
    # first process, which has none, counts nothing, and its files say so.
    _shared = processes.shared
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: "first" if _shared.slot is None else _shared.slot
    )

REGISTRY = CollectorRegistry()
# From a small photo on a fast core to the longest that a request may take.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DATABASE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
_LOAD_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def _count(name: str, words: str, *labels: str) -> Counter:
    return Counter(f"ghostlens_{name}", words, labels, registry=REGISTRY)


def _gauge(name: str, words: str, *labels: str) -> Gauge:
    # Of several processes those count that live.
    return Gauge(f"ghostlens_{name}", words, labels, registry=REGISTRY, multiprocess_mode="livesum")


def _measure(name: str, words: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"ghostlens_{name}", words, labels, registry=REGISTRY, buckets=buckets)


# Its `_count` tells requests by status; a counter of its own would cost each request once more.
REQUEST_SECONDS = _measure(
    "http_request_duration_seconds",
    "From a request's head to the end of its answer.",
    "method",
    "route",
    "status",
    buckets=_BUCKETS_S,
)
PROBLEMS = _count(
    "problems_total",
    "Answers that say that something went wrong, by kind: busy, slow-body, client-gone ...",
    "type",
)
STAGE_SECONDS = _measure(
    "recognise_stage_seconds",
    "Time of a photo by stage: wait for a place, load the version, prepare the photo, run it.",
    "stage",
    buckets=_BUCKETS_S,
)
PHOTOS = _count(
    "recognised_photos_total",
    "Photos that were recognised.",
    "model",
    "version",
    "answered_by",
    "verdict",
)
ADMITTED = _gauge(
    "recognise_admitted", "Requests that have a place, wait for one, or still send their photo."
)
PLACES_USED = _gauge("recognise_places_used", "Places where a photo is being recognised.")
PLACES = _gauge("recognise_places", "Places where photos are recognised.")
ADMITTED_LIMIT = _gauge("recognise_admitted_limit", "Requests that may be admitted.")
LOADS = _count(
    "model_loads_total", "Versions that were loaded, or failed to.", "model", "version", "outcome"
)
LOAD_SECONDS = _measure(
    "model_load_seconds", "Time to load and test a version.", "model", buckets=_LOAD_BUCKETS_S
)
VERSION_BYTES = _gauge(
    "model_version_bytes", "About what a version takes of memory.", "model", "version"
)
WORKERS = _gauge("workers", "Processes that answer requests.")
WORKERS_READY = _gauge("workers_ready", "Processes that have a current version in memory.")
REPORTS = _count("reports_total", "Devices' reports.", "model", "version", "event", "passed")
DEVICE_SCANS = _count(
    "device_scans_total", "Scans that devices say they made.", "model", "version", "verdict"
)
DRIFT = Gauge(
    "ghostlens_drift_effect",
    "How far the last seven days differ beyond chance, 0 to 1; see docs/dashboard.md.",
    ("model", "place", "subject", "against"),
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",  # whichever process looked last
)
DRIFT_ALARM = Gauge(
    "ghostlens_drift_alarm",
    "Whether that is an alarm: 1 or 0.",
    ("model", "place", "subject", "against"),
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
CORRECTIONS = _count("corrections_total", "Corrections that were taken.", "model")
TRANSACTION_SECONDS = _measure(
    "database_transaction_seconds",
    "Time of a transaction, the wait for its lock included.",
    "kind",
    buckets=_DATABASE_BUCKETS_S,
)
DATABASE_ERRORS = _count("database_errors_total", "Statements that failed.", "error")
