"""Zip archives that are the same for the same content."""

import io
import zipfile
from pathlib import Path

from conversion.errors import ArtifactError

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_PLAIN_FILE = 0o100644
_UNIX = 3


def fixed_entry(name: str) -> zipfile.ZipInfo:
    """Returns an entry without anything of this machine or hour: an old date, a fixed mode."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = _PLAIN_FILE << 16
    entry.create_system = _UNIX
    return entry


def zip_folder(path: Path) -> bytes:
    """Returns a folder as an archive: under its own name, entries sorted, uncompressed.

    Raises:
        ArtifactError: the folder holds a link.
        OSError: a file cannot be read.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix()):
            if file.is_symlink():
                raise ArtifactError(f"{file}: links are not allowed in an artifact")
            if file.is_file():
                name = f"{path.name}/{file.relative_to(path).as_posix()}"
                archive.writestr(fixed_entry(name), file.read_bytes())
    return buffer.getvalue()
