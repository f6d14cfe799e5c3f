"""What devices tell of the scans that they did on their own, in small sums."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import RAISE
from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from mobile_assets.manifest import Manifest
from serving.access import needs
from serving.context import get_database, get_settings, get_storage
from serving.dashboard.counting import add_counts
from serving.dashboard.counts import CONFIDENCE, LABEL, ON_DEVICE, SENT, VERDICT, shorten, today
from serving.dashboard.schemas import UsageAnswer, UsageRequest
from serving.dashboard.tables import usage_days, usage_reports
from serving.errors import RequestError
from serving.idempotency import idempotent
from serving.observing import metrics
from serving.rollouts import hash_device
from serving.state.database import Database, insert_into
from serving.state.times import DAY_MS, now_ms
from training.errors import ConfidenceError
from training.evaluation.distribution import Distribution

blueprint = APIBlueprint("usage", __name__, url_prefix="/v1/models", tag="Releases")
# A device that was offline for longer tells nothing of that time; report ids are remembered for
# longer than that, so that none counts twice.
MOST_DAYS_AGO = 30
_KEEP_IDS_MS = (MOST_DAYS_AGO + 2) * DAY_MS
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class DayOfScans:
    """The scans of one day with one version.

    Attributes:
        version: the version that answered.
        day: in UTC, counted from 1970-01-01.
        answers: how they were distributed.
        sent: how many of the photos were sent to the server as well.
    """

    version: str
    day: int
    answers: Distribution
    sent: int


@blueprint.post("/<model>/usage")
@needs("report")
@idempotent
@blueprint.input(UsageRequest, unknown=RAISE)
@blueprint.output(UsageAnswer, status_code=202)
def report_usage(
    model: str, json_data: dict[str, Any]
) -> tuple[dict[str, Any], int, dict[str, str]] | Response:
    """Report how many scans this device did on its own, for the dashboard.

    Sums alone, no photo and no time of day. Apps send this only where they were told to.
    """
    days = [_read_day(model, entry) for entry in json_data["days"]]
    counted = take_usage(
        get_database(),
        model,
        str(json_data["report_id"]),
        json_data["device_id"],
        days,
        get_settings().most_scans_a_day,
    )
    for day in days if counted else ():
        for verdict, number in day.answers.verdicts.items():
            metrics.DEVICE_SCANS.labels(model, day.version, verdict).inc(number)
    return {"counted": counted}, 202, {"Cache-Control": "no-store"}


def take_usage(
    database: Database,
    model: str,
    report_id: str,
    device_id: str,
    days: list[DayOfScans],
    most_a_day: int,
) -> bool:
    """Adds what a device tells to the counts.

    A device that would come to more scans of a day than is plausible is not counted at all: what
    it tells is wrong, wherever the fault lies.

    Args:
        database: the state.
        model: a published model.
        report_id: made by the device; the same one twice counts once.
        device_id: the same that it checks with.
        days: what it tells.
        most_a_day: how many scans of a day are plausible.

    Returns:
        Whether it was counted.

    Raises:
        StateError: see `Database.write`.
    """
    key = {"report_id": report_id, "received_ms": now_ms()}
    with database.write() as connection:
        known = select(usage_reports.c.report_id).filter_by(report_id=report_id)
        if connection.execute(known).first() is not None:
            return False
        totals = _add_up(connection, model, hash_device(device_id), days)
        if any(row["scans"] > most_a_day for row in totals):
            return False
        connection.execute(insert(usage_reports).values(key))
        for row in totals:
            adding = insert_into(connection, usage_days).values(row)
            scans = {"scans": adding.excluded.scans}
            columns = ["model", "day", "device"]
            connection.execute(adding.on_conflict_do_update(index_elements=columns, set_=scans))
        add_counts(connection, _to_counts(model, days))
        _forget_old(connection)
    return True


def _read_day(model: str, entry: dict[str, Any]) -> DayOfScans:
    """Reads a day, as far as the version and its labels are published and the sums add up."""
    manifest = get_storage().read_manifest(model, entry["version"])
    try:
        answers = Distribution(tuple(entry["confidences"]), entry["labels"], entry["verdicts"])
    except ConfidenceError as error:
        raise RequestError(f"days: {error}") from None
    _check_labels(answers, manifest)
    if entry["sent"] > answers.photos:
        raise RequestError(f"sent: {entry['sent']} of {answers.photos} scans were sent")
    day = (entry["day"] - _FIRST_DAY).days
    if not today() - MOST_DAYS_AGO <= day <= today() + 1:  # clocks of devices are off by hours
        first = _FIRST_DAY + timedelta(days=today() - MOST_DAYS_AGO)
        raise RequestError(f"day is {entry['day']}: allowed are {first} to tomorrow, in UTC")
    return DayOfScans(entry["version"], day, answers, entry["sent"])


def _check_labels(answers: Distribution, manifest: Manifest) -> None:
    if unknown := sorted(set(answers.labels) - set(manifest.labels.names)):
        raise RequestError(
            f"labels: {manifest.model} {manifest.version} has no label {unknown[0][:80]!r}"
        )


def _add_up(
    connection: Connection, model: str, device: str, days: list[DayOfScans]
) -> list[dict[str, Any]]:
    """Returns how many scans of each day the device has then told of."""
    told: Counter[int] = Counter()
    for day in days:
        told[day.day] += day.answers.photos
    key = {"model": model, "device": device}
    before = select(usage_days).filter_by(**key).where(usage_days.c.day.in_(told))
    for row in connection.execute(before):
        told[row.day] += row.scans
    return [{**key, "day": day, "scans": scans} for day, scans in told.items()]


def _to_counts(model: str, days: list[DayOfScans]) -> Counter[tuple[str, int, str, str, str, str]]:
    counts: Counter[tuple[str, int, str, str, str, str]] = Counter()
    for day in days:
        answers = day.answers
        bins = {str(place): number for place, number in enumerate(answers.confidences)}
        labels = {shorten(label): number for label, number in answers.labels.items()}
        kinds = {VERDICT: answers.verdicts, LABEL: labels, CONFIDENCE: bins, SENT: {"": day.sent}}
        for kind, items in kinds.items():
            for item, number in items.items():
                if number:
                    counts[model, day.day, day.version, ON_DEVICE, kind, item] += number
    return counts


def _forget_old(connection: Connection) -> None:
    old = usage_reports.c.received_ms < now_ms() - _KEEP_IDS_MS
    connection.execute(delete(usage_reports).where(old))
    before = usage_days.c.day < today() - MOST_DAYS_AGO
    connection.execute(delete(usage_days).where(before))
