"""The bundle: one deterministic archive with everything that an app needs of one version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conversion.artifact import (
    GOLDEN_NAME,
    PARITY_NAME,
    Artifact,
    Build,
    GoldenPhoto,
    artifact_bytes,
    read_build,
    read_golden,
    read_parity,
)
from conversion.parity_report import ParityReport
from mobile_assets.archive import list_entries, open_archive, pack
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.manifest import LABELS_NAME, MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from mobile_assets.parts import BundledArtifact, File, Golden, Metrics, Threshold, check_path
from mobile_assets.platforms import platforms_of
from mobile_assets.reading import Node
from training.files import SUMS_NAME, sha256_bytes, write_atomic

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
    tell: Callable[[str], None] = _say_nothing,
) -> Path:
    """Packs what passed of a build into a bundle; same input, same bytes.

    Args:
        build_dir: what `conversion convert` and `conversion parity` wrote.
        out: the archive to write, whole or not at all.
        accepted: file names of artifacts to take although parity does not speak for them; the
            manifest then says so.
        tell: takes a line for each artifact that is left out, with the reason.

    Returns:
        `out`.

    Raises:
        ArtifactError: the build or its parity folder is incomplete, malformed or was changed.
        BundleError: a runtime of the build would be left without an artifact, because parity
            speaks for none of it or golden photos are missing.
        StorageError: the disk is full, or `out` cannot be written.
    """
    build = read_build(build_dir)
    has_parity = (build_dir / PARITY_NAME).is_dir()
    reports = read_parity(build_dir) if has_parity else {}
    golden = read_golden(build_dir) if has_parity else ()
    objections = {
        artifact.file_name: tuple(_object_to(artifact, build, reports, golden))
        for artifact in build.artifacts
    }
    build = _choose_artifacts(build, objections, accepted, tell)
    contents = {
        **_read_artifacts(build_dir, build),
        LABELS_NAME: build.labels.to_text().encode(),
        **(_read_parity_files(build_dir / PARITY_NAME, golden, build) if has_parity else {}),
        "licences/ghostlens.txt": _OWN_LICENCE.encode(),
        "licences/photos.txt": _describe_photos(build).encode(),
    }
    manifest = _describe(build, reports, golden, objections, contents)
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
        ManifestError: the manifest is malformed or of a newer schema.
    """
    where = str(path)
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
        manifest = Manifest.from_bytes(manifest_bytes)
        sizes = {name: entry.file_size for name, entry in entries.items()}
        _check_listing(manifest, sizes, where)
        for file in manifest.files:
            _check_hash(archive.read(entries[file.path]), file, path)
        _check_labels(manifest, archive.read(LABELS_NAME), where)
    return Bundle(path, manifest, manifest_bytes)


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


def _choose_artifacts(
    build: Build,
    objections: dict[str, tuple[str, ...]],
    accepted: frozenset[str],
    tell: Callable[[str], None],
) -> Build:
    """Returns the build with those artifacts alone that passed or that a person accepted."""
    for name in sorted(accepted):
        build.find(name)
    refused = {
        name: ", and ".join(reasons)
        for name, reasons in objections.items()
        if reasons and name not in accepted
    }
    kept = tuple(artifact for artifact in build.artifacts if artifact.file_name not in refused)
    runtimes = dict.fromkeys(artifact.runtime for artifact in build.artifacts)
    without = [name for name in runtimes if name not in {artifact.runtime for artifact in kept}]
    if without:
        words = "; ".join(f"{name}: {reasons}" for name, reasons in refused.items())
        raise BundleError(
            f"refused {len(refused)} of {len(build.artifacts)} artifacts: {words}. "
            f"Nothing would be left for {', '.join(without)}. "
            "To ship one nevertheless, name it with --accept"
        )
    for name, reasons in refused.items():
        tell(f"left out {name}: {reasons}")
    return replace(build, artifacts=kept)


def _object_to(
    artifact: Artifact,
    build: Build,
    reports: dict[str, ParityReport],
    golden: Sequence[GoldenPhoto],
) -> list[str]:
    report = reports.get(artifact.file_name)
    if report is None:
        return ["it has no parity report; run `python -m conversion parity` first"]
    if report.artifact_sha256 != artifact.sha256:
        return ["its parity report is about other bytes; run parity again"]
    if report.checkpoint_sha256 != build.checkpoint_sha256:
        return ["its parity report compares it with another checkpoint"]
    if not report.passed:
        return report.reasons()
    if not golden or any(artifact.file_name not in photo.answers for photo in golden):
        return ["there are no golden photos with its answers; run parity again"]
    return []


