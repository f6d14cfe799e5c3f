"""Brings one file of a version: from a version that is here, by a delta, or whole."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from conversion.artifact import artifact_bytes
from conversion.errors import ArtifactError
from mobile_assets.deltas import apply_delta, delta_path
from mobile_assets.errors import DeltaError, PullError
from mobile_assets.manifest import Manifest
from mobile_assets.parts import File
from mobile_assets.transfer import count_bytes
from mobile_assets.trust import TrustedRepository
from training.files import sha256_bytes, storage_error

_ARTIFACT = "artifact"
# What broken downloads of other versions left, which another model of this folder may go on with.
_MOST_STALE_PARTIALS = 2


class Bringer:
    """Brings the files of versions, each in the way that costs the least."""

    def __init__(
        self, repository: TrustedRepository, partial_dir: Path, here: Mapping[str, Path]
    ) -> None:
        """Remembers where files may come from.

        Args:
            repository: serves the files, and deltas to them.
            partial_dir: where broken downloads are kept, to go on from.
            here: SHA-256 of files that lie here, with their places; a damaged one counts as none.
        """
        self.repository = repository
        self.partial_dir = partial_dir
        self.here = here

    def is_here(self, file: File) -> bool:
        """Tells whether a file need not come over the network, unless it is damaged."""
        return file.sha256 in self.here

    def count_missing_bytes(self, file: File) -> int:
        """Returns how much a file's whole download would still take."""
        if self.is_here(file):
            return 0
        return max(0, file.size_bytes - count_bytes(self.partial_dir / file.sha256))

    def remove_stale_partials(self, files: Iterable[File]) -> None:
        """Removes what broken downloads of other files left, but for the newest."""
        wanted = {file.sha256 for file in files}
        stale = [path for path in self.partial_dir.glob("*") if path.name not in wanted]
        stale.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in stale[_MOST_STALE_PARTIALS:]:
            path.unlink(missing_ok=True)

    def bring(self, manifest: Manifest, file: File, to: Path) -> None:
        """Brings a file of a version.

        Where a delta fails, the whole file is downloaded.

        Raises:
            PullError: unreachable, or other bytes than signed.
            StorageError: the disk is full.
        """
        data = self._read_here(file.sha256)
        if data is None and file.role == _ARTIFACT:
            data = self._make_from_delta(manifest, file, to)
        if data is not None:
            _write(to, data)
            return
        target_path = f"{manifest.model}/{manifest.version}/{file.path}"
        self.repository.download(target_path, to, file.size_bytes, self.partial_dir)

    def _make_from_delta(self, manifest: Manifest, file: File, to: Path) -> bytes | None:
        """Returns a file made from an older one; None where that fails or would save nothing."""
        try:
            found = self._find_delta(manifest, file)
            old = found and self._read_here(found[1])
            if found is None or old is None:
                return None
            delta = self._download_delta(found[0], to)
            return apply_delta(old, delta, file.sha256, file.size_bytes)
        except (PullError, DeltaError, MemoryError):
            return None

    def _find_delta(self, manifest: Manifest, file: File) -> tuple[str, str] | None:
        """Returns the path of the shortest signed delta that saves, and what it is applied to."""
        best, least_bytes = None, self.count_missing_bytes(file)
        for sha256 in self.here:
            target_path = delta_path(manifest.model, manifest.version, file.path, sha256)
            size_bytes = self.repository.find_size(target_path)
            if size_bytes is not None and size_bytes < least_bytes:
                best, least_bytes = (target_path, sha256), size_bytes
        return best

    def _download_delta(self, target_path: str, to: Path) -> bytes:
        path = to.with_name(f".{to.name}.delta")
        size_bytes = self.repository.find_size(target_path) or 0
        try:
            self.repository.download(target_path, path, size_bytes, self.partial_dir)
            return path.read_bytes()
        except OSError as error:
            raise storage_error("read", path, error) from error
        finally:
            path.unlink(missing_ok=True)

    def _read_here(self, sha256: str) -> bytes | None:
        path = self.here.get(sha256)
        if path is None:
            return None
        try:
            data = artifact_bytes(path)
        except (ArtifactError, MemoryError):
            return None
        return data if sha256_bytes(data) == sha256 else None


def _write(to: Path, data: bytes) -> None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data)
    except OSError as error:
        raise storage_error("write", to, error) from error
