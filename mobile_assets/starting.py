"""What an app runs of a model, what it ran before, and what failed here: one small file.

<cache>/<model>/current.json; the folders of the versions lie beside it.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from conversion.variants import KEYS
from mobile_assets.errors import ManifestError, PullError
from mobile_assets.parts import read_model_name, read_version
from mobile_assets.platforms import PLATFORMS
from mobile_assets.reading import Node, canonical_json, check_schema, read_json
from training.errors import StorageError
from training.files import write_atomic

CURRENT_NAME = "current.json"
# After so many starts that nobody confirmed, a version has failed.
MAX_UNCONFIRMED_STARTS = 2
# An app that is killed while it starts, by its user or an empty battery, looks like a version that
# crashes. After a week such a version may be tried once more: at the worst it costs two starts.
CRASH_REFUSED_S = 7 * 24 * 3600
_LOCK_NAME = ".current.lock"
_SCHEMA = "ghostlens.current/2"
_MAX_BYTES = 1 << 16
_MAX_ENTRIES = 2
_MAX_REFUSED = 100


@dataclass(frozen=True)
class Entry:
    """A version that was verified, tested and switched to.

    Attributes:
        version: a semantic version.
        platform: what it was pulled for.
        variant: key of the kind of its model file, as in "litert-fp32".
        manifest_sha256: of its manifest.
        confirmed: whether it ever started to the end.
        unconfirmed_starts: since the last that was confirmed.
    """

    version: str
    platform: str
    variant: str
    manifest_sha256: str
    confirmed: bool = False
    unconfirmed_starts: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether it was started often enough without a confirmation."""
        return self.unconfirmed_starts >= MAX_UNCONFIRMED_STARTS

    def is_same(self, other: "Entry") -> bool:
        """Tells whether another entry is of the same files."""
        return (self.version, self.variant, self.manifest_sha256) == (
            other.version,
            other.variant,
            other.manifest_sha256,
        )


@dataclass(frozen=True)
class Refused:
    """A version that failed here.

    Attributes:
        version: a semantic version.
        app_version: of the app whose self-test it failed, as the next app may do better; empty
            where that is not known.
        crashed_at_s: when it failed to start, in seconds since 1970; None where it failed its
            self-test, which would come out the same again.
    """

    version: str
    app_version: str = ""
    crashed_at_s: int | None = None

    def holds(self, app_version: str | None, now_s: float) -> bool:
        """Tells whether the version is still refused."""
        if self.crashed_at_s is not None:
            # Not from the future either: then the clock was wrong.
            return 0 <= now_s - self.crashed_at_s < CRASH_REFUSED_S
        return self.app_version in ("", app_version or "")


