"""The client of apps written in Python: pull a version, verify it, test it, switch to it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path

from conversion.artifact import check_model_name, check_version
from mobile_assets.asking import ask_server, read_device_id, take_smaller
from mobile_assets.conditions import Device, Running
from mobile_assets.deciding import GO_BACK, TAKE, Decision, decide, list_candidates
from mobile_assets.errors import BundleError, ManifestError, PullError, SelfTestError
from mobile_assets.housekeeping import remove_left_versions
from mobile_assets.installed import PulledModel, find_artifact, list_kept, load_entry, switch_to
from mobile_assets.placing import Wanted, place
from mobile_assets.platforms import check_platform
from mobile_assets.published import SignedManifest, read_manifest, read_release
from mobile_assets.recognise import Recognition
from mobile_assets.release import STABLE
from mobile_assets.reporting import CRASH, SELF_TEST, START, Reports, describe_test, make_report
from mobile_assets.selftest import SelfTestReport
from mobile_assets.starting import Entry, Installed, Refused, change_installed, find_installed
from mobile_assets.trust import TIMEOUT_S, TrustedRepository
from mobile_assets.usage import Usage
from training.errors import StorageError
from training.files import exclusive_lock

_TRUST_FOLDER = ".trust"
_DOCUMENTS_FOLDER = ".documents"
_LOCK_NAME = ".pull.lock"


@dataclass(frozen=True)
class Pull:
    """What a pull did.

    Attributes:
        model: the version that is now in use.
        self_tests: one report for each model file.
        downloaded_bytes: of its files, as they came over the network; 0 when everything was here
            already.
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
class _Found:
    """What a check found, with what a take needs."""

    check: Check
    manifests: dict[str, SignedManifest]
    files_url: str | None


