"""Bad input and bad luck in an update: a typed error, and the version in use keeps working."""

import multiprocessing
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mobile_assets import client as client_module
from mobile_assets.bundle import open_bundle
from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device, RuntimeOfApp
from mobile_assets.errors import BundleError, ManifestError, NoSpaceError, PullError
from mobile_assets.release import STABLE, Channel
from tests.mobile_assets.builds import COREML, LITERT, MODEL
from tests.mobile_assets.clock import set_clock
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository, Server
from tests.mobile_assets.small_disk import PAGE_BYTES, SmallDisk, run_on_small_disk
from tests.mobile_assets.test_attacks import publish_package
from tests.mobile_assets.test_transfer import serve_app
from tests.mobile_assets.wire import Wire
from training.errors import GhostlensError, StorageError

DEVICE = Device("android", app_version="1.0.0")
HUGE_BYTES = 1 << 40
NEW_LITERT = LITERT.replace("1.0.0", "1.1.0")


@pytest.fixture
def phone(
    wire: Wire, repository: Repository, second_bundle_path: Path, tmp_path: Path
) -> Iterator[BundleClient]:
    """A phone that runs 1.0.0, for which 1.1.0 has been published."""
    with serve_app(wire) as url:
        client = BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)
        client.update(MODEL, DEVICE)
        client.start(MODEL)
        client.confirm_start(MODEL)
        repository.add(second_bundle_path)
        yield client


def check_recovers(phone: BundleClient) -> None:
    assert version_in_use(phone) == "1.0.0"
    phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.1.0"


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def fill_with_zeros(data: bytes) -> bytes:
    return bytes(len(data))


def make_longer(data: bytes) -> bytes:
    return data + b" "


def tamper(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def leave_nothing(data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "victim",
    [
        "timestamp.json",
        "2.snapshot.json",
        f"2.{MODEL}.json",
        "release.json",
        "manifest.json",
        NEW_LITERT,
    ],
)
def test_harmed_bytes(phone: BundleClient, wire: Wire, victim: str) -> None:
    for harm in (truncate, fill_with_zeros, make_longer, tamper, leave_nothing):
        wire.change_file = {victim: harm}
        if victim == "timestamp.json" and harm is make_longer:
            continue  # white space after JSON says the same
        with pytest.raises(PullError):
            phone.update(MODEL, DEVICE)
        assert version_in_use(phone) == "1.0.0", harm
    wire.change_file = {}
    check_recovers(phone)


@pytest.mark.parametrize("victim", ["timestamp.json", "snapshot.json", f"{MODEL}.json", "release"])
def test_replayed_bytes(
    phone: BundleClient, wire: Wire, repository: Repository, victim: str
) -> None:
    """What the server signed before, in the place of what it signs now."""
    old: dict[str, bytes] = {}
    wire.change_file = {victim: lambda data: old.setdefault("first", data)}
    phone.update(MODEL, DEVICE)
    wire.change_file = {}
    repository.set_current(MODEL, "1.0.0")
    phone.update(MODEL, DEVICE)
    repository.put_release(MODEL, {STABLE: Channel("1.1.0"), "beta": Channel("1.1.0")})
    wire.change_file = {victim: lambda _: old["first"]}
    with pytest.raises(PullError, match=r"older than what was seen before|other bytes"):
        phone.update(MODEL, DEVICE)
    wire.change_file = {}
    check_recovers(phone)


def test_a_clock_that_is_ahead(phone: BundleClient) -> None:
    with pytest.MonkeyPatch.context() as patched:
        set_clock(patched, timedelta(days=2000))
        with pytest.raises(PullError, match="the clock here is wrong"):
            phone.update(MODEL, DEVICE)
    check_recovers(phone)


def test_a_clock_that_is_behind_hides_nothing(
    phone: BundleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, -timedelta(days=2000))
    check_recovers(phone)


def test_a_package_that_climbs_out(
    phone: BundleClient, repository: Repository, second_bundle_path: Path, tmp_path: Path
) -> None:
    second = open_bundle(second_bundle_path)
    publish_package(repository, second, f"{COREML}/../../evil.txt")
    iphone = Device("ios", runtimes=(RuntimeOfApp("coreml"),), precision="fp16")
    with pytest.raises(BundleError, match=r"must be relative and stay inside"):
        phone.update(MODEL, iphone)
    assert not list(tmp_path.rglob("evil.txt"))
    check_recovers(phone)


@pytest.mark.parametrize(
    ("path", "schema"),
    [("1.1.0/manifest.json", "ghostlens.bundle/99"), ("release.json", "ghostlens.release/99")],
)
def test_a_newer_schema(
    phone: BundleClient, repository: Repository, path: str, schema: str
) -> None:
    repository.put(f"{MODEL}/{path}", b'{"schema": "%s"}' % schema.encode())
    repository.commit()
    with Server(repository.folder).running() as newer:  # ours would go on with what it can read
        phone.base_url = newer.url
        with pytest.raises(ManifestError, match=r"newer than .*update Ghostlens"):
            phone.update(MODEL, DEVICE)
    assert version_in_use(phone) == "1.0.0"


def test_clients_that_share_one_cache(phone: BundleClient) -> None:
    outcomes: list[str] = []

    def update() -> None:
        client = BundleClient(phone.cache_dir, phone.base_url, phone.trusted_root, timeout_s=5)
        try:
            outcomes.append(client.update(MODEL, DEVICE).check.decision.code)
        except StorageError as error:
            outcomes.append("told" if "another process" in str(error) else str(error))
        except GhostlensError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=update) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"new-version", "up-to-date", "told"} and "new-version" in outcomes
    started = phone.start(MODEL)
    assert started is not None and started.manifest.version == "1.1.0"
    assert version_in_use(phone) == "1.1.0"


