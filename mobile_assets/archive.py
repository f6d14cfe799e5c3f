"""Zip archives, written so that the same input gives the same bytes, and read with distrust."""

import io
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mobile_assets.errors import BundleError

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_ENCRYPTED = 0x1


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Returns a zip of the members in the order given, uncompressed, dated 1980-01-01.

    Model files hardly compress, and without compression no small archive can unpack to a huge
    one.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = _MODE
            entry.create_system = _UNIX
            archive.writestr(entry, data)
    return buffer.getvalue()


@contextmanager
def open_archive(source: Path | bytes, where: str) -> Iterator[zipfile.ZipFile]:
    """Opens a zip; whatever is wrong with it comes out as a `BundleError`.

    Args:
        source: the archive's path, or its bytes.
        where: its name, for messages.

    Raises:
        BundleError: cannot be read, is not a zip, is cut short, or is damaged.
    """
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with zipfile.ZipFile(opened) as archive:
            yield archive
    except FileNotFoundError:
        raise BundleError(f"there is no file {where}") from None
    except (zipfile.BadZipFile, struct.error, EOFError, ValueError, NotImplementedError) as error:
        raise BundleError(f"{where} is half-written or damaged: {error}") from error
    except (OSError, RuntimeError) as error:
        raise BundleError(f"cannot read {where}: {error}") from error


def list_entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Returns the entries by name, after refusing what an honest archive of ours never holds.

    Refused are: names that are absolute or climb out, names given twice (also in another case),
    folders, links and devices, encrypted and compressed entries.

    Raises:
        BundleError: the archive holds one of these.
    """
    # A bundle cut short may end inside a zip that it carries; that one does not start at byte 0.
    first = min((entry.header_offset for entry in archive.infolist()), default=0)
    if first != 0 or archive.comment:
        raise BundleError(f"{where} is half-written or damaged: it is more, or less, than a zip")
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for entry in archive.infolist():
        _check_name(entry.filename, where)
        if entry.filename.lower() in seen:
            raise BundleError(f"{where}: {entry.filename!r} stands in it twice")
        _check_kind(entry, where)
        seen.add(entry.filename.lower())
        entries[entry.filename] = entry
    return entries


def _check_name(name: str, where: str) -> None:
    parts = name.split("/")
    allowed = name.isprintable() and "\\" not in name and ":" not in name
    if not allowed or any(part in ("", ".", "..") for part in parts):
        raise BundleError(
            f"{where}: the name {name!r} is not allowed: it must be relative and stay inside"
        )


def _check_kind(entry: zipfile.ZipInfo, where: str) -> None:
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise BundleError(f"{where}: {entry.filename!r} is a link, a folder or a device")
    if entry.flag_bits & _ENCRYPTED:
        raise BundleError(f"{where}: {entry.filename!r} is encrypted")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise BundleError(f"{where}: {entry.filename!r} is compressed: allowed is stored only")