class BundleClient:
    """Pulls models from a repository into a folder.

    The folder keeps the metadata that were verified, so that a server that offers older ones later
    is refused; the version in use and the one before it; and what `pull` brought besides.
    """

    def __init__(
        self,
        cache_dir: Path | str,
        base_url: str,
        trusted_root: bytes,
        timeout_s: int = TIMEOUT_S,
        files_url: str | None = None,
        share_usage: bool = False,
        api_key: str | None = None,
    ) -> None:
        """Remembers where to pull from; nothing is fetched yet.

        Args:
            cache_dir: the folder, made when missing. One process pulls into it at a time.
            base_url: the server's address, `metadata/` and `targets/` lie below it.
            trusted_root: bytes of the root metadata that the app was shipped with.
            timeout_s: longest wait for a connection, and between two pieces of an answer.
            files_url: the address that the files of `targets/` lie below where it is another, as
                of a network of caches; in an update the one that the server names without.
            share_usage: whether scans are counted and told to the server, see `count_scan`.
            api_key: what the server asks for, if anything; sent to `base_url` and nowhere else.

        Raises:
            PullError: the trusted root is a path or text.
        """
        if isinstance(trusted_root, str | PathLike):
            raise PullError(
                f"the trusted root is {str(trusted_root)[:80]!r}: give the bytes of root.json, "
                'as in Path("root.json").read_bytes()'
            )
        self.cache_dir = Path(cache_dir)
        self.base_url = base_url
        self.trusted_root = trusted_root
        self.timeout_s = timeout_s
        self.files_url = files_url
        self.share_usage = share_usage
        self._api_key = api_key

    def pull(
        self,
        model: str,
        platform: str,
        runtime: str | None = None,
        version: str | None = None,
        precision: str | None = None,
        channel: str = STABLE,
    ) -> Pull:
        """Downloads what a platform needs of a version, verifies and tests it, and switches.

        When anything fails, the version in use stays in use, untouched.

        Args:
            model: name of the model.
            platform: one of `PLATFORMS`.
            runtime: the one that the app links; the platform's default when not given.
            version: the channel's current one when not given.
            precision: the most faithful one when not given; see `Manifest.artifacts_for`.
            channel: the channel to follow; does not matter where `version` is given.

        Raises:
            ConfigError: `model` or `version` is not allowed as a name.
            ManifestError: no such platform, runtime or precision, or a malformed publication.
            PullError: unreachable, not published, or not what the trusted root vouches for.
            BundleError: a packed artifact does not unpack to what it should.
            SelfTestError: an artifact does not answer as expected here.
            StorageError: the disk is full, or another process is pulling into this folder;
                `NoSpaceError` before anything is fetched.
        """
        model_dir = self.cache_dir / check_model_name(model)
        check_platform(platform, runtime, precision)
        with self._lock():
            repository = self._open_repository()
            chosen = self._choose_version(repository, model, version, channel)
            signed = read_manifest(repository, model, chosen)
            artifacts = signed.manifest.artifacts_for(platform, runtime, precision)
            wanted = Wanted(signed, artifacts, platform)
            placed = place(repository, self.cache_dir, wanted, list_kept(model_dir))
            switch_to(model_dir, placed.model)
        return Pull(placed.model, placed.self_tests, placed.downloaded_bytes)

    def check(self, model: str, device: Device) -> Check:
        """Asks what to run; nothing is downloaded but metadata and manifests.

        The signed policy is the upper bound; the server may hold back, and only that.

        Args:
            model: name of the model.
            device: what the app says of itself. What it runs and keeps, what failed here, free
                space, and without a `device_id` the one kept in the folder are filled in; an empty
                id takes part in no rollout.

        Raises:
            ConfigError: `model` is not allowed as a name.
            ManifestError: a malformed publication or answer.
            PullError: unreachable, not published, or not what the trusted root vouches for.
            StorageError: the disk is full, or another process is pulling into this folder.
        """
        check_model_name(model)
        with self._lock():
            kept = list_kept(self.cache_dir / model)
            return self._check(
                self._open_repository(), model, self._fill_in(model, device, kept)
            ).check

    def update(self, model: str, device: Device) -> Update:
        """Checks, and does what was found: takes a version, or goes back to what was shipped.

        What is taken is verified and tested before the switch. When anything fails, the version
        in use stays in use. One that fails its self-test is not offered here again, unless the
        app has another version; one that fails to start, not for a week. Before that, versions
        are removed that are neither in use nor the one to go back to (`remove_left_versions`).
        What happened is reported, also what `start` and `confirm_start` noted.

        Raises:
            SelfTestError: an artifact does not answer as expected here.
            BundleError: a packed artifact does not unpack to what it should.
            GhostlensError: as `check`.
        """
        model_dir = self.cache_dir / check_model_name(model)
        with self._lock():
            remove_left_versions(model_dir)
            repository = self._open_repository()
            kept = list_kept(model_dir)
            device = self._fill_in(model, device, kept)
            reports = Reports(model_dir)
            send = partial(reports.send, repository.transfer, repository.base_url, model, device)
            send()
            if self.share_usage:
                Usage(model_dir).send(repository.transfer, repository.base_url, model, device)
            found = self._check(repository, model, device)
            decision = found.check.decision
            if decision.action == GO_BACK:
                change_installed(model_dir, Installed.leave_all)
            if decision.action != TAKE or decision.version is None:
                return Update(found.check, None)
            signed = found.manifests[decision.version]
            chosen = tuple(x for x in signed.manifest.artifacts if x.path == decision.artifact)
            if self.files_url is None and found.files_url is not None:
                repository.read_files_from(found.files_url)
            try:
                wanted = Wanted(signed, chosen, device.platform)
                pull = self._take(repository, wanted, kept, device.app_version)
            finally:
                send()
        return Update(found.check, pull)

    def _take(
        self,
        repository: TrustedRepository,
        wanted: Wanted,
        kept: tuple[PulledModel, ...],
        app_version: str | None,
    ) -> Pull:
        """Places a version, reports how its self-test went, and switches where it passed."""
        version, artifact = wanted.signed.manifest.version, wanted.artifacts[0]
        model_dir = self.cache_dir / wanted.signed.manifest.model

        def tell(test: SelfTestReport, duration_ms: float) -> None:
            report = make_report(SELF_TEST, test.passed, version, artifact)
            Reports(model_dir).add(report | {"figures": describe_test(test, duration_ms)})

        try:
            placed = place(repository, self.cache_dir, wanted, kept, tell)
        except SelfTestError:
            failed = Refused(version, app_version or "")
            change_installed(model_dir, lambda installed: installed.refuse(failed))
            raise
        switch_to(model_dir, placed.model)
        return Pull(placed.model, placed.self_tests, placed.downloaded_bytes)

    def _fill_in(self, model: str, device: Device, kept: tuple[PulledModel, ...]) -> Device:
        """Returns what the app says of itself, with what this folder knows."""
        model_dir = self.cache_dir / model
        installed = find_installed(model_dir)
        device_id = device.device_id
        if device_id is None:
            device_id = read_device_id(self.cache_dir)
        running = None  # also of one that is damaged: taking it again mends it
        for entry in installed.entries[:1]:
            if _try_to_load(model_dir, entry) is not None:
                running = Running(entry.version, entry.manifest_sha256)
        free_bytes = device.free_bytes
        if free_bytes is None:
            free_bytes = shutil.disk_usage(self.cache_dir).free
        have = [x.file.sha256 for found in kept for x in found.artifacts]
        return replace(
            device,
            device_id=device_id or None,
            running=running,
            free_bytes=free_bytes,
            have=tuple(dict.fromkeys(have)),
            refused=installed.list_refused(device.app_version),
        )

    def _check(self, repository: TrustedRepository, model: str, device: Device) -> _Found:
        """Returns what to do, and the manifests of the versions that the channel names."""
        release = read_release(repository, model)
        names = list_candidates(release, device.channel)
        manifests = {name: read_manifest(repository, model, name) for name in names}
        offers = {name: signed.to_offer() for name, signed in manifests.items()}
        signed = decide(release, device, offers)
        answer = ask_server(repository.transfer, repository.base_url, model, device)
        decision = take_smaller(signed, answer, release, device, offers)
        return _Found(Check(decision, answer.check_again_s), manifests, answer.files_url)

    def start(self, model: str) -> PulledModel | None:
        """Returns the version to run now, and counts the start.

        Call it once a start of the app; where the app has several processes, in the first of them.
        Two starts that nobody confirmed make it the version before, and at last None; so does a
        version whose files were changed. The next update reports such starts. Hold on to what is
        returned while its files are read: no update, of any process, removes them before.

        Where the disk is full, nothing is counted: an app must start all the same.

        Returns:
            None where the app must run what it was shipped with.

        Raises:
            ConfigError: `model` is not allowed as a name.
        """
        model_dir = self.cache_dir / check_model_name(model)
        try:
            while entries := change_installed(model_dir, Installed.count_start).entries:
                entry = entries[0]
                if not entry.has_failed and (loaded := _try_to_load(model_dir, entry)):
                    return loaded
                change_installed(model_dir, partial(Installed.leave_failed, left=entry))
                if entry.has_failed:
                    self._note(model, CRASH, entry)
        except StorageError:
            entries = find_installed(model_dir).entries
            usable = (_try_to_load(model_dir, entry) for entry in entries if not entry.has_failed)
            return next(filter(None, usable), None)
        return None

    def confirm_start(self, model: str) -> None:
        """Notes that what the last `start` returned works; the next update reports it once.

        Where the disk is full, nothing is noted.

        Raises:
            ConfigError: `model` is not allowed as a name.
        """
        model_dir = self.cache_dir / check_model_name(model)
        with suppress(StorageError):
            entries = change_installed(model_dir, Installed.confirm).entries
            if entries and not entries[0].confirmed:
                self._note(model, START, entries[0])

    def count_scan(self, found: Recognition, sent: bool = False) -> None:
        """Counts a scan, for the sums that the next update tells the server.

        Does nothing without `share_usage`. Sums of a day alone are kept: how often each verdict and
        label was given, how sure the answers were, and how many photos were sent to the server.
        Where the disk is full, nothing is counted.

        Args:
            found: what the device said of the photo.
            sent: whether the photo was sent to the server as well.

        Raises:
            ConfigError: the model's name is not allowed.
        """
        if self.share_usage:
            Usage(self.cache_dir / check_model_name(found.model)).note(found, sent)

    def _note(self, model: str, event: str, entry: Entry) -> None:
        """Keeps a report of a start for the next update to send."""
        model_dir = self.cache_dir / model
        with suppress(BundleError, ManifestError):  # nobody knows which file it was
            artifact = find_artifact(model_dir, model, entry)
            Reports(model_dir).add(make_report(event, event == START, entry.version, artifact))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write {self.cache_dir}: {error.strerror}") from error
        with exclusive_lock(self.cache_dir / _LOCK_NAME):
            yield

    def _open_repository(self) -> TrustedRepository:
        repository = TrustedRepository(
            self.cache_dir / _TRUST_FOLDER,
            self.base_url,
            self.trusted_root,
            self.timeout_s,
            self.files_url,
            self.cache_dir / _DOCUMENTS_FOLDER,
            self._api_key,
        )
        repository.refresh()
        return repository

    def _choose_version(
        self, repository: TrustedRepository, model: str, version: str | None, channel: str
    ) -> str:
        release = read_release(repository, model)
        if version is None:
            if channel not in release.channels:
                raise PullError(
                    f"{model} has no channel {channel!r}: allowed are {', '.join(release.channels)}"
                )
            return release.channels[channel].current
        if check_version(version) not in release.names:
            raise PullError(
                f"{self.base_url} publishes no {model} {version}: allowed are "
                f"{', '.join(release.names)}"
            )
        return version


def _try_to_load(model_dir: Path, entry: Entry) -> PulledModel | None:
    """Loads a version; None where it is damaged: the one before it may be whole."""
    try:
        return load_entry(model_dir, model_dir.name, entry)
    except (BundleError, ManifestError):
        return None
