"""Whether this process may be sent requests: a current model is in memory, its signature verified.

Versions are loaded when they are asked for; so that the first client need not wait for that, and
no balancer sends requests before, each process loads the current ones after its fork.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from serving.errors import NoArtifactError, NotReadyError
from serving.inference.engine import Engine
from serving.observing import metrics, processes
from serving.storage import Catalogue, Storage
from training.errors import GhostlensError

LOGGER = logging.getLogger("serving")
_LOOK_AGAIN_S = 2.0
STARTING = "starting: no current version is in memory yet"
STOPPING = "stopping: only what was begun is finished"


class Readiness:
    """Loads the current versions once, and knows whether one is there. Safe to use from threads.

    Once ready, a process stays so, also while a newer version is not loaded yet: it is loaded when
    it is first asked for.
    """

    def __init__(self, storage: Storage, engine: Engine) -> None:
        self._storage = storage
        self._engine = engine
        self._warm = threading.Event()
        self._started = False
        self._told: set[str] = set()

    def start(self, note_ready: Callable[[], None], tell: bool) -> None:
        """Loads in a thread of its own, and goes on trying until that succeeds.

        Args:
            note_ready: called once, when it did.
            tell: whether to log what is wrong; one process does, once for all.
        """
        self._started = True
        # A storage that does not answer must keep nobody waiting.
        threading.Thread(target=self._run, args=(note_ready, tell), daemon=True).start()

    def find_reason(self) -> str | None:
        """Returns, in words, why no request should be sent here; None when all is well.

        Where nothing called `start`, as behind another WSGI server, it loads now.
        """
        if processes.shared is not None and processes.shared.is_stopping:
            return STOPPING
        try:
            catalogue = self._storage.catalogue
        except NotReadyError as error:
            return str(error)
        if not self._warm.is_set() and not self._started:
            self._load(catalogue)
        return None if self._warm.is_set() else STARTING

    def _run(self, note_ready: Callable[[], None], tell: bool) -> None:
        if tell:
            self._tell()
        while not self._warm.is_set():
            with contextlib.suppress(GhostlensError):  # `/readyz` says why
                self._load(self._storage.catalogue)
            if not self._warm.is_set():
                time.sleep(_LOOK_AGAIN_S)
        note_ready()

    def _load(self, catalogue: Catalogue) -> None:
        """Loads the first version, and of the others what fits beside it."""
        can_answer = 0
        for model, release in sorted(catalogue.releases.items()):
            try:
                can_answer += 1
                if not self._engine.versions.preload(model, release.current):
                    break
            except NoArtifactError:
                can_answer -= 1  # phones alone run it
                continue
            except GhostlensError as error:
                if str(error) not in self._told:
                    self._told.add(str(error))
                    LOGGER.error("%s", error)
                continue
            self._note_warm()
        if not can_answer:  # nothing to recognise with, and yet versions to serve
            self._note_warm()

    def _note_warm(self) -> None:
        self._warm.set()
        metrics.WORKERS_READY.set(1)

    def _tell(self) -> None:
        problems = self._storage.find_problems()
        try:
            _ = self._storage.catalogue
            words = "/readyz says"
        except NotReadyError:
            words = "not ready, answers 503 until that changes"
        for problem in problems:
            LOGGER.warning("%s: %s", words, problem)
