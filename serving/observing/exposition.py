"""`/metrics`: what was counted, and how the repository and the rollouts stand now."""

from collections.abc import Iterator
from pathlib import Path

from apiflask import APIBlueprint
from flask import Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serving.access import needs
from serving.access.scopes import OBSERVE
from serving.context import get_rollouts, get_storage
from serving.errors import NotReadyError, StateError
from serving.observing import metrics, processes
from serving.rollouts import Rollouts
from serving.storage import Catalogue, Storage

blueprint = APIBlueprint("observing", __name__, tag="Health")


@blueprint.get("/metrics")
@needs(OBSERVE)
@blueprint.doc(hide=True)
def show_metrics() -> Response:
    """Tell what Prometheus asks for, in its text format or in OpenMetrics."""
    return make_answer(request.headers.get("Accept", ""))


def make_answer(accept: str) -> Response:
    """Returns all metrics of the app at hand.

    Args:
        accept: which formats whoever asks reads, as in the header.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    if processes.shared is not None:
        registry.register(_OfProcesses(processes.shared.folder))
    else:
        registry.register(_Counted())
    registry.register(StateCollector(get_storage(), get_rollouts()))
    answer = Response(encode(registry), content_type=content_type)
    answer.headers["Cache-Control"] = "no-store"
    return answer


class _OfProcesses(Collector):
    """What all processes counted, in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        # A file that a process is just making is empty, which the library takes for damaged.
        files = [str(path) for path in self._folder.glob("*.db") if _has_bytes(path)]
        yield from MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # of a process that died
        return False


class _Counted(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from metrics.REGISTRY.collect()


class StateCollector(Collector):
    """Tells how the repository and the rollouts stand when it is asked."""

    def __init__(self, storage: Storage, rollouts: Rollouts) -> None:
        self._storage = storage
        self._rollouts = rollouts

    def describe(self) -> Iterator[Metric]:
        """Returns nothing: names are told by `collect`, which is called anyway."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics; those that cannot be read are left out."""
        problems = self._storage.find_problems()
        try:
            catalogue = self._storage.catalogue
        except NotReadyError:
            catalogue = None
        yield GaugeMetricFamily(
            "ghostlens_repository_verified",
            "Whether there is a verified release to answer from.",
            int(catalogue is not None),
        )
        yield GaugeMetricFamily(
            "ghostlens_repository_problems",
            "What is wrong with the repository; the last good state goes on answering.",
            len(problems),
        )
        if catalogue is not None:
            yield from _describe_catalogue(catalogue)
            yield from self._describe_holds(catalogue)

    def _describe_holds(self, catalogue: Catalogue) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            "ghostlens_version_held",
            "Versions that are halted or paused.",
            labels=("model", "version", "kind"),
        )
        try:
            for release in catalogue.releases.values():
                kinds, _ = self._rollouts.describe(release)
                for version, kind in kinds.items():
                    held.add_metric((release.model, version, kind), 1)
        except StateError:
            return  # counted in ghostlens_database_errors_total
        yield held


def _describe_catalogue(catalogue: Catalogue) -> Iterator[Metric]:
    expires = GaugeMetricFamily(
        "ghostlens_metadata_expires_timestamp_seconds",
        "When clients begin to refuse a role's metadata, in seconds since 1970.",
        labels=("role",),
    )
    for role, when in catalogue.state.expiries().items():
        expires.add_metric((role,), when.timestamp())
    yield expires
    current = GaugeMetricFamily(
        "ghostlens_current_version_info",
        "The current version of each channel.",
        labels=("model", "channel", "version"),
    )
    for model, release in catalogue.releases.items():
        for name, channel in release.channels.items():
            current.add_metric((model, name, channel.current), 1)
    yield current