@dataclass(frozen=True)
class Installed:
    """What is installed of one model.

    Attributes:
        model: its name.
        entries: the one in use, then the one to go back to; empty for what the app was shipped
            with.
        refused: what failed here.
    """

    model: str
    entries: tuple[Entry, ...] = ()
    refused: tuple[Refused, ...] = ()

    def switch_to(self, entry: Entry) -> "Installed":
        """Puts an entry in use; one that started before is the one to go back to."""
        others = [other for other in self.entries if not other.is_same(entry)]
        others.sort(key=lambda other: not other.confirmed)
        kept = next((other for other in self.entries if other.is_same(entry)), entry)
        entry = replace(kept, platform=entry.platform, unconfirmed_starts=0)
        return replace(self, entries=(entry, *others)[:_MAX_ENTRIES])

    def count_start(self) -> "Installed":
        """Counts a start of the entry in use, unless it failed already."""
        if not self.entries or self.entries[0].has_failed:
            return self
        first = self.entries[0]
        first = replace(first, unconfirmed_starts=first.unconfirmed_starts + 1)
        return replace(self, entries=(first, *self.entries[1:]))

    def confirm(self) -> "Installed":
        """Notes that the entry in use started to the end."""
        if not self.entries:
            return self
        first = replace(self.entries[0], confirmed=True, unconfirmed_starts=0)
        return replace(self, entries=(first, *self.entries[1:]))

    def leave(self) -> "Installed":
        """Leaves the entry in use for the one before, at last for what the app was shipped with."""
        before = tuple(replace(entry, unconfirmed_starts=0) for entry in self.entries[1:])
        return replace(self, entries=before)

    def leave_all(self) -> "Installed":
        """Leaves everything for what the app was shipped with."""
        return replace(self, entries=())

    def refuse(self, failed: Refused) -> "Installed":
        """Notes that a version failed here."""
        same = replace(failed, crashed_at_s=None)
        others = [x for x in self.refused if replace(x, crashed_at_s=None) != same]
        return replace(self, refused=(*others, failed)[-_MAX_REFUSED:])

    def leave_failed(self, left: Entry) -> "Installed":
        """Leaves an entry if it is in use; one that failed to start is refused for a while."""
        if not self.entries or not self.entries[0].is_same(left):
            return self
        after = self.leave()
        if not left.has_failed:
            return after
        return after.refuse(Refused(left.version, crashed_at_s=int(time.time())))

    def list_refused(self, app_version: str | None) -> tuple[str, ...]:
        """Returns the versions that an app shall not be offered now."""
        now_s = time.time()
        held = [entry.version for entry in self.refused if entry.holds(app_version, now_s)]
        return tuple(dict.fromkeys(held))


def read_installed(model_dir: Path) -> Installed:
    """Reads what is installed of a model.

    Raises:
        PullError: nothing was pulled into this folder.
        ManifestError: `current.json` is malformed.
    """
    path = model_dir / CURRENT_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PullError(
            f"no model was pulled into {model_dir}: cannot read {CURRENT_NAME}: {error.strerror}"
        ) from None
    root = read_json(data, str(path), _MAX_BYTES)
    check_schema(root, _SCHEMA)
    keys = root.table("schema", "model", "entries", "refused")
    return Installed(
        read_model_name(keys["model"]),
        tuple(_read_entry(node) for node in keys["entries"].items(_MAX_ENTRIES)),
        tuple(_read_refused(node) for node in keys["refused"].items(_MAX_REFUSED)),
    )


def find_installed(model_dir: Path) -> Installed:
    """Reads what is installed; a missing or damaged file counts as nothing, and is mended."""
    try:
        found = read_installed(model_dir)
    except (PullError, ManifestError):
        return Installed(model_dir.name)
    return found if found.model == model_dir.name else Installed(model_dir.name)


def change_installed(model_dir: Path, step: Callable[[Installed], Installed]) -> Installed:
    """Changes what is installed in one step, and returns what it was before.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    with _held(model_dir):
        before = find_installed(model_dir)
        after = step(before)
        if after != before or not (model_dir / CURRENT_NAME).exists():
            write_atomic(
                model_dir / CURRENT_NAME, canonical_json({"schema": _SCHEMA} | asdict(after))
            )
    return before


@contextmanager
def _held(model_dir: Path) -> Iterator[None]:
    """Waits for the lock of a model's small file, which is held for moments only."""
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        file = (model_dir / _LOCK_NAME).open("ab")
    except OSError as error:
        raise StorageError(f"cannot write {model_dir}: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_entry(node: Node) -> Entry:
    keys = node.table(*Entry.__dataclass_fields__)
    return Entry(
        read_version(keys["version"]),
        keys["platform"].one_of(PLATFORMS),
        keys["variant"].one_of(KEYS),
        keys["manifest_sha256"].sha256(),
        keys["confirmed"].flag(),
        keys["unconfirmed_starts"].whole(0, MAX_UNCONFIRMED_STARTS),
    )


def _read_refused(node: Node) -> Refused:
    app, crashed = node.member("app_version"), node.find("crashed_at_s")
    return Refused(
        read_version(node.member("version")),
        app.text(64) if app.value != "" else "",
        None if crashed is None else crashed.whole(0, 1 << 40),
    )
