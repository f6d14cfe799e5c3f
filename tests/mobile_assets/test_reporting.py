import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device, RuntimeOfApp
from mobile_assets.installed import load_current
from mobile_assets.reporting import Reports
from mobile_assets.transfer import Transfer
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.repositories import Repository
from tests.mobile_assets.test_transfer import serve_app
from tests.mobile_assets.wire import Wire

DEVICE = Device("android", "14", "1.0.0", runtimes=(RuntimeOfApp("litert", "2.3.0"),))


@pytest.fixture
def phone(wire: Wire, repository: Repository, tmp_path: Path) -> Iterator[BundleClient]:
    with serve_app(wire) as url:
        client = BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)
        client.update(MODEL, DEVICE)
        wire.reports.clear()
        yield client


def test_the_first_confirmed_start_of_a_version_is_reported_once(
    phone: BundleClient, wire: Wire
) -> None:
    for _ in range(3):
        phone.start(MODEL)
        phone.confirm_start(MODEL)
    assert not wire.reports, "the next update sends it"
    for _ in range(2):
        phone.update(MODEL, DEVICE)
    [report] = wire.reports
    artifact = load_current(phone.cache_dir / MODEL).artifacts[0]
    del report["report_id"]
    assert report == {
        "version": "1.0.0",
        "artifact_sha256": artifact.file.sha256,
        "event": "start",
        "passed": True,
        "runtime": "litert",
        "runtime_version": "2.3.0",
        "platform": "android",
        "os_version": "14",
        "app_version": "1.0.0",
        "device_id": (phone.cache_dir / ".device-id").read_text(),
    }


def test_a_version_that_does_not_start_is_reported_as_a_crash(
    phone: BundleClient, wire: Wire, repository: Repository, second_bundle_path: Path
) -> None:
    phone.start(MODEL)
    phone.confirm_start(MODEL)
    repository.add(second_bundle_path)
    phone.update(MODEL, DEVICE)
    for _ in range(3):
        phone.start(MODEL)
    phone.update(MODEL, DEVICE)
    said = [(x["version"], x["event"], x["passed"]) for x in wire.reports]
    assert said == [
        ("1.0.0", "start", True),
        ("1.1.0", "self-test", True),
        ("1.1.0", "crash", False),
    ]


def test_a_device_without_an_id_reports_nothing(phone: BundleClient, wire: Wire) -> None:
    phone.start(MODEL)
    phone.confirm_start(MODEL)
    phone.update(MODEL, Device("android", device_id=""))
    assert not wire.reports and not list((phone.cache_dir / MODEL / "reports").iterdir())


def send(reports: Reports, url: str) -> int:
    return reports.send(Transfer(5), url, MODEL, DEVICE)


def report(number: int) -> dict[str, Any]:
    return {"report_id": str(number), "device_id": "a"}


def test_reports_are_sent_in_the_order_of_what_happened_and_the_oldest_are_dropped(
    tmp_path: Path, wire: Wire
) -> None:
    reports = Reports(tmp_path)
    for number in range(60):
        reports.add(report(number))
    with serve_app(wire) as url:
        assert send(reports, url) == 0, "the server refuses such reports, and they are dropped"
    assert [int(x["report_id"]) for x in wire.reports] == list(range(10, 60))
    assert not list((tmp_path / "reports").iterdir())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\x00" * 20, b'{"device_id": 1e999}'])
def test_a_damaged_report_is_dropped(tmp_path: Path, wire: Wire, data: bytes) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "damaged.json").write_bytes(data)
    Reports(tmp_path).add(report(1))
    with serve_app(wire) as url:
        send(Reports(tmp_path), url)
    assert not list((tmp_path / "reports").iterdir())


def test_without_a_server_reports_wait(tmp_path: Path) -> None:
    reports = Reports(tmp_path)
    reports.add(report(1))
    assert send(reports, "http://127.0.0.1:9") == 0
    [path] = (tmp_path / "reports").iterdir()
    assert json.loads(path.read_bytes()) == report(1)
