"""What a Python app asks the server and tells it: what to run, and how a version did."""

import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from urllib3.exceptions import HTTPError

from mobile_assets.conditions import Device
from mobile_assets.deciding import ACTIONS, GO_BACK, NONE, TAKE, Decision, Offer, object_to_taking
from mobile_assets.parts import BundledArtifact
from mobile_assets.reading import read_json
from mobile_assets.release import Release
from mobile_assets.selftest import SelfTestReport
from mobile_assets.transfer import Transfer
from mobile_assets.trust import typed_errors
from training.errors import StorageError
from training.files import write_atomic

_MAX_ANSWER_BYTES = 1 << 20
_MAX_WAITING = 50
_ID_NAME = ".device-id"
_ASK_AGAIN_LATER = (408, 429)


@dataclass(frozen=True)
class ServerAnswer:
    """What a server says to a check, unverified.

    Attributes:
        decision: its advice.
        manifest_sha256: of the manifest that it offers; None where it offers none.
        check_again_s: when it wants to be asked again, in seconds.
    """

    decision: Decision
    manifest_sha256: str | None
    check_again_s: int


def read_device_id(cache_dir: Path) -> str:
    """Returns the random UUID of this device, made when it is first asked for.

    Raises:
        StorageError: it cannot be written.
    """
    path = cache_dir / _ID_NAME
    try:
        return str(uuid.UUID(path.read_text()))
    except (OSError, ValueError):
        made = str(uuid.uuid4())
        write_atomic(path, made)
        return made


def ask_server(transfer: Transfer, base_url: str, model: str, device: Device) -> ServerAnswer:
    """Asks what to run.

    Raises:
        PullError: the server is unreachable or refuses.
        ManifestError: its answer is malformed.
    """
    url = f"{base_url}/v1/models/{model}/check"
    with typed_errors("what to run", url):
        data = transfer.ask(url, device.to_json(), _MAX_ANSWER_BYTES)
    root = read_json(data, "the answer to a check", _MAX_ANSWER_BYTES)
    keys = root.table(
        *("model", "channel", "action", "code", "reason", "version", "manifest", "files"),
        "check_again_s",
    )
    version, manifest = keys["version"], keys["manifest"]
    decision = Decision(
        keys["action"].one_of(ACTIONS),
        keys["code"].text(64),
        keys["reason"].text(),
        None if version.value is None else version.text(64),
    )
    sha256 = None if manifest.value is None else manifest.members()["sha256"].sha256()
    return ServerAnswer(decision, sha256, keys["check_again_s"].whole(0, 1 << 31))


def take_smaller(
    signed: Decision,
    answer: ServerAnswer,
    release: Release,
    device: Device,
    offers: dict[str, Offer],
) -> Decision:
    """Returns what both the signed policy and the server allow: a server can only hold back.

    Args:
        signed: what the policy alone comes to.
        answer: the server's.
        release: the signed policy.
        device: the one that asks.
        offers: of the versions that the policy names.
    """
    said = answer.decision
    if signed.action == GO_BACK or said.action != TAKE:
        return signed if signed.action == GO_BACK else said
    version = said.version or ""
    offer = offers.get(version)
    if offer is None:
        return Decision(NONE, "not-offered", f"the signed policy offers no {version}", version)
    if objection := object_to_taking(release, device, version, offer):
        return Decision(NONE, objection.code, objection.reason, version)
    if answer.manifest_sha256 != offer.manifest_sha256:
        reason = f"the server offers another manifest of {version} than the signed one"
        return Decision(NONE, "not-offered", reason, version)
    artifact = offer.choose_artifact(device)
    path = None if artifact is None else artifact.path
    return Decision(TAKE, said.code, said.reason, version, path)


def make_report(
    device: Device,
    version: str,
    artifact: BundledArtifact,
    passed: bool,
    self_test: SelfTestReport | None,
    duration_ms: float,
) -> dict[str, Any]:
    """Returns the report of a self-test, as the server takes it."""
    linked = {runtime.name: runtime.version for runtime in device.runtimes}
    report: dict[str, Any] = {
        "report_id": str(uuid.uuid4()),
        "device_id": device.device_id,
        "version": version,
        "artifact_sha256": artifact.file.sha256,
        "event": "self-test",
        "passed": passed,
        "platform": device.platform,
        "os_version": device.os_version,
        "app_version": device.app_version,
        "runtime": artifact.runtime,
        "runtime_version": linked.get(artifact.runtime),
    }
    if self_test is not None:
        report["figures"] = {
            "photos": len(self_test.photos),
            "max_probability_difference": min(1.0, self_test.max_probability_difference),
            "duration_ms": duration_ms,
        }
    return {name: said for name, said in report.items() if said is not None}


class Reports:
    """The reports of a model that wait to be sent; nothing here ever stops an update."""

    def __init__(self, model_dir: Path) -> None:
        self._folder = model_dir / "reports"

    def add(self, report: dict[str, Any]) -> None:
        """Keeps a report; of a device without an id none, as the server counts devices."""
        waiting = list(self._folder.glob("*.json"))
        if "device_id" not in report or len(waiting) >= _MAX_WAITING:
            return
        with suppress(StorageError):  # the disk is full
            write_atomic(self._folder / f"{report['report_id']}.json", json.dumps(report))

    def send(self, transfer: Transfer, base_url: str, model: str) -> int:
        """Sends what waits, and returns how many the server took; others wait for the next time.

        One that the server refuses for good is dropped.
        """
        sent = 0
        for path in sorted(self._folder.glob("*.json")):
            try:
                report = json.loads(path.read_bytes())
                url = f"{base_url}/v1/models/{model}/reports"
                transfer.ask(url, report, _MAX_ANSWER_BYTES)
                sent += 1
            except DownloadHTTPError as error:
                if error.status_code >= 500 or error.status_code in _ASK_AGAIN_LATER:
                    return sent
            except (DownloadError, HTTPError):
                return sent
            except (OSError, ValueError):
                pass  # damaged
            path.unlink(missing_ok=True)
        return sent
