"""Simulated phones: each has a folder of its own, and the real client of apps written in Python."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from conversion.runners import LiteRtRunner
from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device, RuntimeOfApp
from mobile_assets.deciding import GO_BACK
from mobile_assets.errors import PullError, SelfTestError
from mobile_assets.installed import PulledModel
from tests.fleet.bundles import CRASHING
from tests.mobile_assets.builds import MODEL, PREPROCESS, make_photo
from tests.mobile_assets.tiny_model import COLOURS
from training.files import sha256_bytes

BUILT_IN = "built-in"
# Two starts of each of the two versions that a phone keeps, and one of what it was shipped with.
_MAX_STARTS = 5


@dataclass
class Life:
    """What happened to a phone, the earliest first.

    Attributes:
        ran: each version that its app ran, `BUILT_IN` among them, once for each change.
        crashed: versions that its app crashed on.
        failed: versions that failed their self-test here.
        codes: what its checks came to, counted.
        unreachable: updates that found no server, or lost it.
    """

    ran: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    unreachable: int = 0


@dataclass(frozen=True)
class Mark:
    """Something that happened.

    Attributes:
        uses: after how many uses of phones.
        words: what it was.
    """

    uses: int
    words: str


class Observer:
    """Sees what all phones do, and what must never happen. Safe to use from several threads.

    Attributes:
        published: SHA-256 by path, by version, as the owner packed them.
        faults: what must never happen, in words, with the phone's name.
        snapshots: how many phones run each version, after each use of one.
        marks: what the owner did, the earliest first.
        halts: when a phone was first told of a halt of each version.
        on_its_way: the version of the rollout that goes on now; empty for none.
        taken: how many phones downloaded each version.
        ran: which phones ever ran each version.
        server_is_down: whether no server can be expected to answer.
    """

    def __init__(self, published: Mapping[str, Mapping[str, str]]) -> None:
        self.published = published
        self.faults: list[str] = []
        self.snapshots: list[Counter[str]] = []
        self.marks: list[Mark] = []
        self.halts: dict[str, Mark] = {}
        self.on_its_way = ""
        self.taken: Counter[str] = Counter()
        self.ran: defaultdict[str, set[str]] = defaultdict(set)
        self.server_is_down = False
        self._halts_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._running: dict[str, str] = {}
        self._answering: dict[str, bool] = {}

    def find_unverified(self, model: PulledModel) -> str:
        """Returns what is wrong with the bytes that an app would load; empty where nothing is."""
        files, version = self.published[model.manifest.version], model.manifest.version
        for artifact in model.artifacts:
            data = model.artifact_path(artifact).read_bytes()
            if sha256_bytes(data) != files[artifact.path]:
                return f"{artifact.path} of {version} is not what was published"
            if not self._answers(data):
                return f"{artifact.path} of {version} does not answer"
        return ""

    def note_running(self, phone: str, version: str) -> None:
        """Notes what a phone runs from now on."""
        with self._lock:
            self._running[phone] = version
            self.ran[version].add(phone)

    def mark(self, words: str) -> None:
        """Notes that something happens now."""
        self.marks.append(Mark(len(self.snapshots), words))

    def note_use(self) -> None:
        """Notes that a phone was used, and sleeps again."""
        with self._lock:
            self.snapshots.append(Counter(self._running.values()))

    def note_halt(self) -> None:
        """Notes that a phone was told that the version on its way is halted."""
        with self._lock:
            self._halts_s.setdefault(self.on_its_way, time.monotonic())
            mark = Mark(len(self.snapshots), "halted by the server")
            self.halts.setdefault(self.on_its_way, mark)

    def note_taking(self, phone: str, began_s: float, version: str = "") -> str:
        """Notes that a phone downloaded a version, and returns it.

        Args:
            phone: its name.
            began_s: when it began to ask, on the monotonic clock.
            version: the one on its way where it is not known.
        """
        with self._lock:
            version = version or self.on_its_way
            self.taken[version] += 1
            halted_s = self._halts_s.get(version, began_s)
        if halted_s < began_s:
            self.fault(phone, f"took {version} after others were told that it is halted")
        return version

    def fault(self, phone: str, words: str) -> None:
        """Notes what must never happen."""
        with self._lock:
            self.faults.append(f"{phone}: {words}")

    def _answers(self, data: bytes) -> bool:
        """Tells whether a model file names colours; each file's bytes are asked once."""
        digest = sha256_bytes(data)
        with self._lock:
            if digest not in self._answering:
                runner = LiteRtRunner(data)
                self._answering[digest] = all(
                    runner.answer(PREPROCESS.read(make_photo(rgb))[None]).probabilities.argmax()
                    == index
                    for index, rgb in enumerate(COLOURS.values())
                )
            return self._answering[digest]


class Phone:
    """A phone, the app on it, and the person who uses it.

    Attributes:
        name: its device id.
        cache_dir: its folder.
        life: what happened to it.
    """

    def __init__(
        self,
        name: str,
        client: BundleClient,
        observer: Observer,
        precision: str | None,
        crashes: bool,
    ) -> None:
        """Makes a phone that was not used yet.

        Args:
            name: its device id.
            client: with a folder of its own.
            observer: sees what it does.
            precision: the one that its app wants.
            crashes: whether its app crashes while it starts with the version `CRASHING`.
        """
        self.name, self.cache_dir, self.life = name, client.cache_dir, Life()
        self._client, self._observer, self._crashes = client, observer, crashes
        self.device = Device(
            "android",
            os_version="14",
            app_version="2.0.0",
            device_id=name,
            runtimes=(RuntimeOfApp("litert"),),
            precision=precision,
            network="unmetered",
        )

    def use(self) -> None:
        """The person opens the app; it looks for an update, and starts again where it took one."""
        self.open_app()
        if self._update():
            crashes = len(self.life.crashed)
            self.open_app()
            if len(self.life.crashed) > crashes:
                self._update()  # an app looks for an update whenever it starts
        self._observer.note_use()

    def open_app(self) -> None:
        """Starts the app, again where it crashes, and checks what it runs."""
        for _ in range(_MAX_STARTS):
            version = self._start()
            if version != CRASHING or not self._crashes:
                break
            self.life.crashed.append(version)
        else:
            self._observer.fault(self.name, "crashed at every start")
            return
        if version != BUILT_IN:
            self._client.confirm_start(MODEL)

    def _start(self) -> str:
        model = self._client.start(MODEL)
        version = BUILT_IN if model is None else model.manifest.version
        if model is not None and (wrong := self._observer.find_unverified(model)):
            self._observer.fault(self.name, wrong)
        if self.life.ran[-1:] != [version]:
            self.life.ran.append(version)
            self._observer.note_running(self.name, version)
        return version

    def _update(self) -> bool:
        """Looks for an update, and returns whether something else is to run now."""
        began_s = time.monotonic()
        try:
            update = self._client.update(MODEL, self.device)
        except SelfTestError:
            self.life.failed.append(self._observer.note_taking(self.name, began_s))
            return False
        except PullError as error:
            self.life.unreachable += 1
            if not self._observer.server_is_down:
                self._observer.fault(self.name, str(error))
            return False
        decision = update.check.decision
        self.life.codes[decision.code] += 1
        if decision.code == "halted":
            self._observer.note_halt()
        if update.pull is not None:
            self._observer.note_taking(self.name, began_s, update.pull.model.manifest.version)
        return update.pull is not None or decision.action == GO_BACK
