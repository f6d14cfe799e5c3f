"""Fetches the Grocery Store Dataset once, checks it, and keeps it in a cache. Free of torch."""

import hashlib
import http.client
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.errors import DataError
from training.files import new_directory
from training.sources import CACHE_VARIABLE
from training.sources.grocery import CLASSES_NAME, LIST_NAMES, is_inside, named_photos

COMMIT = "fc80ba90f803d79d0383df52c5a4ac5de99ff6fc"
_READ_BYTES = 1 << 18
_TIMEOUT_S = 30
_MAX_LIST_BYTES = 10_000_000
_BAD_ARCHIVE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    KeyError,
    UnicodeDecodeError,
    EOFError,
    RuntimeError,  # zipfile's own, for encrypted members and unknown compression
)


@dataclass(frozen=True)
class Archive:
    """A zip archive of the dataset's repository, and what must come out of it.

    Attributes:
        url: where the archive is.
        content_sha256: `content_digest` of the files that are kept. It covers the content, not
            the archive, because a host may compress the same files differently tomorrow.
        name: name of the folder in the cache.
        max_archive_bytes: larger downloads are broken off. The real archive has 124 MB.
        max_content_bytes: more unpacked bytes than this are refused. The real files have 65 MB.
    """

    url: str
    content_sha256: str
    name: str
    max_archive_bytes: int = 400_000_000
    max_content_bytes: int = 200_000_000


GROCERY = Archive(
    url=f"https://codeload.github.com/marcusklasson/GroceryStoreDataset/zip/{COMMIT}",
    content_sha256="c229130a3eccb27e7f1d50508955bb4c3aa3884ca145d0aa36b3067839f8dfc7",
    name=f"grocery-{COMMIT[:12]}",
)


def cache_folder() -> Path:
    """Returns the folder for downloads: GHOSTLENS_CACHE, or `ghostlens` in the platform's own."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ghostlens"
    # The XDG base directory rules: a path that is not absolute does not count.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "ghostlens"


def fetch_grocery(
    archive: Archive = GROCERY,
    cache: Path | None = None,
    tick: Callable[[int], object] | None = None,
) -> Path:
    """Returns the dataset's folder in the cache, and fetches it first where it is not there.

    The folder appears whole or not at all: a broken download or a killed process leaves nothing
    that a later call would take for the dataset.

    Args:
        archive: what to fetch.
        cache: folder of downloads; `cache_folder()` when not given.
        tick: called with the number of bytes after each block, for a progress bar.

    Raises:
        DataError: no network, an answer that is not the archive, or content that differs from
            what was pinned.
        StorageError: the cache cannot be written.
    """
    folder = (cache or cache_folder()) / archive.name
    if folder.is_dir():
        return folder
    with new_directory(folder) as fresh:
        with tempfile.TemporaryFile(dir=fresh) as file:
            _download(archive, file, tick or (lambda size_bytes: None))
            _unpack(archive, file, fresh)
        digest = content_digest(fresh)
        if digest != archive.content_sha256:
            raise DataError(
                f"{archive.url} does not hold the photos that were pinned: content digest "
                f"{digest}, expected {archive.content_sha256}"
            )
    return folder


def content_digest(root: Path) -> str:
    r"""Returns one SHA-256 for a dataset folder: its lists and the photos that they name.

    Each of these files gives one line "<sha256>  <path relative to root>\n"; the lines, sorted,
    are joined and hashed. The same as
    `(cat train.txt val.txt | cut -d, -f1; ls classes.csv train.txt val.txt) | xargs -d'\n'
    sha256sum | LC_ALL=C sort | sha256sum`.

    Raises:
        DataError: a file is missing.
    """
    lines = []
    for name in _wanted(lambda name: (root / name).read_text(encoding="utf-8-sig")):
        try:
            digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"cannot read {root / name}: {error.strerror}") from error
        lines.append(f"{digest}  {name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _wanted(read_list: Callable[[str], str]) -> list[str]:
    photos = [photo.path for part in LIST_NAMES for photo in named_photos(read_list(part), part)]
    return [CLASSES_NAME, *LIST_NAMES, *photos]


def _download(archive: Archive, file: IO[bytes], tick: Callable[[int], object]) -> None:
    size_bytes = 0
    for block in _blocks(archive.url):
        size_bytes += len(block)
        if size_bytes > archive.max_archive_bytes:
            raise DataError(f"{archive.url} sends more than {archive.max_archive_bytes} bytes")
        file.write(block)
        tick(len(block))


def _blocks(url: str) -> Iterator[bytes]:
    """Yields what the address sends; only the network's errors are caught here."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            expected = answer.headers.get("Content-Length")
            size_bytes = 0
            while block := answer.read(_READ_BYTES):
                size_bytes += len(block)
                yield block
    except urllib.error.HTTPError as error:
        raise DataError(f"{url} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise DataError(
            f"cannot fetch {url}: {reason}. Without a network, name a copy of the Grocery "
            "Store Dataset with --data FOLDER, or take --data synthetic"
        ) from error
    if expected is not None and expected != str(size_bytes):
        raise DataError(f"the download of {url} broke off at {size_bytes} of {expected} bytes")


def _unpack(archive: Archive, file: IO[bytes], folder: Path) -> None:
    try:
        with zipfile.ZipFile(file) as packed:
            prefix = _find_prefix(packed)
            names = _wanted(lambda name: _read_list(packed, prefix + name))
            total = sum(packed.getinfo(prefix + name).file_size for name in names)
            if total > archive.max_content_bytes:
                raise DataError(
                    f"{archive.url} unpacks to {total} bytes; allowed are "
                    f"{archive.max_content_bytes}"
                )
            for name in names:
                _unpack_one(packed, prefix + name, folder / name)
    except _BAD_ARCHIVE as error:
        raise DataError(f"{archive.url} is not the dataset's archive: {error}") from error


def _find_prefix(packed: zipfile.ZipFile) -> str:
    """Returns the folder in the archive that holds the lists; its first part names the commit."""
    ending = f"dataset/{LIST_NAMES[0]}"
    found = [name for name in packed.namelist() if name.endswith(ending)]
    if len(found) != 1 or not is_inside(found[0]):
        raise zipfile.BadZipFile(f"it must hold one {ending}, found {found[:3]}")
    return found[0].removesuffix(LIST_NAMES[0])


def _read_list(packed: zipfile.ZipFile, name: str) -> str:
    size_bytes = packed.getinfo(name).file_size
    if size_bytes > _MAX_LIST_BYTES:
        raise zipfile.BadZipFile(f"{name} has {size_bytes} bytes; allowed are {_MAX_LIST_BYTES}")
    return packed.read(name).decode("utf-8-sig")


def _unpack_one(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Reading stops at the size that the archive states, which the caller has summed up.
    with packed.open(name) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
