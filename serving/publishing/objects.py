"""Where a repository lies, behind one small interface: a local folder, or S3-compatible storage.

Names are relative and slashed, such as `metadata/timestamp.json`. Every write is whole or absent.
Two publishers at once meet at `create` and `replace`: one wins, the other gets a `ConflictError`.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from serving.errors import ConflictError, RepositoryError, SettingsError
from training.errors import StorageError
from training.files import (
    exclusive_lock,
    sha256_file,
    storage_error,
    sync_directory,
    write_atomic,
)

LOCK_NAME = ".publish.lock"
S3_SCHEME = "s3://"
# A name with a hash or a number never changes its content; a year is the longest that counts.
IMMUTABLE = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
_CHANGING = "timestamp.json"
_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}


@dataclass(frozen=True)
class Status:
    """An object as it lies there now.

    Attributes:
        size_bytes: its length.
        tag: another one for other content.
    """

    size_bytes: int
    tag: str


@dataclass(frozen=True)
class Content:
    """An object's bytes.

    Attributes:
        data: the bytes.
        tag: see `Status`; what `replace` compares.
    """

    data: bytes
    tag: str


class Objects(Protocol):
    """Named bytes. Safe to use from several threads.

    Every method raises StorageError where the storage cannot be reached, is full or forbids it,
    and RepositoryError for a name that is empty, absolute or climbs.
    """

    @property
    def look_again_s(self) -> float:
        """How long a status may be believed before it is asked for again, in seconds."""

    def describe(self, name: str = "") -> str:
        """Returns where an object lies, for messages."""

    def read(self, name: str, max_bytes: int) -> Content | None:
        """Returns an object, or None where there is none.

        Raises:
            RepositoryError: it is longer than `max_bytes`.
        """

    def write(self, name: str, data: bytes) -> None:
        """Writes an object, or replaces it."""

    def create(self, name: str, data: bytes) -> None:
        """Writes an object that is not there yet, or is there with these bytes.

        Raises:
            ConflictError: another one is there, and stays as it is.
        """

    def replace(self, name: str, data: bytes, tag: str) -> None:
        """Replaces an object that is still the one of the tag.

        Raises:
            ConflictError: it is another one now, or gone, and stays so.
        """

    def find_status(self, name: str) -> Status | None:
        """Returns length and tag of an object, or None where there is none."""

    def holds(self, name: str, sha256: str) -> bool:
        """Tells whether an object is there and its bytes have this SHA-256."""

    def list_sizes(self, folder: str) -> dict[str, int]:
        """Returns name and length in bytes of all objects below a folder, sorted by name."""

    def remove(self, name: str) -> None:
        """Removes an object, if it is there."""

    def lock(self) -> AbstractContextManager[bool]:
        """Keeps other publishers out, where that can be had; then sweeps away unfinished writes.

        Returns:
            Whether others are kept out: what was written may then be taken back, as no other
            publisher can have relied on it.

        Raises:
            ConflictError: another publisher is at work.
        """

    def open(self, name: str, start: int, stop: int) -> BinaryIO:
        """Opens an object to be read from byte `start` up to `stop`; it may give more.

        Raises:
            RepositoryError: it is not there.
        """


# What functions take that read or write a repository: a folder, an address, or opened storage.
Place = Path | str | Objects


class LocalFolder:
    """A repository in a folder: write, fsync, rename, fsync the folder."""

    look_again_s = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def describe(self, name: str = "") -> str:
        """Returns an object's path."""
        return str(self.folder / name)

    def read(self, name: str, max_bytes: int) -> Content | None:
        """Returns a file's bytes; see `Objects`."""
        path = self._find_path(name)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_size > max_bytes:
                    raise RepositoryError(
                        f"{path} has {status.st_size} bytes: allowed are {max_bytes}"
                    )
                return Content(file.read(max_bytes), _make_tag(status))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise storage_error("read", path, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Writes a file; see `Objects`."""
        write_atomic(self._find_path(name), data)

    def create(self, name: str, data: bytes) -> None:
        """Writes a file that is not there; see `Objects`."""
        path = self._find_path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _temporary(path, data) as temporary:
                # Unlike a rename, a link never replaces what is there.
                path.hardlink_to(temporary)
            sync_directory(path.parent)
        except FileExistsError:
            if path.read_bytes() != data:
                raise ConflictError(f"another publisher wrote {path} in the meantime") from None
        except OSError as error:
            raise storage_error("write", path, error) from error

    def replace(self, name: str, data: bytes, tag: str) -> None:
        """Replaces a file that did not change; see `Objects`."""
        path = self._find_path(name)
        with _lock_folder(path.parent):
            status = self.find_status(name)
            if status is None or status.tag != tag:
                raise ConflictError(f"another publisher changed {path} in the meantime")
            write_atomic(path, data)

    def find_status(self, name: str) -> Status | None:
        """Returns a file's length and tag; see `Objects`."""
        try:
            status = self._find_path(name).stat()
        except OSError:
            return None
        return Status(status.st_size, _make_tag(status)) if stat.S_ISREG(status.st_mode) else None

    def holds(self, name: str, sha256: str) -> bool:
        """Tells whether a file has these bytes; see `Objects`."""
        path = self._find_path(name)
        return path.is_file() and sha256_file(path) == sha256

    def list_sizes(self, folder: str) -> dict[str, int]:
        """Returns the files below a folder; see `Objects`."""
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_size
            for path in sorted(self._find_path(folder).rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def remove(self, name: str) -> None:
        """Removes a file; see `Objects`."""
        path = self._find_path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("remove", path, error) from error

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Holds a lock file, which the kernel frees when the process ends; see `Objects`."""
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(exclusive_lock(self.folder / LOCK_NAME))
                # Only unfinished writes have hidden names.
                for path in self.folder.glob("*/**/.*"):
                    if path.is_file():
                        path.unlink(missing_ok=True)
            except StorageError as error:
                raise ConflictError(f"another publisher is at work: {error}") from None
            except OSError as error:
                raise storage_error("write", self.folder, error) from error
            yield True

    def open(self, name: str, start: int, stop: int) -> BinaryIO:
        """Opens a file; see `Objects`."""
        path = self._find_path(name)
        try:
            file = path.open("rb")
        except OSError as error:
            raise RepositoryError(f"cannot read {path}: {error.strerror}") from error
        file.seek(start)
        return file

    def _find_path(self, name: str) -> Path:
        return _join(self.folder, name)


@lru_cache(maxsize=256)
def _join(folder: Path, name: str) -> Path:
    return folder / check_name(name)


def check_name(name: str) -> str:
    """Returns the name of an object.

    Raises:
        RepositoryError: it is empty, absolute, hidden or climbs.
    """
    parts = name.split("/")
    if any(part == "" or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise RepositoryError(f"{name!r} is not the name of an object: parts joined by slashes")
    return name


def find_cache_control(name: str) -> str:
    """Returns how caches may keep an object: for good, but for the one that changes."""
    return ASK_AGAIN if PurePosixPath(name).name == _CHANGING else IMMUTABLE


def find_content_type(name: str) -> str:
    """Returns the media type of an object by its suffix."""
    return _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def read_place(text: str) -> Path | str:
    """Returns where a repository lies: an address of object storage as it is, else a folder."""
    return text if text.startswith(S3_SCHEME) else Path(text)


def open_objects(place: Place) -> Objects:
    """Opens a repository's storage; nothing is read yet.

    Args:
        place: a folder, `s3://bucket/prefix?endpoint=https://…&region=…` (see
            `serving.publishing.s3`), or storage that is open already.

    Raises:
        SettingsError: the address is malformed, or the package for S3 is not installed.
    """
    if isinstance(place, str) and place.startswith(S3_SCHEME):
        return _open_bucket(place)
    return LocalFolder(Path(place)) if isinstance(place, str | Path) else place


@cache  # a client takes a tenth of a second to make, and keeps its connections
def _open_bucket(url: str) -> Objects:
    try:
        from serving.publishing.s3 import S3Bucket
    except ModuleNotFoundError as error:
        raise SettingsError(f"{url} needs the extra `s3`: {error}") from None
    return S3Bucket.from_url(url)


@contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """Gives a flushed file in the folder of `path`, and removes it afterwards."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        yield Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Waits for the lock of a folder itself, for the moment of one comparison and one rename."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise storage_error("read", folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_tag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_ino}-{status.st_size}"
