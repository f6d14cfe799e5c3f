"""The client of apps written in Python: pull a version, verify it, test it, switch to it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conversion.artifact import check_model_name, check_version
from mobile_assets.errors import BundleError, ManifestError, NoSpaceError, PullError
from mobile_assets.installed import (
    PulledModel,
    check_placed,
    choose_other_files,
    is_placed,
    load_entry,
    switch_to,
    version_folder,
)
from mobile_assets.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import check_platform
from mobile_assets.release import MAX_RELEASE_BYTES, RELEASE_NAME, Release
from mobile_assets.selftest import SelfTestReport, require_golden
from mobile_assets.starting import Entry, Installed, Refused, change_installed
from mobile_assets.transfer import count_bytes
from mobile_assets.trust import TIMEOUT_S, TrustedRepository
from mobile_assets.unpacking import unpack_artifact
from training.errors import StorageError
from training.files import exclusive_lock, new_directory, sha256_bytes, write_atomic

_TRUST_FOLDER = ".trust"
_PARTIAL_FOLDER = ".partial"
_LOCK_NAME = ".pull.lock"
# What is downloaded is copied before it is in use: a packed artifact is unpacked next to itself.
_SPACE_FACTOR = 2


@dataclass(frozen=True)
class Pull:
    """What a pull did.

    Attributes:
        model: the version that is now in use.
        self_tests: one report for each model file.
        downloaded_bytes: of all files that were fetched; 0 when everything was here already.
    """

    model: PulledModel
    self_tests: tuple[SelfTestReport, ...]
    downloaded_bytes: int


@dataclass(frozen=True)
class _Offer:
    """A version as the repository describes it, with what this platform needs of it."""

    manifest: Manifest
    manifest_bytes: bytes
    artifacts: tuple[BundledArtifact, ...]


class BundleClient:
    """Pulls models from a repository into a folder.

    The folder keeps every version that was pulled, and the metadata that were verified: a server
    that offers older ones later is refused.
    """

    def __init__(
        self, cache_dir: Path, base_url: str, trusted_root: bytes, timeout_s: int = TIMEOUT_S
    ) -> None:
        """Remembers where to pull from; nothing is fetched yet.

        Args:
            cache_dir: the folder, made when missing. One process pulls into it at a time.
            base_url: the server's address, `metadata/` and `targets/` lie below it.
            trusted_root: bytes of the root metadata that the app was shipped with.
            timeout_s: longest wait for a connection, and between two pieces of an answer.
        """
        self.cache_dir = cache_dir
        self.base_url = base_url
        self.trusted_root = trusted_root
        self.timeout_s = timeout_s

    def pull(
        self,
        model: str,
        platform: str,
        runtime: str | None = None,
        version: str | None = None,
        precision: str | None = None,
    ) -> Pull:
        """Downloads what a platform needs of a version, verifies and tests it, and switches.

        When anything fails, the version in use stays in use, untouched.

        Args:
            model: name of the model.
            platform: one of `PLATFORMS`.
            runtime: the one that the app links; the platform's default when not given.
            version: the release's current one when not given.
            precision: the most faithful one when not given; see `Manifest.artifacts_for`.

        Raises:
            ConfigError: `model` or `version` is not allowed as a name.
            ManifestError: no such platform, runtime or precision, or a malformed publication.
            PullError: unreachable, not published, or not what the trusted root vouches for.
            BundleError: a packed artifact does not unpack to what it should.
            SelfTestError: an artifact does not answer as expected here.
            StorageError: the disk is full, or another process is pulling into this folder;
                `NoSpaceError` before anything is fetched.
        """
        check_model_name(model)
        check_platform(platform, runtime, precision)
        with self._lock():
            repository = self._open_repository()
            chosen = self._choose_version(repository, model, version)
            manifest, data = self._read_manifest(repository, model, chosen)
            artifacts = manifest.artifacts_for(platform, runtime, precision)
            offer = _Offer(manifest, data, artifacts)
            pulled, reports, downloaded_bytes = self._place(repository, offer, platform)
            switch_to(self.cache_dir / model, pulled)
        return Pull(pulled, reports, downloaded_bytes)

    def start(self, model: str) -> PulledModel | None:
        """Returns the version to run now, and counts the start: call it once a start of the app.

        Two starts that nobody confirmed make it the version before, and at last None; so does a
        version whose files were changed.

        Returns:
            None where the app must run what it was shipped with.

        Raises:
            ConfigError: `model` is not allowed as a name.
            StorageError: the folder cannot be written.
        """
        model_dir = self.cache_dir / check_model_name(model)
        while entries := change_installed(model_dir, Installed.count_start).entries:
            if not (failed := entries[0].has_failed):
                try:
                    return load_entry(model_dir, model, entries[0])
                except (BundleError, ManifestError):
                    pass  # damaged: the one before it may be whole
            change_installed(model_dir, partial(_leave, entries[0], failed))
        return None

    def confirm_start(self, model: str) -> None:
        """Notes that what the last `start` returned works.

        Raises:
            ConfigError: `model` is not allowed as a name.
            StorageError: the folder cannot be written.
        """
        change_installed(self.cache_dir / check_model_name(model), Installed.confirm)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write {self.cache_dir}: {error.strerror}") from error
        with exclusive_lock(self.cache_dir / _LOCK_NAME):
            yield

    def _open_repository(self) -> TrustedRepository:
        trust_dir = self.cache_dir / _TRUST_FOLDER
        repository = TrustedRepository(trust_dir, self.base_url, self.trusted_root, self.timeout_s)
        repository.refresh()
        return repository

    def _choose_version(
        self, repository: TrustedRepository, model: str, version: str | None
    ) -> str:
        path = f"{model}/{RELEASE_NAME}"
        release = Release.from_bytes(repository.read(path, MAX_RELEASE_BYTES))
        if release.model != model:
            raise PullError(f"{path} of {self.base_url} is about {release.model!r}")
        if version is None:
            return release.current
        if check_version(version) not in release.names:
            raise PullError(
                f"{self.base_url} publishes no {model} {version}: allowed are "
                f"{', '.join(release.names)}"
            )
        return version

    def _read_manifest(
        self, repository: TrustedRepository, model: str, version: str
    ) -> tuple[Manifest, bytes]:
        path = f"{model}/{version}/{MANIFEST_NAME}"
        data = repository.read(path, MAX_MANIFEST_BYTES)
        manifest = Manifest.from_bytes(data)
        if (manifest.model, manifest.version) != (model, version):
            raise PullError(
                f"{path} of {self.base_url} is about {manifest.model} {manifest.version}"
            )
        return manifest, data

    def _place(
        self, repository: TrustedRepository, offer: _Offer, platform: str
    ) -> tuple[PulledModel, tuple[SelfTestReport, ...], int]:
        """Makes the version's folder whole, or leaves it absent."""
        manifest, artifacts = offer.manifest, offer.artifacts
        digest = sha256_bytes(offer.manifest_bytes)
        model_dir = self.cache_dir / manifest.model
        directory = version_folder(model_dir, manifest.version, artifacts[0].variant, digest)
        pulled = PulledModel(directory, platform, manifest, artifacts)
        if is_placed(directory, digest, manifest, artifacts):
            return pulled, require_golden(manifest, directory, artifacts), 0
        with new_directory(directory) as temporary:
            downloaded_bytes = self._download(repository, offer, temporary)
            check_placed(temporary, manifest, artifacts)
            reports = require_golden(manifest, temporary, artifacts)
        return pulled, reports, downloaded_bytes

    def _download(self, repository: TrustedRepository, offer: _Offer, folder: Path) -> int:
        """Downloads a version's files into a folder; returns how many bytes that were."""
        manifest = offer.manifest
        partial_dir = self.cache_dir / _PARTIAL_FOLDER
        files = [artifact.file for artifact in offer.artifacts]
        files += choose_other_files(manifest)
        kept_bytes = sum(count_bytes(partial_dir / file.sha256) for file in files)
        _check_space(folder, sum(file.size_bytes for file in files) - kept_bytes)
        for file in files:
            target_path = f"{manifest.model}/{manifest.version}/{file.path}"
            repository.download(target_path, folder / file.path, file.size_bytes, partial_dir)
        for artifact in offer.artifacts:
            unpack_artifact(folder, artifact)
        write_atomic(folder / MANIFEST_NAME, offer.manifest_bytes)
        return sum(file.size_bytes for file in files) + len(offer.manifest_bytes) - kept_bytes


def _leave(left: Entry, failed: bool, installed: Installed) -> Installed:
    """Leaves an entry if it is still in use; one that failed to start is refused from now on."""
    if not installed.entries or not installed.entries[0].is_same(left):
        return installed
    after = installed.leave()
    return after.refuse(Refused(left.version, "")) if failed else after


def _check_space(folder: Path, download_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < _SPACE_FACTOR * download_bytes:
        raise NoSpaceError(
            f"{free_bytes} bytes are free for {folder}: a download of {download_bytes} needs "
            f"{_SPACE_FACTOR} times as many"
        )
