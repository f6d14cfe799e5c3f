"""What a Python app tells the server: how versions did here. Kept until it can be sent."""

import json
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mobile_assets.conditions import Device
from mobile_assets.outbox import send_waiting
from mobile_assets.parts import BundledArtifact
from mobile_assets.selftest import SelfTestReport
from mobile_assets.transfer import Transfer
from training.errors import StorageError
from training.files import write_atomic

SELF_TEST, START, CRASH = "self-test", "start", "crash"
_MAX_WAITING = 50


def make_report(
    event: str, passed: bool, version: str, artifact: BundledArtifact
) -> dict[str, Any]:
    """Returns a report of what happened, without what the device says of itself.

    Args:
        event: "self-test"; "start" for an app that started; "crash" for one that did not.
        passed: whether all went well.
        version: the one that was tried.
        artifact: its model file.
    """
    return {
        "report_id": str(uuid.uuid4()),
        "version": version,
        "artifact_sha256": artifact.file.sha256,
        "event": event,
        "passed": passed,
        "runtime": artifact.runtime,
    }


def describe_test(report: SelfTestReport, duration_ms: float) -> dict[str, Any]:
    """Returns the figures of a self-test, as the server takes them."""
    return {
        "photos": len(report.photos),
        "max_probability_difference": min(1.0, report.max_probability_difference),
        "duration_ms": duration_ms,
    }


class Reports:
    """The reports of a model that wait to be sent; nothing here ever stops an update."""

    def __init__(self, model_dir: Path) -> None:
        self._folder = model_dir / "reports"

    def add(self, report: dict[str, Any]) -> None:
        """Keeps a report, after those that wait already; of too many the oldest is dropped."""
        with suppress(OSError, StorageError):  # the disk is full
            waiting = self._list()
            for path in waiting[: max(0, len(waiting) + 1 - _MAX_WAITING)]:
                path.unlink(missing_ok=True)
            # The latest that comes counts, so the order is kept, whatever the clock says.
            last = waiting[-1].name.partition("-")[0] if waiting else ""
            place = int(last) + 1 if last.isdecimal() else 0
            name = f"{place:08}-{report['report_id']}.json"
            write_atomic(self._folder / name, json.dumps(report))

    def send(self, transfer: Transfer, base_url: str, model: str, device: Device) -> int:
        """Sends what waits, and returns how many the server took; others wait for the next time.

        What a report does not say of the device is filled in as it is now. One that the server
        refuses for good is dropped, and all are of a device without an id, as the server counts
        devices.
        """
        url = f"{base_url}/v1/models/{model}/reports"
        return send_waiting(transfer, url, self._list(), partial(_complete, device))

    def _list(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))


def _complete(device: Device, path: Path) -> dict[str, Any] | None:
    report = json.loads(path.read_bytes())
    linked = {runtime.name: runtime.version for runtime in device.runtimes}
    known = {
        "device_id": device.device_id or None,
        "platform": device.platform,
        "os_version": device.os_version,
        "app_version": device.app_version,
        "runtime_version": linked.get(report.get("runtime", "")),
        **report,
    }
    said = {name: value for name, value in known.items() if value is not None}
    return said if "device_id" in said else None
