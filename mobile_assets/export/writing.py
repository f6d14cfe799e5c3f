"""Writes a layout: whole or not at all, into a folder that held nothing, with its hashes."""

from pathlib import Path

from mobile_assets.errors import BundleError
from mobile_assets.export.content import Files
from training.files import new_directory, write_sums


def write_layout(folder: Path, files: Files) -> None:
    """Writes files below a new folder, and `SHA256SUMS` of them all.

    Args:
        folder: must be missing or empty: a layout never mixes with another one, or with a
            developer's own files.
        files: path below the folder -> bytes.

    Raises:
        BundleError: the folder holds anything, or is a file.
        StorageError: the disk is full, or the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(
            f"{folder} is not empty: allowed is a folder that is missing or holds nothing"
        )
    with new_directory(folder) as temporary:
        for name, data in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        write_sums(temporary)


def below(prefix: str, files: Files) -> Files:
    """Returns the files under paths that begin with a folder."""
    return {f"{prefix}/{name}": data for name, data in files.items()}
