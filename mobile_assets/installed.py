"""What was pulled: folders that never change, and one small file that names the one in use.

<cache>/<model>/current.json
<cache>/<model>/<version>/<variant>-<12 digits of the manifest's hash>/manifest.json, ...
"""

import fcntl
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from conversion.variants import Variant, find_variant
from mobile_assets.errors import BundleError, ManifestError, PullError
from mobile_assets.languages import choose_language
from mobile_assets.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from mobile_assets.names import list_named, names_path, parse_names
from mobile_assets.parts import BundledArtifact, File
from mobile_assets.starting import (
    CURRENT_NAME,
    Entry,
    change_installed,
    find_installed,
    read_installed,
)
from mobile_assets.unpacking import check_placed_artifact, check_placed_file, placed_path
from training.errors import StorageError
from training.files import sha256_bytes, sha256_file

PULLED_ROLES = ("labels", "names", "golden", "licence")
_HASH_DIGITS = 12


@dataclass(frozen=True)
class PulledModel:
    """One version of a model, placed and verified.

    Attributes:
        directory: holds the files under their paths in the bundle.
        platform: what it was pulled for.
        manifest: what the bundle says.
        artifacts: the model files that are here.
    """

    directory: Path
    platform: str
    manifest: Manifest
    artifacts: tuple[BundledArtifact, ...]

    def artifact_path(self, artifact: BundledArtifact | None = None) -> Path:
        """Returns where a model file lies; the first one's when none is named."""
        return placed_path(self.directory, artifact or self.artifacts[0])

    def names(self, language: str) -> dict[str, str]:
        """Returns the names of labels and coarse classes in the language that fits best.

        What has no name is not in it: the label itself is to be shown.

        Args:
            language: any BCP 47 tag, as in "zh-CN"; see `languages.choose_language`.

        Returns:
            Nothing where no language fits.

        Raises:
            BundleError: the file is missing or was changed since.
        """
        chosen = choose_language(self.manifest.languages, language)
        if chosen is None:
            return {}
        path = names_path(chosen)
        check_placed_file(self.directory, self.manifest.find_file(path))
        data = (self.directory / path).read_bytes()
        return parse_names(data, path, list_named(self.manifest.labels, self.manifest.hierarchy))


def choose_other_files(manifest: Manifest) -> tuple[File, ...]:
    """Returns what every platform needs beside its artifacts: no reports."""
    return tuple(file for file in manifest.other_files if file.role in PULLED_ROLES)


def version_folder(model_dir: Path, version: str, variant: Variant, manifest_sha256: str) -> Path:
    """Returns the folder of a version's files with one artifact, named by their content.

    Other content of the same version goes elsewhere, so that a folder in use is never rewritten.
    """
    return model_dir / version / f"{variant.key}-{manifest_sha256[:_HASH_DIGITS]}"


def check_placed(
    directory: Path, manifest: Manifest, artifacts: tuple[BundledArtifact, ...]
) -> None:
    """Checks every pulled file against the manifest.

    Raises:
        BundleError: a file is missing or was changed.
    """
    for artifact in artifacts:
        check_placed_artifact(directory, artifact)
    for file in choose_other_files(manifest):
        check_placed_file(directory, file)


def is_placed(
    directory: Path,
    manifest_sha256: str,
    manifest: Manifest,
    artifacts: tuple[BundledArtifact, ...],
) -> bool:
    """Returns whether the files are all there, unchanged."""
    try:
        check_placed(directory, manifest, artifacts)
        return sha256_file(directory / MANIFEST_NAME) == manifest_sha256
    except (BundleError, StorageError):
        return False


def switch_to(model_dir: Path, pulled: PulledModel) -> None:
    """Makes a placed version the one in use, in one step; the one before can be gone back to.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    entry = Entry(
        pulled.manifest.version,
        pulled.platform,
        pulled.artifacts[0].variant.key,
        sha256_file(pulled.directory / MANIFEST_NAME),
    )
    change_installed(model_dir, lambda installed: installed.switch_to(entry))


def load_current(model_dir: Path) -> PulledModel:
    """Loads the version in use, after checking every file that it needs.

    Args:
        model_dir: the model's folder in the cache, `<cache>/<model>`.

    Raises:
        PullError: nothing was pulled into this folder, or all that was failed.
        BundleError: a file is missing or was changed since; pull again to mend it.
        ManifestError: the manifest or `current.json` is malformed.
    """
    installed = read_installed(model_dir)
    if not installed.entries:
        raise PullError(f"no version in {model_dir} is in use: run what the app was shipped with")
    return load_entry(model_dir, installed.model, installed.entries[0])


def load_entry(model_dir: Path, model: str, entry: Entry) -> PulledModel:
    """Loads a version that was switched to, after checking every file that it needs.

    As long as the result lives, in this process or another, its folder is not removed.

    Raises:
        BundleError: a file is missing or was changed since.
        ManifestError: the manifest is malformed, or of another model.
    """
    found = hold_folder(_open_entry(model_dir, model, entry))
    check_placed(found.directory, found.manifest, found.artifacts)
    return found


def find_artifact(model_dir: Path, model: str, entry: Entry) -> BundledArtifact:
    """Returns the model file that an entry stands for, as its manifest names it.

    Raises:
        BundleError: the manifest is missing or was changed.
        ManifestError: it is malformed, or of another model.
    """
    return _open_entry(model_dir, model, entry).artifacts[0]


def list_kept(model_dir: Path) -> tuple[PulledModel, ...]:
    """Returns the versions that are kept, unchecked but for their manifests: the one in use first.

    They are held as those of `load_entry` are.
    """
    kept = []
    for entry in find_installed(model_dir).entries:
        with suppress(BundleError, ManifestError):
            kept.append(hold_folder(_open_entry(model_dir, model_dir.name, entry)))
    return tuple(kept)


def list_placed_files(models: Iterable[PulledModel]) -> dict[str, Path]:
    """Returns where files of versions lie, by the SHA-256 that they should have."""
    found = {}
    for model in models:
        for artifact in model.artifacts:
            found[artifact.file.sha256] = model.artifact_path(artifact)
        for file in choose_other_files(model.manifest):
            found[file.sha256] = model.directory / file.path
    return found


def hold_folder(model: PulledModel) -> PulledModel:
    """Keeps others from removing a version's folder as long as the object given lives.

    A shared lock of a file beside the folder, which the kernel frees when the process ends,
    however it ends. Without it, as on a disk that cannot be written, the folder still is good.
    """
    with suppress(OSError):
        file = in_use_path(model.directory).open("ab")
        weakref.finalize(model, file.close)
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return model


def in_use_path(directory: Path) -> Path:
    """Returns the file whose lock holds a version's folder."""
    return directory.parent / f".{directory.name}.in-use"


def _open_entry(model_dir: Path, model: str, entry: Entry) -> PulledModel:
    variant = find_variant(entry.variant)
    directory = version_folder(model_dir, entry.version, variant, entry.manifest_sha256)
    manifest = _read_manifest(directory, entry.manifest_sha256)
    if manifest.model != model:
        raise ManifestError(
            f"{model_dir / CURRENT_NAME} names another model than {directory / MANIFEST_NAME}"
        )
    artifacts = manifest.artifacts_for(entry.platform, variant.runtime, variant.precision)
    return PulledModel(directory, entry.platform, manifest, artifacts)


def _read_manifest(directory: Path, digest: str) -> Manifest:
    path = directory / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}; pull again") from None
    if sha256_bytes(data) != digest:
        raise BundleError(f"{path} was changed since it was pulled; pull again")
    return Manifest.from_bytes(data)
