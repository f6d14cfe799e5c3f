"""What phones report of a version: whether its self-test passed, and whether it started."""

import json
from dataclasses import dataclass
from typing import Any

from apiflask import APIBlueprint
from marshmallow import RAISE
from sqlalchemy import delete, insert, select

from mobile_assets.release import Release
from serving.access import needs
from serving.context import get_database, get_retention, get_rollouts, get_storage
from serving.errors import RequestError, UnknownFileError
from serving.observing import metrics
from serving.rollouts import Rollouts, hash_device
from serving.schemas import ReportAnswer, ReportRequest
from serving.state.database import Database
from serving.state.tables import reports, verdicts
from serving.state.times import now_ms

blueprint = APIBlueprint("reports", __name__, url_prefix="/v1/models", tag="Releases")
SELF_TEST, START, CRASH = "self-test", "start", "crash"


@dataclass(frozen=True)
class Report:
    """What a device says of a version.

    Attributes:
        report_id: made by the device; the same one twice counts once.
        device_id: the same that it checks with.
        version: the one that it tried.
        event: "self-test", "start" or "crash".
        passed: whether all went well.
        details: figures, platform and runtime, as JSON can hold them.
    """

    report_id: str
    device_id: str
    version: str
    event: str
    passed: bool
    details: dict[str, Any]


@blueprint.post("/<model>/reports")
@needs("report")
@blueprint.input(ReportRequest, unknown=RAISE)
@blueprint.output(ReportAnswer, status_code=202)
def report(model: str, json_data: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Report how a version did on this device.

    Each device counts once for each version, by its latest report. A rollout is halted when too
    many fail.
    """
    own = ("report_id", "device_id", "version", "event", "passed")
    given = {name: json_data.pop(name) for name in own}
    given["report_id"] = str(given["report_id"])
    if given["event"] == CRASH and given["passed"]:
        raise RequestError("passed: a crash has not passed")
    manifest = get_storage().read_manifest(model, given["version"])
    if json_data["artifact_sha256"] not in {entry.file.sha256 for entry in manifest.artifacts}:
        raise UnknownFileError(f"artifact_sha256: {model} {given['version']} has no such artifact")
    release = get_storage().catalogue.find_release(model)
    found = Report(**given, details=json_data)
    counted = take_report(get_database(), get_rollouts(), release, found)
    if counted:
        passed = "true" if found.passed else "false"
        metrics.REPORTS.labels(model, found.version, found.event, passed).inc()
    get_retention().prune(get_storage().catalogue.releases.values())
    return {"counted": counted}, 202, {"Cache-Control": "no-store"}


def describe_in(spec: dict[str, Any]) -> None:
    """Adds to an OpenAPI document what its form cannot say: a crash has not passed."""
    crashed = {"properties": {"event": {"const": CRASH}}, "required": ["event"]}
    failed = {"properties": {"passed": {"const": False}}}
    spec["components"]["schemas"]["ReportRequest"] |= {"if": crashed, "then": failed}


def take_report(database: Database, rollouts: Rollouts, release: Release, found: Report) -> bool:
    """Stores a report, and judges the rollout of its version; False where it was stored before.

    Raises:
        StateError: see `Database.write`.
    """
    key = {
        "model": release.model,
        "version": found.version,
        "device": hash_device(found.device_id),
    }
    result = {"passed": found.passed, "received_ms": now_ms()}
    with database.write() as connection:
        same = select(reports.c.report_id).filter_by(report_id=found.report_id)
        if connection.execute(same).first() is not None:
            return False
        details = json.dumps(found.details, sort_keys=True)
        own = {"report_id": found.report_id, "event": found.event, "details": details}
        connection.execute(insert(reports).values({**key, **result, **own}))
        connection.execute(delete(verdicts).filter_by(**key))
        connection.execute(insert(verdicts).values({**key, **result}))
        rollouts.judge(connection, release, found.version, found.passed)
    return True
