"""The client of apps written in Python: pull a version, verify it, test it, switch to it."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from conversion.artifact import check_model_name, check_version
from mobile_assets.asking import Reports, ask_server, make_report, read_device_id, take_smaller
from mobile_assets.conditions import Device, Running
from mobile_assets.deciding import GO_BACK, TAKE, Decision, Offer, decide, list_candidates
from mobile_assets.errors import BundleError, ManifestError, NoSpaceError, PullError, SelfTestError
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
from mobile_assets.starting import Entry, Installed, Refused, change_installed, find_installed
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
class Check:
    """What a check found.

    Attributes:
        decision: what to do, and why.
        check_again_s: when the server wants to be asked again, in seconds.
    """

    decision: Decision
    check_again_s: int


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes:
        check: what was found.
        pull: what was switched to; None where nothing was taken.
    """

    check: Check
    pull: Pull | None


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

    def check(self, model: str, device: Device) -> Check:
        """Asks what to run; nothing is downloaded but metadata and manifests.

        The signed policy is the upper bound; the server may hold back, and only that.

        Args:
            model: name of the model.
            device: what the app says of itself. What it runs, what failed here, free space, and
                without a `device_id` the one kept in the folder are filled in; an empty id takes
                part in no rollout.

        Raises:
            ConfigError: `model` is not allowed as a name.
            ManifestError: a malformed publication or answer.
            PullError: unreachable, not published, or not what the trusted root vouches for.
            StorageError: the disk is full, or another process is pulling into this folder.
        """
        check_model_name(model)
        with self._lock():
            return self._check(self._open_repository(), model, self._fill_in(model, device))[0]

    def update(self, model: str, device: Device) -> Update:
        """Checks, and does what was found: takes a version, or goes back to what was shipped.

        What is taken is verified and tested before the switch. When anything fails, the version
        in use stays in use; one that fails its self-test is not offered here again, unless the
        app has another version.

        Raises:
            SelfTestError: an artifact does not answer as expected here.
            BundleError: a packed artifact does not unpack to what it should.
            GhostlensError: as `check`.
        """
        model_dir = self.cache_dir / check_model_name(model)
        with self._lock():
            repository = self._open_repository()
            device = self._fill_in(model, device)
            reports = Reports(model_dir)
            reports.send(repository.transfer, repository.base_url, model)
            check, offers = self._check(repository, model, device)
            decision = check.decision
            if decision.action == GO_BACK:
                change_installed(model_dir, Installed.leave_all)
            if decision.action != TAKE or decision.version is None:
                return Update(check, None)
            manifest, data = offers[decision.version]
            chosen = tuple(x for x in manifest.artifacts if x.path == decision.artifact)
            try:
                pull = self._take(repository, _Offer(manifest, data, chosen), device)
            finally:
                reports.send(repository.transfer, repository.base_url, model)
        return Update(check, pull)

    def _take(self, repository: TrustedRepository, offer: _Offer, device: Device) -> Pull:
        """Places a version, reports how its self-test went, and switches where it passed."""
        manifest, model_dir = offer.manifest, self.cache_dir / offer.manifest.model
        report = partial(make_report, device, manifest.version, offer.artifacts[0])
        began_s = time.monotonic()
        try:
            pulled, tests, downloaded_bytes = self._place(repository, offer, device.platform)
        except SelfTestError:
            failed = Refused(manifest.version, device.app_version or "")
            change_installed(model_dir, lambda installed: installed.refuse(failed))
            Reports(model_dir).add(report(False, None, 0.0))
            raise
        if tests[0].executed:
            duration_ms = (time.monotonic() - began_s) * 1000
            Reports(model_dir).add(report(True, tests[0], duration_ms))
        switch_to(model_dir, pulled)
        return Pull(pulled, tests, downloaded_bytes)

    def _fill_in(self, model: str, device: Device) -> Device:
        """Returns what the app says of itself, with what this folder knows."""
        model_dir = self.cache_dir / model
        installed = find_installed(model_dir)
        device_id = device.device_id
        if device_id is None:
            device_id = read_device_id(self.cache_dir)
        running = None
        try:
            if installed.entries:
                load_entry(model_dir, model, entry := installed.entries[0])
                running = Running(entry.version, entry.manifest_sha256)
        except (BundleError, ManifestError):
            pass  # damaged: taking it again mends it
        free_bytes = device.free_bytes
        if free_bytes is None:
            free_bytes = shutil.disk_usage(self.cache_dir).free
        app_versions = ("", device.app_version or "")
        refused = [x.version for x in installed.refused if x.app_version in app_versions]
        return replace(
            device,
            device_id=device_id or None,
            running=running,
            free_bytes=free_bytes,
            refused=tuple(dict.fromkeys(refused)),
        )

    def _check(
        self, repository: TrustedRepository, model: str, device: Device
    ) -> tuple[Check, dict[str, tuple[Manifest, bytes]]]:
        """Returns what to do, and the manifests of the versions that the channel names."""
        release = self._read_release(repository, model)
        names = list_candidates(release, device.channel)
        manifests = {name: self._read_manifest(repository, model, name) for name in names}
        offers = {
            name: Offer.from_manifest(manifest, sha256_bytes(data), len(data))
            for name, (manifest, data) in manifests.items()
        }
        signed = decide(release, device, offers)
        answer = ask_server(repository.transfer, repository.base_url, model, device)
        decision = take_smaller(signed, answer, release, device, offers)
        return Check(decision, answer.check_again_s), manifests

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
        release = self._read_release(repository, model)
        if version is None:
            return release.current
        if check_version(version) not in release.names:
            raise PullError(
                f"{self.base_url} publishes no {model} {version}: allowed are "
                f"{', '.join(release.names)}"
            )
        return version

    def _read_release(self, repository: TrustedRepository, model: str) -> Release:
        path = f"{model}/{RELEASE_NAME}"
        release = Release.from_bytes(repository.read(path, MAX_RELEASE_BYTES))
        if release.model != model:
            raise PullError(f"{path} of {self.base_url} is about {release.model!r}")
        return release

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
