"""Versions that another server of the Open Inference Protocol answers for: Triton, KServe, our own.

Photos are decoded here and answers judged here, by the release's temperature and thresholds: only
the network runs elsewhere. That it is the release's network there is checked by its golden photos.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from conversion.runners import PixelsNhwc
from mobile_assets.selftest import ask_golden
from serving.errors import RemoteError
from serving.inference.choosing import choose_artifact
from serving.inference.loaded import LoadedVersions
from serving.inference.places import Ticket
from serving.inference.remote_line import RemoteLine, RemoteModel
from serving.inference.versions import Pixels, Version
from serving.storage import Storage
from training.answers import Answers

# So often in a row a version may not be answered as it should, before nothing is sent for a while.
_FAILURES = 3
_PAUSE_S = 5
# After another network was found there, which a person has to put right.
_REFUSED_PAUSE_S = 60


@dataclass(frozen=True)
class RemoteVersion(Version):
    """A version that the other server answers for.

    Attributes:
        versions: those that it is one of.
        place: where the other server has it.
        at_a_time: how many photos it takes.
    """

    versions: "RemoteVersions"
    place: RemoteModel
    at_a_time: int

    def answer(self, ticket: Ticket, x_nhwc: Pixels) -> Answers:
        """Answers for pixels; here where the other server does not. See `Version`."""
        return self.versions.answer(self, ticket, x_nhwc)


@dataclass
class _Entry:
    """What is known of a version on the other server."""

    ready: RemoteVersion | None = None
    words: str = ""
    failures: int = 0
    again_at_s: float = 0.0
    checked: threading.Event = field(default_factory=threading.Event)
    check_lock: threading.Lock = field(default_factory=threading.Lock)


class RemoteVersions:
    """Those of another server; see `Versions`.

    A version is checked when it is first asked for. Where it then fails three times in a row it is
    left alone for five seconds and checked again, aside from requests: meanwhile this machine
    answers, or, where that was not wanted, nobody does.
    """

    def __init__(
        self,
        storage: Storage,
        line: RemoteLine,
        local: LoadedVersions,
        models: tuple[str, ...],
        wait_s: float,
        fall_back: bool,
    ) -> None:
        """Asks nothing yet.

        Args:
            storage: where the releases come from.
            line: to the other server.
            local: answers for the models that the other server has not.
            models: those that it has; all where none are named.
            wait_s: longest time of a call, in seconds.
            fall_back: whether `local` answers where the other server does not.
        """
        self._storage = storage
        self._line = line
        self._local = local
        self._models = models
        self._wait_s = wait_s
        self._fall_back = fall_back
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.Lock()

    def find(self, model: str, version: str) -> Version:
        """Returns a version, of here where the other server cannot be had; see `Versions`.

        Raises:
            RemoteError: the other server cannot be had, and nothing else may answer.
        """
        return self._find_there(model, version) or self._local.find(model, version)

    def answer(self, version: RemoteVersion, ticket: Ticket, x_nhwc: Pixels) -> Answers:
        """Asks the other server, and this one where that fails and may be done without."""
        entry = self._find_entry(version.manifest.model, version.manifest.version)
        ticket.check()
        ticket.give_place()
        try:
            answers = self._ask(version, x_nhwc, min(self._wait_s, ticket.left_s()))
        except RemoteError as error:
            ticket.check()  # who allowed too little time says nothing about the other server
            self._note_failure(entry, version, error)
            if not self._fall_back:
                raise self._tell(entry, str(error)) from error
        else:
            with self._lock:
                entry.failures = 0
            return answers
        with ticket.take_place():
            local = self._local.find(version.manifest.model, version.manifest.version)
            return local.answer(ticket, x_nhwc)

    def preload(self, model: str, version: str) -> bool:
        """Checks a version there, or loads it here; see `Versions`."""
        if self._find_there(model, version) is not None:
            return True
        return self._local.preload(model, version)

    def list_loaded(self) -> list[tuple[str, str]]:
        """Returns what is ready there or in memory here; see `Versions`."""
        with self._lock:
            ready = [key for key, entry in self._entries.items() if entry.ready is not None]
        return [*(key for key in self._local.list_loaded() if key not in ready), *ready]

    def find_problems(self, versions: Mapping[str, str]) -> list[str]:
        """Returns what is wrong there and here; see `Versions`."""
        with self._lock:
            found = [self._entries[key] for key in versions.items() if key in self._entries]
        words = [f"{self._line.host}: {entry.words}" for entry in found if entry.words]
        return words + self._local.find_problems(versions)

    def _find_entry(self, model: str, version: str) -> _Entry:
        with self._lock:
            found = self._entries.get((model, version))
        if found is None:
            self._storage.read_manifest(model, version)  # one that is not published leaves no entry
            with self._lock:
                found = self._entries.setdefault((model, version), _Entry())
        return found

    def _find_there(self, model: str, version: str) -> RemoteVersion | None:
        """Returns a version of the other server; None where this one is to answer."""
        if self._models and model not in self._models:
            return None
        try:
            return self._find_remote(model, version)
        except RemoteError:
            if not self._fall_back:
                raise
            return None

    def _find_remote(self, model: str, version: str) -> RemoteVersion:
        entry = self._find_entry(model, version)
        if (ready := entry.ready) is not None:
            return ready
        if time.monotonic() >= entry.again_at_s and entry.check_lock.acquire(blocking=False):
            threading.Thread(target=self._check, args=(entry, model, version), daemon=True).start()
        # Only the first check is worth waiting for: nothing is known yet.
        entry.checked.wait(self._wait_s)
        if (ready := entry.ready) is not None:
            return ready
        raise self._tell(entry, entry.words or "it is still being checked")

    def _check(self, entry: _Entry, model: str, version: str) -> None:
        """Makes a version ready, or says why it is not; runs in a thread of its own."""
        ready, words, pause_s = None, "", _PAUSE_S
        try:
            ready = self._open(model, version)
        except RemoteError as error:
            words, pause_s = str(error), max(_PAUSE_S, error.retry_after_s)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            words = f"it could not be checked: {type(error).__name__}"
        with self._lock:
            entry.ready, entry.words, entry.failures = ready, words, 0
            entry.again_at_s = time.monotonic() + pause_s
        entry.checked.set()
        entry.check_lock.release()

    def _open(self, model: str, version: str) -> RemoteVersion:
        end_s = time.monotonic() + self._wait_s
        manifest = self._storage.read_manifest(model, version)
        artifact = choose_artifact(manifest)
        place = self._line.find(model, version)
        classes, side_px = len(manifest.labels), manifest.fallback.preprocess.input_px
        at_a_time = self._line.describe(place, side_px, classes, self._wait_s)
        found = RemoteVersion(manifest, artifact, self, place, at_a_time)
        report = ask_golden(
            manifest.labels,
            manifest.fallback,
            artifact,
            _Asked(self, found, end_s),
            lambda path: self._storage.read_file(model, version, path),
        )
        if not report.passed:
            raise RemoteError(
                f"{model} {version} there is not the release's: {report.describe()}",
                _REFUSED_PAUSE_S,
            )
        return found

    def _ask(self, version: RemoteVersion, x_nhwc: Pixels, limit_s: float) -> Answers:
        end_s = time.monotonic() + limit_s
        classes, step = len(version.manifest.labels), version.at_a_time
        floats = x_nhwc.astype(np.float32, copy=False)
        return Answers.concatenate(
            self._line.ask(
                version.place, floats[start : start + step], classes, end_s - time.monotonic()
            )
            for start in range(0, len(floats), step)
        )

    def _note_failure(self, entry: _Entry, version: RemoteVersion, error: RemoteError) -> None:
        with self._lock:
            if entry.ready is not version:
                return  # asked before it was left alone, which says nothing about now
            entry.failures += 1
            if entry.failures >= _FAILURES:
                entry.words = str(error)
                entry.again_at_s = time.monotonic() + max(_PAUSE_S, error.retry_after_s)
                entry.ready = None

    def _tell(self, entry: _Entry, words: str) -> RemoteError:
        left_s = max(1, round(entry.again_at_s - time.monotonic()))
        return RemoteError(f"the machine that recognises cannot be asked: {words}", left_s)


@dataclass
class _Asked:
    """The other server as one that answers golden photos, all of them within a time."""

    versions: RemoteVersions
    version: RemoteVersion
    end_s: float
    evaluator: str = "another server"
    packages: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        return self.versions._ask(self.version, x_nhwc, self.end_s - time.monotonic())
