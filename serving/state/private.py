"""Folders and files that nobody but the server's user may look into."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_FOLDER = 0o700


def make_private_folder(folder: Path) -> None:
    """Makes a folder for its owner alone; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Makes an empty file for its owner alone, before SQLite makes one that all may read.

    From one that is there access is taken that everybody has; a group that was let in stays. What
    cannot be made or changed is left to whoever opens it, and then says what is wrong.
    """
    # Never opened: to close a file ends all locks that this process has on it (fcntl(2)), which
    # SQLite relies on.
    with suppress(OSError):
        if not path.exists():
            _create(path)
            return
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & stat.S_IRWXO and status.st_uid == os.geteuid():
            path.chmod(mode & ~stat.S_IRWXO)


def _create(path: Path) -> None:
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0o600
    os.close(handle)
    try:
        path.hardlink_to(made)  # which fails where somebody else was faster
    finally:
        Path(made).unlink()
