"""A disk of a few kilobytes, which really is full: a file system in memory, in a child process."""

import ctypes
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

PAGE_BYTES = 4096
# From <linux/sched.h> and <linux/mount.h>.
_NEW_MOUNTS, _NEW_USERS = 0x20000, 0x10000000
_RECURSIVELY, _PRIVATE = 0x4000, 0x40000
_FILLER = "filler"


class SmallDisk:
    """An empty folder on a disk of its own; only this process and its children see it."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        libc = ctypes.CDLL(None, use_errno=True)

        def call(name: str, *given: Any) -> None:
            if getattr(libc, name)(*given) != 0:
                raise OSError(ctypes.get_errno(), name)

        ids = {"uid_map": os.getuid(), "gid_map": os.getgid()}
        call("unshare", _NEW_USERS | _NEW_MOUNTS)
        Path("/proc/self/setgroups").write_text("deny")
        for name, own in ids.items():
            Path("/proc/self", name).write_text(f"0 {own} 1")
        call("mount", None, b"/", None, _RECURSIVELY | _PRIVATE, None)
        options = f"size={size_bytes}".encode()
        call("mount", b"tmpfs", bytes(folder), b"tmpfs", 0, options)

    def leave_free(self, pages: int) -> None:
        """Fills the disk but for so many pages; each file takes at least one."""
        filler = self.folder / _FILLER
        filler.unlink(missing_ok=True)
        usage = os.statvfs(self.folder)
        filler.write_bytes(bytes((usage.f_bavail - pages) * PAGE_BYTES))


def run_on_small_disk(folder: Path, size_bytes: int, work: Callable[[SmallDisk], Any]) -> Any:
    """Returns what `work` returns in a child process that sees a small disk at `folder`.

    Skips the test where the system lets nobody mount one.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_run, args=(there, folder, size_bytes, work), daemon=True
    )
    process.start()
    there.close()
    try:
        if (refused := here.recv()) is not None:
            pytest.skip(f"no small disk can be mounted here: {refused}")
        return here.recv()
    except EOFError:
        pytest.fail("it failed in the child process, see what that printed")
    finally:
        process.join()


def _run(line: Connection, folder: Path, size_bytes: int, work: Callable[[SmallDisk], Any]) -> None:
    try:
        disk = SmallDisk(folder, size_bytes)
    except OSError as error:
        line.send(str(error))
        return
    line.send(None)
    line.send(work(disk))
