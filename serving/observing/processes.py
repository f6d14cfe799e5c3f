"""What the processes of one server share: the folder of their metrics, and whether they stop.

`prometheus_client` keeps the metrics of several processes in files of a folder, which must be
named before it is imported; nothing here imports it.
"""

import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Where prometheus_client looks.
_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "ghostlens-metrics-"
_LOCK_NAME = "lock"


def _map_byte() -> mmap.mmap:
    return mmap.mmap(-1, 1)  # anonymous: shared with the processes that are forked later


@dataclass
class Shared:
    """Made by the first process, before it forks.

    Attributes:
        folder: of the metrics' files.
        slot: number of this process among its siblings, from 0. One that takes the place of a dead
            one gets its number, and counts on in its files: their number stays small however often
            processes die, and no counter falls. None in the first process.
        metrics_port: the port where metrics are asked for without a key; None where there is none.
    """

    folder: Path
    slot: int | None = None
    metrics_port: int | None = None
    _stopping: mmap.mmap = field(default_factory=_map_byte)

    @property
    def is_stopping(self) -> bool:
        """Whether the server was told to stop, and only finishes what it began."""
        return self._stopping[0] == 1

    def note_stopping(self) -> None:
        """Tells all processes that the server was told to stop."""
        self._stopping[0] = 1

    def forget_gauges(self, slot: int) -> None:
        """Deletes what a process that died said of itself; what it counted stays."""
        for path in self.folder.glob(f"gauge_live*_{slot}.db"):
            path.unlink(missing_ok=True)


shared: Shared | None = None


@contextmanager
def sharing() -> Iterator[Shared]:
    """Makes what processes share that are forked within the block; nothing is left behind it.

    What a killed server left is deleted too.
    """
    global shared
    place = Path(tempfile.gettempdir())
    _delete_leftovers(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    owner = os.getpid()
    with (folder / _LOCK_NAME).open("w") as lock:
        # Held by this process and all its children, so that a folder in use is never deleted.
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.environ[_FOLDER_VARIABLE] = str(folder)
        shared = Shared(folder)
        try:
            yield shared
        finally:
            if os.getpid() == owner:  # children leave the block as well
                shutil.rmtree(folder, ignore_errors=True)


def choose_slot(taken: Iterable[int]) -> int:
    """Returns the lowest number, from 0, that no living process has."""
    used = set(taken)
    return next(slot for slot in range(len(used) + 1) if slot not in used)


def _delete_leftovers(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        # Others may write into this place too, links included.
        if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
            continue
        try:
            with (folder / _LOCK_NAME).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, or being made
