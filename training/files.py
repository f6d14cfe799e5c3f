"""Files that are whole or absent: atomic writes, and directories that carry their own hashes."""

import errno
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
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
        sync_directory(path.parent)
    except OSError as error:
        raise _storage_error("write", path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Gives a temporary folder that becomes `path` when the block ends without an error.

    A folder that already stands at `path` is replaced; until then it stays untouched. After an
    error nothing is left behind.

    Raises:
        StorageError: the disk is full, or the parent folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise _storage_error("create", path, error) from error
    try:
        temporary.chmod(0o755)
        yield temporary
        for file in _files_below(temporary):
            _sync_file(file)
        sync_directory(temporary)
        replace_directory(temporary, path)
    except OSError as error:
        raise _storage_error("write", path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_directory(new: Path, path: Path) -> None:
    """Renames the folder `new` to `path`, setting aside and then removing what stood there."""
    if path.exists():
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
        os.rename(path, aside / path.name)
        os.rename(new, path)
        sync_directory(path.parent)
        shutil.rmtree(aside, ignore_errors=True)
        return
    os.rename(new, path)
    sync_directory(path.parent)


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


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _files_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _stays_inside(directory: Path, name: str) -> bool:
    return (directory / name).resolve().is_relative_to(directory.resolve())


def _storage_error(verb: str, path: Path, error: OSError) -> StorageError:
    if error.errno == errno.ENOSPC:
        existing = next(folder for folder in [path, *path.parents] if folder.exists())
        free = shutil.disk_usage(existing).free
        return StorageError(f"cannot {verb} {path}: the disk is full ({free} bytes free)")
    return StorageError(f"cannot {verb} {path}: {error.strerror or error}")
