"""Makes the folder of a version whole: brings its files, checks and tests them."""

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mobile_assets.bringing import Bringer
from mobile_assets.deciding import SPACE_FACTOR
from mobile_assets.errors import NoSpaceError, SelfTestError
from mobile_assets.installed import (
    PulledModel,
    check_placed,
    choose_other_files,
    hold_folder,
    is_placed,
    list_placed_files,
    version_folder,
)
from mobile_assets.manifest import MANIFEST_NAME
from mobile_assets.parts import BundledArtifact
from mobile_assets.published import SignedManifest
from mobile_assets.selftest import SelfTestReport, run_golden
from mobile_assets.trust import TrustedRepository
from mobile_assets.unpacking import unpack_artifact
from training.files import new_directory, write_atomic

_PARTIAL_FOLDER = ".partial"

Tell = Callable[[SelfTestReport, float], None]


@dataclass(frozen=True)
class Wanted:
    """A version, and what of it a platform needs.

    Attributes:
        signed: its manifest.
        artifacts: the model files to bring.
        platform: what they are for.
    """

    signed: SignedManifest
    artifacts: tuple[BundledArtifact, ...]
    platform: str


@dataclass(frozen=True)
class Placed:
    """A version whose folder is whole.

    Attributes:
        model: where and what it is.
        self_tests: one report for each model file.
        downloaded_bytes: of all that came over the network for it.
    """

    model: PulledModel
    self_tests: tuple[SelfTestReport, ...]
    downloaded_bytes: int


def place(
    repository: TrustedRepository,
    cache_dir: Path,
    wanted: Wanted,
    kept: Iterable[PulledModel],
    tell: Tell = lambda report, duration_ms: None,
) -> Placed:
    """Makes the version's folder whole and tests it, or leaves the folder absent.

    Args:
        repository: where missing files come from.
        cache_dir: the client's folder.
        wanted: the version.
        kept: versions that are here, whose files need not come again.
        tell: called with each self-test that ran, passed or not, and how long it took in
            milliseconds.

    Raises:
        PullError: a file is unreachable or not what was signed.
        BundleError: the files are not those of the manifest, or a package does not unpack.
        SelfTestError: an artifact does not answer as expected here.
        StorageError: the disk is full; `NoSpaceError` before anything is fetched.
    """
    manifest, artifacts = wanted.signed.manifest, wanted.artifacts
    model_dir, digest = cache_dir / manifest.model, wanted.signed.sha256
    directory = version_folder(model_dir, manifest.version, artifacts[0].variant, digest)
    model = PulledModel(directory, wanted.platform, manifest, artifacts)
    if is_placed(directory, digest, manifest, artifacts):
        return Placed(hold_folder(model), _test(wanted, directory, tell), 0)
    before_bytes = repository.transfer.received_bytes
    with new_directory(directory) as temporary:
        bringer = Bringer(repository, cache_dir / _PARTIAL_FOLDER, list_placed_files(kept))
        _bring_all(bringer, wanted, temporary)
        check_placed(temporary, manifest, artifacts)
        reports = _test(wanted, temporary, tell)
    received_bytes = repository.transfer.received_bytes - before_bytes
    return Placed(hold_folder(model), reports, received_bytes + len(wanted.signed.data))


def _bring_all(bringer: Bringer, wanted: Wanted, folder: Path) -> None:
    manifest = wanted.signed.manifest
    # The long ones last: of what comes, only the file that breaks off is kept.
    files = [*choose_other_files(manifest), *(artifact.file for artifact in wanted.artifacts)]
    here_bytes = sum(file.size_bytes for file in files if bringer.is_here(file))
    missing_bytes = sum(map(bringer.count_missing_bytes, files))
    _check_space(folder, SPACE_FACTOR * missing_bytes + here_bytes)
    bringer.remove_stale_partials(files)
    for file in files:
        bringer.bring(manifest, file, folder / file.path)
    for artifact in wanted.artifacts:
        unpack_artifact(folder, artifact)
    write_atomic(folder / MANIFEST_NAME, wanted.signed.data)


def _test(wanted: Wanted, folder: Path, tell: Tell) -> tuple[SelfTestReport, ...]:
    manifest, reports = wanted.signed.manifest, []
    for artifact in wanted.artifacts:
        began_s = time.monotonic()
        report = run_golden(manifest, folder, artifact)
        if report.executed:
            tell(report, (time.monotonic() - began_s) * 1000)
            if not report.passed:
                raise SelfTestError(
                    f"{manifest.model} {manifest.version} failed its self-test: {report.describe()}"
                )
        reports.append(report)
    return tuple(reports)


def _check_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise NoSpaceError(
            f"{free_bytes} bytes are free for {folder}: {needed_bytes} are needed, which is "
            f"{SPACE_FACTOR} times the download, and what is copied from versions that are here"
        )
