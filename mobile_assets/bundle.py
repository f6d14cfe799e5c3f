"""The bundle: one deterministic archive with everything that an app needs of one version."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversion.artifact import Build, read_build
from mobile_assets.archive import list_entries, open_archive, pack
from mobile_assets.comparison import Comparison, compare_models
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.gathering import Gathered, Tell, gather
from mobile_assets.manifest import (
    LABELS_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SCHEMA,
    Manifest,
)
from mobile_assets.names import list_named, names_bytes, names_path, parse_names, read_table
from mobile_assets.parts import FOLDERS, File, check_path
from mobile_assets.released import CLOUD, DEVICE, ReleasedModel
from training.files import sha256_bytes, write_atomic

_ZIP_BEGINNING = b"PK\3\4"
_OLD_SCHEMA = re.compile(rb'"schema": "ghostlens\.bundle/([1-9][0-9]{0,8})"')
_OWN_LICENCE = """\
The model files in this bundle were made with Ghostlens. Ghostlens is licensed under the Apache
License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0
The terms of the model itself are those of its owner.
"""


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose every byte was checked when it was opened.

    Attributes:
        path: the archive.
        manifest: what it holds.
        manifest_bytes: the manifest as it stands in the archive.
    """

    path: Path
    manifest: Manifest
    manifest_bytes: bytes

    def read(self, name: str) -> bytes:
        """Returns the bytes of one file, checked again against the manifest.

        Raises:
            BundleError: the archive was damaged since it was opened.
            ManifestError: the manifest names no such file.
        """
        if name == MANIFEST_NAME:
            return self.manifest_bytes
        file = self.manifest.find_file(name)
        with open_archive(self.path, str(self.path)) as archive:
            entry = list_entries(archive, str(self.path)).get(name)
            if entry is None or entry.file_size != file.size_bytes:
                raise BundleError(f"{self.path}: {name} was changed after the bundle was opened")
            data = archive.read(entry)
        _check_hash(data, file, self.path)
        return data


def _say_nothing(_line: str) -> None:
    pass


def write_bundle(
    build_dir: Path,
    out: Path,
    accepted: frozenset[str] = frozenset(),
    tell: Tell = _say_nothing,
    cloud_dir: Path | None = None,
    names: Path | None = None,
) -> Path:
    """Packs what passed of a build into a bundle; same input, same bytes.

    Args:
        build_dir: what `conversion convert` and `conversion parity` wrote.
        out: the archive to write, whole or not at all.
        accepted: file names of artifacts to take although parity does not speak for them; the
            manifest then says so.
        tell: takes a line for each artifact that is left out, with the reason; and lines on
            whether asking the cloud model is worth it.
        cloud_dir: the build of the wider network that the server answers with, if there is one.
        names: the owner's table of names in other languages, if there is one; see
            `names.read_table`.

    Returns:
        `out`.

    Raises:
        ArtifactError: the build or its parity folder is incomplete, malformed or was changed.
        BundleError: a runtime of the build would be left without an artifact, because parity
            speaks for none of it or golden photos are missing; or the cloud's build has other
            labels, nothing for the server, or files of the same names; or the table of names
            does not fit the labels.
        StorageError: the disk is full, or `out` cannot be written.
    """
    device_build = read_build(build_dir)
    cloud_build = None if cloud_dir is None else read_build(cloud_dir)
    _check_pair(device_build, cloud_build, accepted)
    gathered = [gather(build_dir, device_build, DEVICE, accepted, tell)]
    comparison = None
    if cloud_dir is not None and cloud_build is not None:
        gathered.append(gather(cloud_dir, cloud_build, CLOUD, accepted, tell))
        models = [part.model for part in gathered]
        comparison = compare_models(build_dir, models[0], cloud_dir, models[1])
        for line in comparison.describe() if comparison else _compare_roughly(*models):
            tell(line)
    contents = {path: data for part in gathered for path, data in part.contents.items()}
    contents["licences/ghostlens.txt"] = _OWN_LICENCE.encode()
    if names is not None:
        contents.update(_read_names(names, device_build, tell))
    manifest = _describe(device_build, gathered, contents, comparison)
    # Read back with the strict reader: what no client would take must not leave this room.
    manifest_bytes = Manifest.from_bytes(manifest.to_bytes()).to_bytes()
    members = [(MANIFEST_NAME, manifest_bytes)]
    members += [(file.path, contents[file.path]) for file in manifest.files]
    write_atomic(out, pack(members))
    return out