# The disk is full.


def fill_up_slowly(phone: BundleClient, disk: SmallDisk) -> list[str]:
    """Updates with ever more space until it suffices; returns what was told before."""
    shutil.copytree(phone.cache_dir, cache := disk.folder / "cache", symlinks=True)
    phone.cache_dir = cache
    usage = shutil.disk_usage(cache)._replace(free=HUGE_BYTES)
    told = []
    with pytest.MonkeyPatch.context() as patched:
        # Another app fills the disk after the client looked how much is free.
        patched.setattr(client_module.shutil, "disk_usage", lambda _: usage)
        for pages in range(100):
            disk.leave_free(pages)
            try:
                phone.update(MODEL, DEVICE)
                break
            except StorageError as error:
                told.append(str(error))
                assert not isinstance(error, NoSpaceError)
                assert version_in_use(phone) == "1.0.0", pages
                assert not list(cache.rglob("*.new.*")), "nothing is left half written"
    disk.leave_free(0)
    for _ in range(3):
        started = phone.start(MODEL)
        phone.confirm_start(MODEL)
        assert started is not None and started.manifest.version == "1.1.0"
    return told


def test_a_disk_that_is_full_at_each_stage(phone: BundleClient, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    size_bytes = 200 * PAGE_BYTES
    told = run_on_small_disk(folder, size_bytes, lambda disk: fill_up_slowly(phone, disk))
    stages = ("trusted root", "/golden/", "/licences/", NEW_LITERT, "manifest.json", "current.json")
    for stage in stages:
        assert any(stage in words for words in told), f"{stage}: {told}"
    assert version_in_use(phone) == "1.0.0", "the child process has a cache of its own"


def test_too_little_space_is_no_error_but_a_reason_to_wait(
    phone: BundleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(phone.cache_dir)._replace(free=1000)
    with monkeypatch.context() as patched:
        patched.setattr(client_module.shutil, "disk_usage", lambda _: usage)
        assert phone.update(MODEL, DEVICE).check.decision.code == "no-space"
        # The app knows better, and is wrong.
        with pytest.raises(NoSpaceError, match="1000 bytes are free"):
            phone.update(MODEL, Device("android", free_bytes=HUGE_BYTES))
    check_recovers(phone)


def update_with_short_files(phone: BundleClient, limit_bytes: int, told: Path) -> None:
    """In a process of its own: files above the limit fail to be written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        phone.update(MODEL, DEVICE)
    except StorageError:
        told.touch()


@pytest.mark.parametrize("limit_bytes", [0, 500, 1200, 2500])
def test_files_that_cannot_be_written(
    phone: BundleClient, tmp_path: Path, limit_bytes: int
) -> None:
    """As on a full disk, where no small disk can be mounted."""
    told = tmp_path / "told"
    process = multiprocessing.get_context("fork").Process(
        target=update_with_short_files, args=(phone, limit_bytes, told), daemon=True
    )
    process.start()
    process.join()
    assert process.exitcode == 0 and told.exists()
    check_recovers(phone)
