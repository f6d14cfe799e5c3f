import uuid
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from serving.dashboard import usage as usage_module
from serving.dashboard.counts import CONFIDENCE, LABEL, SENT, VERDICT
from serving.dashboard.tables import scan_counts, usage_days, usage_reports
from serving.rollouts import hash_device
from tests.serving.dashboard.conftest import make_usage

USAGE = "/v1/models/colours/usage"


def read(app: Any, kind: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    with app.extensions["ghostlens"].database.read() as connection:
        for row in connection.execute(select(scan_counts).filter_by(kind=kind, place="device")):
            found[row.item] += row.number
    return dict(found)


def send(app: Any, body: dict[str, Any]) -> tuple[int, Any]:
    response = app.test_client().post(USAGE, json=body)
    return response.status_code, response.json


def test_what_devices_tell_is_counted(app: Any) -> None:
    body = make_usage(0, 10, verdicts={"sure": 7, "unsure": 3}, labels={"red": 9, "blue": 1})
    body["days"][0]["sent"] = 3
    body["days"] += make_usage(1, 5, version="1.1.0")["days"]
    assert send(app, body) == (202, {"counted": True})
    assert read(app, VERDICT) == {"sure": 12, "unsure": 3}
    assert read(app, LABEL) == {"red": 14, "blue": 1}
    assert read(app, CONFIDENCE) == {"19": 15}
    assert read(app, SENT) == {"": 3}


def test_a_report_that_is_sent_again_counts_once(app: Any) -> None:
    body = make_usage()
    assert send(app, body)[1] == {"counted": True}
    assert send(app, body)[1] == {"counted": False}
    assert read(app, VERDICT) == {"sure": 10}


def test_the_same_request_with_an_idempotency_key_is_answered_alike(app: Any) -> None:
    body, headers = make_usage(), {"Idempotency-Key": str(uuid.uuid4())}
    answers = [app.test_client().post(USAGE, json=body, headers=headers) for _ in range(2)]
    assert [answer.json for answer in answers] == [{"counted": True}] * 2
    assert read(app, VERDICT) == {"sure": 10}


def test_attack_one_device_cannot_tell_of_more_scans_than_a_person_does(app: Any) -> None:
    assert send(app, make_usage(0, 1500))[1] == {"counted": True}
    # Not in small steps either; another day, and another device, are their own.
    assert send(app, make_usage(0, 501))[1] == {"counted": False}
    assert send(app, make_usage(0, 500))[1] == {"counted": True}
    assert send(app, make_usage(0, 1))[1] == {"counted": False}
    assert send(app, make_usage(1, 1))[1] == {"counted": True}
    assert send(app, make_usage(0, 1) | {"device_id": "another"})[1] == {"counted": True}
    assert read(app, VERDICT) == {"sure": 2002}


def test_attack_two_entries_of_one_day_are_added_up(app: Any) -> None:
    body = make_usage(0, 1001)
    body["days"] += make_usage(0, 1000, version="1.1.0")["days"]
    assert send(app, body)[1] == {"counted": False}
    assert read(app, VERDICT) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"<script>": 10}}, "has no label '<script>'"),
        ({"labels": {"red": 9}}, "do not add up"),
        ({"labels": {"red": -1, "blue": 11}}, "Must be greater"),
        ({"verdicts": {"perhaps": 10}}, "Must be one of"),
        ({"verdicts": {"sure": 11}}, "do not add up"),
        ({"confidences": [10]}, "Length must be"),
        ({"confidences": [10.5] + [0] * 19}, "confidences"),
        ({"sent": 11}, "11 of 10 scans"),
        ({"day": "2020-01-01"}, "allowed are"),
        ({"day": "2126-01-01"}, "allowed are"),
        ({"day": "now"}, "date"),
        ({"place": "server"}, "Unknown field"),
    ],
)
def test_attack_figures_that_cannot_be_are_refused(
    app: Any, changes: dict[str, Any], words: str
) -> None:
    status, problem = send(app, make_usage(0, 10, **changes))
    assert status == 422
    assert words in str(problem)
    assert read(app, VERDICT) == {}


def test_an_unknown_model_or_version_is_404(app: Any) -> None:
    assert send(app, make_usage(version="9.9.9"))[0] == 404
    assert app.test_client().post("/v1/models/none/usage", json=make_usage()).status_code == 404
    many = make_usage() | {"days": make_usage()["days"] * 63}
    assert send(app, many)[0] == 422
    assert send(app, make_usage() | {"days": []})[0] == 422


def test_devices_stand_under_a_hash_and_are_forgotten(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(app, make_usage())
    database = app.extensions["ghostlens"].database
    with database.read() as connection:
        devices = set(connection.execute(select(usage_days.c.device)).scalars())
    assert devices == {hash_device("phone")}
    later = usage_module.today() + usage_module.MOST_DAYS_AGO + 2
    monkeypatch.setattr(usage_module, "today", lambda: later)
    monkeypatch.setattr(usage_module, "now_ms", lambda: (later + 1) * 86_400_000)
    with database.write() as connection:
        usage_module._forget_old(connection)
        for table in (usage_days, usage_reports):
            assert connection.execute(select(table)).first() is None