def open_bundle(path: Path) -> Bundle:
    """Opens a bundle and checks everything in it against its manifest.

    Raises:
        BundleError: not a whole bundle; or it holds a file that the manifest does not name, lacks
            one, or holds other bytes; or the archive is built to do harm.
        ManifestError: the manifest is malformed, or of a newer or an older schema.
    """
    where = str(path)
    _check_is_archive(path)
    with open_archive(path, where) as archive:
        entries = list_entries(archive, where)
        manifest_entry = entries.pop(MANIFEST_NAME, None)
        if manifest_entry is None:
            raise BundleError(f"{where} has no {MANIFEST_NAME}: not a bundle")
        if manifest_entry.file_size > MAX_MANIFEST_BYTES:
            size_bytes = manifest_entry.file_size
            raise BundleError(
                f"{where}: {MANIFEST_NAME} has {size_bytes} bytes: allowed are {MAX_MANIFEST_BYTES}"
            )
        manifest_bytes = archive.read(manifest_entry)
        try:
            manifest = Manifest.from_bytes(manifest_bytes)
        except ManifestError as error:
            raise ManifestError(f"{where}: {error}{_advise(manifest_bytes)}") from None
        sizes = {name: entry.file_size for name, entry in entries.items()}
        _check_listing(manifest, sizes, where)
        for file in manifest.files:
            _check_hash(archive.read(entries[file.path]), file, path)
        _check_labels(manifest, archive.read(LABELS_NAME), where)
        named = list_named(manifest.labels, manifest.hierarchy)
        for member in map(names_path, manifest.languages):
            parse_names(archive.read(member), f"{where}: {member}", named)
    return Bundle(path, manifest, manifest_bytes)


def _read_names(table: Path, build: Build, tell: Tell) -> Iterator[tuple[str, bytes]]:
    """Yields the files of the languages that have a name."""
    named = list_named(build.labels, build.hierarchy)
    for language, names in read_table(table, named).items():
        tell(f"names in {language}: {len(names)} of {len(named)} labels and coarse classes")
        if names:
            path, data = names_path(language), names_bytes(names)
            parse_names(data, path, named)  # as every reader will: it may be too large
            yield path, data


def _check_is_archive(path: Path) -> None:
    """Tells what is no bundle at all from one that was cut short."""
    wanted = "expected is one file, as `python -m mobile_assets bundle` writes it"
    if path.is_dir():
        raise BundleError(f"{path} is a folder and not a bundle: {wanted}")
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_ZIP_BEGINNING))
    except OSError:
        return  # what opens the archive says why
    if beginning.strip(b"\0") and beginning != _ZIP_BEGINNING:
        raise BundleError(f"{path} is not a bundle: {wanted}")


def _advise(manifest_bytes: bytes) -> str:
    """Returns how to get a bundle of today's schema in place of an older one, or nothing."""
    found = _OLD_SCHEMA.search(manifest_bytes)
    if found is None or int(found[1]) >= int(SCHEMA.rpartition("/")[2]):
        return ""
    return (
        "; an older Ghostlens made it: make it again from its build with `python -m mobile_assets "
        "bundle`, after `python -m conversion convert` and `parity` where the build is older too"
    )


def _check_listing(manifest: Manifest, sizes: dict[str, int], where: str) -> None:
    # Sizes are compared before anything is read: a lying archive cannot fill the memory.
    listed = {file.path: file.size_bytes for file in manifest.files}
    if extra := sorted(set(sizes) - set(listed)):
        raise BundleError(f"{where} holds {extra[0]!r}, which its manifest does not name")
    if missing := sorted(set(listed) - set(sizes)):
        raise BundleError(f"{where} lacks {missing[0]!r}, which its manifest names")
    for name, size_bytes in sizes.items():
        if size_bytes != listed[name]:
            raise BundleError(
                f"{where}: {name} has {size_bytes} bytes; its manifest says {listed[name]}"
            )


