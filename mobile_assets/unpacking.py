"""Placing a bundle's files in a folder, and checking that they are still what was placed."""

from pathlib import Path

from conversion.artifact import artifact_bytes
from conversion.errors import ArtifactError
from mobile_assets.archive import list_entries, open_archive
from mobile_assets.errors import BundleError
from mobile_assets.parts import BundledArtifact, File
from training.files import sha256_bytes

_PACKED_FOLDER = ".mlpackage.zip"


def placed_path(folder: Path, artifact: BundledArtifact) -> Path:
    """Returns where an artifact lies once it is placed: a packed folder is unpacked."""
    if artifact.path.endswith(_PACKED_FOLDER):
        return folder / artifact.path.removesuffix(".zip")
    return folder / artifact.path


def unpack_artifact(folder: Path, artifact: BundledArtifact) -> None:
    """Unpacks a `.mlpackage.zip` next to itself and removes the archive; other files stay.

    Raises:
        BundleError: the archive holds anything but plain files below its own `.mlpackage`.
    """
    packed, target = folder / artifact.path, placed_path(folder, artifact)
    if packed == target:
        return
    for name, data in _read_packed(packed, packed.name, target.name).items():
        path = target.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    packed.unlink()
    check_placed_artifact(folder, artifact)


def unpack_packed(artifact: BundledArtifact, data: bytes) -> dict[str, bytes]:
    """Returns the files of a `.mlpackage.zip` by their paths below the `.mlpackage`.

    Raises:
        BundleError: as `unpack_artifact`.
    """
    name = placed_path(Path(), artifact).name
    packed = _read_packed(data, artifact.path, name)
    return {path.removeprefix(f"{name}/"): part for path, part in packed.items()}


def _read_packed(packed: Path | bytes, where: str, folder_name: str) -> dict[str, bytes]:
    with open_archive(packed, where) as archive:
        entries = list_entries(archive, where)
        for name in entries:
            if not name.startswith(f"{folder_name}/"):
                raise BundleError(f"{where}: {name!r} lies outside {folder_name}")
        return {name: archive.read(entry) for name, entry in entries.items()}


def check_placed_artifact(folder: Path, artifact: BundledArtifact) -> None:
    """Checks that an artifact still has the bytes that its manifest names.

    Raises:
        BundleError: it is missing or was changed.
    """
    _check(placed_path(folder, artifact), artifact.file)


def check_placed_file(folder: Path, file: File) -> None:
    """Checks that a file other than an artifact has the bytes that its manifest names.

    Raises:
        BundleError: it is missing or was changed.
    """
    _check(folder / file.path, file)


def _check(path: Path, file: File) -> None:
    try:
        # A folder's bytes are those of its zip, which is the same wherever it is made.
        data = artifact_bytes(path)
    except ArtifactError as error:
        raise BundleError(str(error)) from None
    if len(data) != file.size_bytes or sha256_bytes(data) != file.sha256:
        raise BundleError(
            f"{path} was changed: it has {len(data)} bytes and the sha256 {sha256_bytes(data)}, "
            f"expected {file.size_bytes} and {file.sha256}"
        )
