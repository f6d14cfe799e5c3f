"""Model versions in memory: loaded when they are asked for, kept by use within a limit of bytes."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from conversion.errors import ArtifactError
from conversion.runners import LiteRtRunner
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.selftest import ask_golden
from serving.errors import RepositoryError
from serving.inference.choosing import choose_artifact
from serving.inference.places import Ticket
from serving.inference.versions import Pixels, Version
from serving.observing import metrics
from serving.storage import Storage
from training.answers import Answers
from training.files import sha256_bytes

# Beside the file itself: its weights as XNNPACK packs them, and the tensors between the layers.
# Measured in docs/serving.md.
_BYTES_PER_FILE_BYTE = 2
_BYTES_BESIDE = 16 << 20


@dataclass(frozen=True)
class LoadedVersion(Version):
    """A version that answers in this process.

    Attributes:
        runner: runs the artifact.
        lock: the interpreter keeps its tensors between calls: one call at a time.
    """

    runner: LiteRtRunner
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size_bytes(self) -> int:
        """About what it takes of memory."""
        return estimate_bytes(self.artifact)

    def answer(self, ticket: Ticket, x_nhwc: Pixels) -> Answers:
        """Answers for pixels, in the place that the ticket holds; see `Version`."""
        if len(x_nhwc) == 1:
            ticket.check()
            return self._answer_one(x_nhwc)
        parts = []
        for index in range(len(x_nhwc)):
            ticket.check()
            parts.append(self._answer_one(x_nhwc[index : index + 1]))
        return Answers.concatenate(parts)

    def _answer_one(self, x_nhwc: Pixels) -> Answers:
        with self.lock:
            if x_nhwc.dtype == np.uint8:
                return self.runner.answer(x_nhwc.astype(np.uint8, copy=False))
            return self.runner.answer_floats(x_nhwc.astype(np.float32, copy=False))


def estimate_bytes(artifact: BundledArtifact) -> int:
    """Returns about what a version takes of memory that answers with this file."""
    return _BYTES_PER_FILE_BYTE * artifact.file.size_bytes + _BYTES_BESIDE


class LoadedVersions:
    """Those that were used last. Safe to use from threads.

    A version that is dropped, or replaced by a newer release, goes on answering the requests that
    already hold it.
    """

    def __init__(self, storage: Storage, memory_bytes: int) -> None:
        """Starts with none.

        Args:
            storage: where the versions come from.
            memory_bytes: what they may take together; one always stays, however large.
        """
        self._storage = storage
        self._memory_bytes = memory_bytes
        self._loaded: OrderedDict[tuple[str, str], LoadedVersion] = OrderedDict()
        self._faults: dict[tuple[str, str], str] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._load_lock = threading.Lock()

    def find(self, model: str, version: str) -> LoadedVersion:
        """Returns a version, loading it where it is not in memory.

        Raises:
            NoArtifactError: the version has nothing that runs here.
            RepositoryError: the artifact is damaged, or does not answer its golden photos as
                it should.
        """
        key = model, version
        found = self._look_up(key)
        if found is not None:
            return found
        with self._load_lock:  # two requests for a new version load it once
            found = self._look_up(key)
            if found is not None:
                return found
            try:
                # Of the same signed bytes it would fail again, at the cost of eight photos.
                if key in self._failed:
                    raise RepositoryError(self._failed[key])
                begun_s = time.perf_counter()
                loaded = self._load(model, version)
            except RepositoryError as error:
                with self._lock:
                    self._faults[key] = str(error)
                metrics.LOADS.labels(model, version, "failed").inc()
                raise
            _note_loaded(model, version, time.perf_counter() - begun_s)
            self._keep(key, loaded)
            return loaded

    def preload(self, model: str, version: str) -> bool:
        """Loads a version where none has to be dropped for it; the first one always fits.

        Returns:
            Whether it is in memory now.

        Raises:
            NoArtifactError: see `find`; likewise RepositoryError.
        """
        artifact = choose_artifact(self._storage.read_manifest(model, version))
        with self._lock:
            taken = sum(other.size_bytes for other in self._loaded.values())
            fits = not self._loaded or taken + estimate_bytes(artifact) <= self._memory_bytes
        if fits:
            self.find(model, version)
        return fits

    def list_loaded(self) -> list[tuple[str, str]]:
        """Returns the models and versions in memory, those last that were used last."""
        with self._lock:
            return list(self._loaded)

    def find_problems(self, versions: Mapping[str, str]) -> list[str]:
        """Returns, in words, what could not be loaded when it was last asked for.

        Args:
            versions: model -> version: those of interest.
        """
        with self._lock:
            return [self._faults[key] for key in versions.items() if key in self._faults]

    def _look_up(self, key: tuple[str, str]) -> LoadedVersion | None:
        with self._lock:
            found = self._loaded.get(key)
            if found is not None:
                self._loaded.move_to_end(key)
            return found

    def _keep(self, key: tuple[str, str], loaded: LoadedVersion) -> None:
        with self._lock:
            self._faults.pop(key, None)
            self._loaded[key] = loaded
            metrics.VERSION_BYTES.labels(*key).set(loaded.size_bytes)
            taken = sum(other.size_bytes for other in self._loaded.values())
            while taken > self._memory_bytes and len(self._loaded) > 1:
                dropped, oldest = self._loaded.popitem(last=False)
                taken -= oldest.size_bytes
                metrics.VERSION_BYTES.labels(*dropped).set(0)

    def _load(self, name: str, version: str) -> LoadedVersion:
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
        return LoadedVersion(manifest, artifact, runner)

    def _open(self, manifest: Manifest, artifact: BundledArtifact) -> LiteRtRunner:
        where = f"{manifest.model} {manifest.version}: {artifact.path}"
        # From verified bytes, not from a path: what was checked is what runs.
        data = self._storage.read_file(manifest.model, manifest.version, artifact.path)
        if sha256_bytes(data) != artifact.file.sha256:
            raise RepositoryError(f"{where} is signed, but is not the file that its manifest names")
        try:
            # One thread: processes share out the cores, and two threads do not halve the time.
            runner = LiteRtRunner(data, threads=1)
        except ArtifactError as error:
            raise RepositoryError(f"{where}: {error}") from error
        if runner.labels is not None and runner.labels != manifest.labels.names:
            raise RepositoryError(f"{where} holds other labels than its manifest")
        return runner


def _note_loaded(model: str, version: str, took_s: float) -> None:
    metrics.LOADS.labels(model, version, "loaded").inc()
    metrics.LOAD_SECONDS.labels(model).observe(took_s)
    logging.getLogger("serving").info("%s %s loaded in %.2f s", model, version, took_s)