def _check_hash(data: bytes, file: File, path: Path) -> None:
    actual = sha256_bytes(data)
    if actual != file.sha256:
        raise BundleError(
            f"{path}: {file.path} was changed: sha256 {actual}, expected {file.sha256}"
        )


def _check_labels(manifest: Manifest, data: bytes, where: str) -> None:
    if data != manifest.labels.to_text().encode():
        raise BundleError(f"{where}: {LABELS_NAME} differs from the labels in the manifest")


def _check_pair(device: Build, cloud: Build | None, accepted: frozenset[str]) -> None:
    """Checks that two builds can be one release, and that they have what was accepted by hand."""
    theirs = {artifact.file_name for artifact in cloud.artifacts} if cloud else set()
    for name in sorted(accepted - theirs):
        device.find(name)
    if cloud is None:
        return
    if both := sorted(theirs & {artifact.file_name for artifact in device.artifacts}):
        raise BundleError(
            f"both builds have a file {both[0]!r}: convert the cloud model under a name of its "
            f"own, as in --model {device.model}-cloud"
        )
    if device.labels.names != cloud.labels.names:
        raise BundleError(
            "the cloud model has other labels than the device's, and both must name the same items "
            f"in the same order: {_compare_labels(device, cloud)}"
        )
    if device.hierarchy != cloud.hierarchy:
        raise BundleError("the cloud model has other coarse classes than the device's")


def _compare_labels(device: Build, cloud: Build) -> str:
    for place, (ours, theirs) in enumerate(
        zip(device.labels.names, cloud.labels.names, strict=False)
    ):
        if ours != theirs:
            return f"its label {place} is {theirs!r}, the device's {ours!r}"
    return f"it has {len(cloud.labels)}, the device {len(device.labels)}"


def _compare_roughly(device: ReleasedModel, cloud: ReleasedModel) -> Iterator[str]:
    yield (
        "the two models cannot be compared photo by photo: parity left no verdicts on the same "
        f"photos. On its own validation photos the cloud model reaches {cloud.metrics.top1:.1%} "
        f"(of {cloud.metrics.photos}), the device's {device.metrics.top1:.1%} (of "
        f"{device.metrics.photos})"
    )
    if cloud.metrics.top1 <= device.metrics.top1:
        yield "WARNING: the cloud model is not better: asking it may not be worth it"


def _describe(
    build: Build,
    gathered: Sequence[Gathered],
    contents: dict[str, bytes],
    comparison: Comparison | None,
) -> Manifest:
    models = [part.model for part in gathered]
    device = models[0]
    artifacts = {artifact.path for model in models for artifact in model.artifacts}
    return Manifest(
        model=build.model,
        version=build.version,
        architecture=device.architecture,
        checkpoint_sha256=device.checkpoint_sha256,
        labels=build.labels,
        preprocess=device.preprocess,
        hierarchy=build.hierarchy,
        metrics=device.metrics,
        photos_source=device.photos_source,
        photos_licence=device.photos_licence,
        artifacts=device.artifacts,
        golden=device.golden,
        other_files=tuple(
            _describe_file(path, contents[path]) for path in sorted(set(contents) - artifacts)
        ),
        cloud=models[1] if len(models) > 1 else None,
        comparison=comparison,
    )


def _describe_file(path: str, data: bytes) -> File:
    folder = path[: path.rfind("/") + 1]
    roles = {folder: role for role, folder in FOLDERS.items()}
    try:
        role = roles[folder]
        return File(check_path(path, role), role, sha256_bytes(data), len(data))
    except (KeyError, ManifestError) as error:
        raise BundleError(f"the path {path!r} is not allowed in a bundle: {error}") from None
