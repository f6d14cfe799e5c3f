"""Recognises photos with published versions: with the cloud model where a version has one."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from conversion.errors import ArtifactError
from conversion.runners import LiteRtRunner
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import SERVER_RUNTIME
from mobile_assets.recognise import Recognition, rank_answers
from mobile_assets.released import ReleasedModel
from mobile_assets.selftest import ask_golden
from serving.errors import BusyError, NoArtifactError, RepositoryError
from serving.storage import Storage
from training.files import sha256_bytes

_BEST_PRECISION = "fp32"


@dataclass(frozen=True)
class Answered:
    """What the server says of a photo.

    Attributes:
        found: the answers.
        answered_by: "cloud" or "device": which network of the release answered.
        architecture: of that network.
        timings_ms: milliseconds by stage: waiting for a place, loading the model, preparing the
            photo, running the model, and in total.
    """

    found: Recognition
    answered_by: str
    architecture: str
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class _Loaded:
    manifest: Manifest
    model: ReleasedModel
    artifact: BundledArtifact
    runner: LiteRtRunner
    # The interpreter keeps its tensors between calls: one call at a time.
    lock: threading.Lock = field(default_factory=threading.Lock)


class Engine:
    """Answers for photos; versions are loaded when they are asked for. Safe to use from threads."""

    def __init__(
        self, storage: Storage, models_in_memory: int, recognise_at_once: int, wait_s: float
    ) -> None:
        self._storage = storage
        self._models_in_memory = models_in_memory
        self._places = threading.BoundedSemaphore(recognise_at_once)
        self._wait_s = wait_s
        self._loaded: OrderedDict[tuple[str, str], _Loaded] = OrderedDict()
        self._faults: dict[tuple[str, str], str] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()

    def recognise(self, model: str, version: str, photo: bytes, top_k: int) -> Answered:
        """Recognises a photo.

        Args:
            model: name of a published model.
            version: one of its versions.
            photo: bytes of the photo's file.
            top_k: number of answers; fewer where the model has fewer labels.

        Raises:
            PhotoError: not a readable photo, or too large.
            BusyError: no place became free in time.
            NoArtifactError: the version has nothing that runs here.
            RepositoryError: the artifact is damaged, or does not answer its golden photos as
                it should.
        """
        clock = _Clock()
        with self._place():
            clock.stop("wait")
            loaded = self._find(model, version)
            clock.stop("load")
            x_hwc = loaded.model.preprocess.read(photo)
            clock.stop("prepare")
            with loaded.lock:
                given = loaded.runner.answer(x_hwc[np.newaxis])
            clock.stop("run")
        clock.finish()
        found = rank_answers(loaded.manifest, loaded.artifact, given, top_k)
        return Answered(found, loaded.model.place, loaded.model.architecture, clock.timings_ms)

    def find_problems(self, versions: Mapping[str, str]) -> list[str]:
        """Returns, in words, what could not be loaded when it was last asked for.

        Args:
            versions: model -> version: those of interest.
        """
        with self._lock:
            return [self._faults[key] for key in versions.items() if key in self._faults]

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_s):
            raise BusyError(f"no place became free within {self._wait_s} s; try again")
        try:
            yield
        finally:
            self._places.release()

    def _find(self, model: str, version: str) -> _Loaded:
        key = model, version
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        with self._load_lock:  # two requests for a new version load it once
            with self._lock:
                if key in self._loaded:
                    return self._loaded[key]
            try:
                # Of the same signed bytes it would fail again, at the cost of eight photos.
                if key in self._failed:
                    raise RepositoryError(self._failed[key])
                loaded = self._load(model, version)
            except RepositoryError as error:
                with self._lock:
                    self._faults[key] = str(error)
                raise
            with self._lock:
                self._faults.pop(key, None)
                self._loaded[key] = loaded
                while len(self._loaded) > self._models_in_memory:
                    self._loaded.popitem(last=False)
            return loaded

    def _load(self, name: str, version: str) -> _Loaded:
        manifest = self._storage.read_manifest(name, version)
        model = manifest.fallback
        artifact = choose_artifact(manifest)
        runner = self._open(manifest, artifact)
        report = ask_golden(
            manifest.labels,
            model,
            artifact,
            runner,
            lambda path: self._storage.read_file(name, version, path),
        )
        if report.executed and not report.passed:
            fault = f"{name} {version} failed its self-test: {report.describe()}"
            self._failed[name, version] = fault
            raise RepositoryError(fault)
        return _Loaded(manifest, model, artifact, runner)

    def _open(self, manifest: Manifest, artifact: BundledArtifact) -> LiteRtRunner:
        where = f"{manifest.model} {manifest.version}: {artifact.path}"
        # From verified bytes, not from a path: what was checked is what runs.
        data = self._storage.read_file(manifest.model, manifest.version, artifact.path)
        if sha256_bytes(data) != artifact.file.sha256:
            raise RepositoryError(f"{where} is signed, but is not the file that its manifest names")
        try:
            runner = LiteRtRunner(data)
        except ArtifactError as error:
            raise RepositoryError(f"{where}: {error}") from error
        if runner.labels is not None and runner.labels != manifest.labels.names:
            raise RepositoryError(f"{where} holds other labels than its manifest")
        return runner


def choose_artifact(manifest: Manifest) -> BundledArtifact:
    """Returns the artifact to answer with: of the cloud model where there is one.

    Of several the one of the highest precision: a fallback should beat the phone.

    Raises:
        NoArtifactError: there is none that this server runs.
    """
    artifacts = manifest.fallback.artifacts
    found = [artifact for artifact in artifacts if artifact.runtime == SERVER_RUNTIME]
    if not found:
        has = ", ".join(sorted({artifact.runtime for artifact in artifacts}))
        raise NoArtifactError(
            f"{manifest.model} {manifest.version} has no {SERVER_RUNTIME} artifact, which this "
            f"server needs to recognise; it has: {has}"
        )
    return next((artifact for artifact in found if artifact.precision == _BEST_PRECISION), found[0])


class _Clock:
    """Takes the time between calls of `stop`, in milliseconds."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def finish(self) -> None:
        """Adds the total."""
        self.timings_ms["total"] = round(sum(self.timings_ms.values()), 3)

    def stop(self, name: str) -> None:
        now_s = time.perf_counter()
        self.timings_ms[name] = round(1000 * (now_s - self._last_s), 3)
        self._last_s = now_s