def _shipped_path(file_name: str) -> str:
    suffix = ".zip" if file_name.endswith(".mlpackage") else ""
    return f"artifacts/{file_name}{suffix}"


def _read_artifacts(build_dir: Path, build: Build) -> dict[str, bytes]:
    return {
        _shipped_path(artifact.file_name): artifact_bytes(build_dir / artifact.file_name)
        for artifact in build.artifacts
    }


def _read_parity_files(
    folder: Path, golden: Sequence[GoldenPhoto], build: Build
) -> dict[str, bytes]:
    """Reads golden photos and reports, without the reports of artifacts that were left out."""
    own = {f"{artifact.file_name}.json" for artifact in build.artifacts}
    contents = {}
    for photo in golden:
        data = artifact_bytes(folder / photo.file)
        if sha256_bytes(data) != photo.sha256:
            raise BundleError(f"{folder / photo.file} is not the photo that {GOLDEN_NAME} names")
        contents[photo.file] = data
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name in (GOLDEN_NAME, SUMS_NAME):
            continue
        if path.suffix != ".json" or path.name in own:
            contents[f"reports/{path.name}"] = artifact_bytes(path)
    return contents


def _describe_photos(build: Build) -> str:
    return (
        f"The golden photos come from: {build.photos_source}\n"
        f"Their licence: {build.photos_licence}\n"
    )


def _describe(
    build: Build,
    reports: dict[str, ParityReport],
    golden: Sequence[GoldenPhoto],
    objections: dict[str, tuple[str, ...]],
    contents: dict[str, bytes],
) -> Manifest:
    paths = {artifact.file_name: _shipped_path(artifact.file_name) for artifact in build.artifacts}
    others = sorted(path for path in contents if path not in paths.values())
    return Manifest(
        model=build.model,
        version=build.version,
        architecture=build.architecture,
        checkpoint_sha256=build.checkpoint_sha256,
        labels=build.labels,
        preprocess=build.preprocess,
        thresholds={
            name: Threshold.from_node(Node(value, f"thresholds.{name}", "build.json"))
            for name, value in build.thresholds.items()
        },
        metrics=_read_metrics(build),
        photos_source=build.photos_source,
        photos_licence=build.photos_licence,
        artifacts=tuple(
            _describe_artifact(artifact, reports, objections[artifact.file_name])
            for artifact in build.artifacts
        ),
        golden=tuple(_describe_golden(photo, paths) for photo in golden),
        other_files=tuple(_describe_file(path, contents[path]) for path in others),
    )


def _read_metrics(build: Build) -> Metrics:
    wanted = {name: build.metrics.get(name) for name in ("top1", "top5", "photos")}
    return Metrics.from_node(Node(wanted, "metrics", "build.json"))


def _describe_artifact(
    artifact: Artifact, reports: dict[str, ParityReport], objections: tuple[str, ...]
) -> BundledArtifact:
    path = _shipped_path(artifact.file_name)
    report = reports.get(artifact.file_name)
    speaks_for_it = report is not None and report.artifact_sha256 == artifact.sha256
    return BundledArtifact(
        file=File(path, "artifact", artifact.sha256, artifact.size_bytes),
        runtime=artifact.runtime,
        precision=artifact.precision,
        backend=artifact.backend,
        platforms=platforms_of(artifact.runtime, artifact.backend),
        input=artifact.input,
        output=artifact.output,
        tool_versions=artifact.tool_versions,
        parity=report if speaks_for_it else None,
        accepted_by_hand=bool(objections),
        objections=objections,
    )


def _describe_golden(photo: GoldenPhoto, paths: dict[str, str]) -> Golden:
    answers = {
        paths[name]: tuple(float(value) for value in given)
        for name, given in photo.answers.items()
        if name in paths
    }
    return Golden(photo.file, photo.label, answers)


def _describe_file(path: str, data: bytes) -> File:
    folder, _, _ = path.rpartition("/")
    roles = {"golden": "golden", "reports": "report", "licences": "licence", "": "labels"}
    try:
        role = roles[folder]
        return File(check_path(path, role), role, sha256_bytes(data), len(data))
    except (KeyError, ManifestError) as error:
        raise BundleError(f"the path {path!r} is not allowed in a bundle: {error}") from None
