"""Files that are whole or absent: atomic writes, and directories that carry their own hashes."""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import StorageError

SUMS_NAME = "SHA256SUMS"
_READ_BYTES = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """Returns the SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 lower-case hexadecimal digits.

    Raises:
        StorageError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def write_atomic(path: Path, data: bytes | str) -> None:
    """Writes a file so that a reader finds the old bytes or the new ones, never a part.

    The bytes go to a temporary file in the same folder, are flushed to disk, and the file is
    renamed onto `path`; then the folder itself is flushed.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        temporary = None
        sync_directory(path.parent)
    except OSError as error:
        raise storage_error("write", path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Gives a temporary folder that becomes `path` when the block ends without an error.

    A folder that already stands at `path` is replaced; until then it stays untouched. After an
    error nothing is left behind; what a killed process left behind, the next call clears away.

    Raises:
        StorageError: the disk is full, the parent folder cannot be written, or another process
            is writing the same folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(path.parent / f".{path.name}.lock"):
            _recover(path)
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.new."))
            try:
                temporary.chmod(0o755)
                yield temporary
                _sync_tree(temporary)
                _replace_directory(temporary, path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise storage_error("write", path, error) from error


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds a lock file; the kernel frees it when the process ends, however it ends.

    Raises:
        StorageError: another process holds it.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"another process is writing here (it holds {path})") from None
        yield


def _recover(path: Path) -> None:
    """Puts back a folder that a killed process had set aside, and removes its unfinished work."""
    for aside in path.parent.glob(f".{path.name}.old.*"):
        if not path.exists() and (aside / path.name).exists():
            (aside / path.name).rename(path)
        shutil.rmtree(aside, ignore_errors=True)
    for unfinished in path.parent.glob(f".{path.name}.new.*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _replace_directory(new: Path, path: Path) -> None:
    aside = None
    if path.exists():
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
        path.rename(aside / path.name)
    new.rename(path)
    sync_directory(path.parent)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def write_sums(directory: Path, names: list[str] | None = None) -> str:
    """Writes `SHA256SUMS` (readable by `sha256sum -c`) last, which marks a folder as complete.

    Args:
        directory: the folder to describe.
        names: file names relative to it; all files below it when not given.

    Returns:
        The SHA-256 of the sums file itself: one name for the whole content.
    """
    if names is None:
        names = [file.relative_to(directory).as_posix() for file in _files_below(directory)]
    listed = sorted(name for name in names if name != SUMS_NAME)
    text = "".join(f"{sha256_file(directory / name)}  {name}\n" for name in listed)
    write_atomic(directory / SUMS_NAME, text)
    return sha256_bytes(text.encode())


def check_sums(directory: Path) -> str:
    """Checks every file that `SHA256SUMS` names, and returns the SHA-256 of the sums file.

    Raises:
        StorageError: the sums file is missing or malformed, or a file is missing or changed.
    """
    sums = directory / SUMS_NAME
    if not sums.is_file():
        raise StorageError(f"{directory} is not complete: it has no {SUMS_NAME}")
    content = sums.read_bytes()
    for line in content.decode("utf-8", "replace").splitlines():
        expected, separator, name = line.partition("  ")
        if not separator or len(expected) != 64 or not _stays_inside(directory, name):
            raise StorageError(f"{sums}: not a line of sha256sum: {line!r}")
        actual = sha256_file(directory / name)
        if actual != expected:
            raise StorageError(
                f"{directory / name} was changed after it was written: "
                f"sha256 {actual}, expected {expected}"
            )
    return sha256_bytes(content)


def sync_directory(path: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename in it outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(directory: Path) -> None:
    for path in [*directory.rglob("*"), directory]:
        if path.is_dir():
            sync_directory(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _files_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _stays_inside(directory: Path, name: str) -> bool:
    return (directory / name).resolve().is_relative_to(directory.resolve())


def storage_error(verb: str, path: Path, error: OSError) -> StorageError:
    """Returns the typed error of a failed file operation, in words."""
    if error.errno == errno.ENOSPC:
        existing = next(folder for folder in [path, *path.parents] if folder.exists())
        free = shutil.disk_usage(existing).free
        return StorageError(f"cannot {verb} {path}: the disk is full ({free} bytes free)")
    return StorageError(f"cannot {verb} {path}: {error.strerror or error}")
