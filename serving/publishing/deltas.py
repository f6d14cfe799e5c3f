"""Deltas as targets: made when a version is published, found when a device asks."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from mobile_assets.deltas import can_have_delta, delta_path, make_delta
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from mobile_assets.parts import BundledArtifact, File
from mobile_assets.release import Release
from serving.errors import UnknownFileError
from serving.publishing.repository import file_path, read_sha256, read_target
from serving.storage import Storage

if TYPE_CHECKING:  # who serves makes none
    from mobile_assets.bundle import Bundle
    from serving.publishing.desk import Desk

# Devices that check every few hours run one of these; others fetch the whole.
_FROM_VERSIONS = 2
# A delta costs the device memory and a failure of its own: it must save more than half.
_MOST_OF_WHOLE = 0.5


def put_deltas(desk: "Desk", bundle: "Bundle", release: Release | None) -> None:
    """Puts deltas from the same artifacts of earlier versions, where they save more than half.

    Of a version that is published already, those that went missing are put back.

    Args:
        desk: the desk that the bundle's files were put on.
        bundle: the version.
        release: what is published of the model; None where nothing is.
    """
    names = [] if release is None else list(release.names)
    model, version = bundle.manifest.model, bundle.manifest.version
    is_published = version in names
    earlier = names[: names.index(version)] if is_published else names
    for name in earlier[-_FROM_VERSIONS:]:
        old = _read_manifest(desk, model, name)
        if old is None:
            continue
        for new_file, old_file in _pair(bundle.manifest, old):
            path = delta_path(model, version, new_file.path, old_file.sha256)
            signed = desk.find_target(path)
            if is_published and signed is None:
                continue
            delta = _make(desk, bundle, new_file, old, old_file)
            if delta is not None and signed in (
                None,
                TargetFile.from_data(path, delta, ["sha256"]),
            ):
                desk.put(path, delta)


def list_deltas(
    storage: Storage, manifest: Manifest, file: File, have: Iterable[str]
) -> list[dict[str, Any]]:
    """Returns the deltas that lead to a file from one of those that a device has.

    Args:
        storage: finds what is published.
        manifest: of the version.
        file: one of its files.
        have: SHA-256 of the files on the device.
    """
    found = []
    for sha256 in have:
        path = delta_path(manifest.model, manifest.version, file.path, sha256)
        try:
            target = storage.catalogue.find_target(path)
        except UnknownFileError:
            continue
        found.append(
            {
                "from_sha256": sha256,
                "url": storage.find_url(target),
                "sha256": read_sha256(target),
                "size_bytes": target.length,
            }
        )
    return found


def _read_manifest(desk: "Desk", model: str, version: str) -> Manifest | None:
    target = desk.find_target(file_path(model, version, MANIFEST_NAME))
    if target is None:
        return None
    try:
        return Manifest.from_bytes(read_target(desk.objects, target))
    except ManifestError:  # of an earlier schema
        return None


def _pair(new: Manifest, old: Manifest) -> Iterator[tuple[File, File]]:
    """Yields the files that do the same in both manifests, but are not the same."""
    earlier = {_describe(artifact): artifact.file for artifact in old.device.artifacts}
    for artifact in new.device.artifacts:
        file = earlier.get(_describe(artifact))
        if file is not None and file.sha256 != artifact.file.sha256:
            yield artifact.file, file


def _describe(artifact: BundledArtifact) -> tuple[str, str, str]:
    return artifact.runtime, artifact.precision, artifact.backend


def _make(
    desk: "Desk", bundle: "Bundle", new_file: File, old: Manifest, old_file: File
) -> bytes | None:
    if not can_have_delta(old_file.size_bytes, new_file.size_bytes):
        return None
    target = desk.find_target(file_path(old.model, old.version, old_file.path))
    if target is None:
        return None
    new = bundle.read(new_file.path)
    delta = make_delta(read_target(desk.objects, target), new)
    whole_bytes = len(make_delta(b"", new))
    return delta if len(delta) < whole_bytes * _MOST_OF_WHOLE else None
