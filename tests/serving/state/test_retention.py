import logging
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from serving.app import create_app
from serving.publishing.policy import roll_back
from serving.publishing.publish import change_release
from serving.reports import Report, take_report
from serving.rollouts import HALTED, Rollouts
from serving.rule import Counts
from serving.settings import Settings, find_state
from serving.state import retention
from serving.state.audit import list_entries
from serving.state.database import Database
from serving.state.retention import Retention
from serving.state.tables import offers, reports, verdicts
from serving.state.times import now_ms
from tests.mobile_assets.releases import AT, SALT
from tests.serving.test_reports import REPORTS, make_report

LEFT, CURRENT, NEW, BETA = "0.9.0", "1.0.0", "1.1.0", "1.2.0"
VERSIONS = tuple(PublishedVersion(version, AT) for version in (LEFT, CURRENT, NEW, BETA))
CHANNELS = {STABLE: Channel(CURRENT, rollout=Rollout(NEW, 100, SALT, AT)), "beta": Channel(BETA)}
RELEASE = Release("colours", VERSIONS, CHANNELS)
DAY_MS = 24 * 3600 * 1000


def fill(database: Database, version: str, devices: int = 2) -> None:
    rollouts = Rollouts(database)
    for number in range(devices):
        device = f"phone-{number}"
        rollouts.note_offer("colours", version, device)
        found = Report(f"{version}-{number}", device, version, "start", True, {})
        assert take_report(database, rollouts, RELEASE, found)


def count_rows(database: Database) -> tuple[int, ...]:
    with database.read() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (reports, verdicts, offers)
        )


def pass_days(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    later_ms = now_ms() + int(days * DAY_MS)
    monkeypatch.setattr(retention, "now_ms", lambda: later_ms)


def test_old_reports_of_a_version_that_nobody_is_offered_are_deleted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, LEFT)
    pass_days(monkeypatch, 89.9)
    assert Retention(database, 90).prune([RELEASE]) == 0
    pass_days(monkeypatch, 90.1)
    assert Retention(database, 90).prune([RELEASE]) == 6
    assert count_rows(database) == (0, 0, 0)


def test_what_a_channel_offers_or_rolls_out_is_kept_whatever_its_age(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (CURRENT, NEW, BETA):
        fill(database, version)
    pass_days(monkeypatch, 5000)
    assert Retention(database, 90).prune([RELEASE]) == 0
    assert Rollouts(database).count("colours", NEW) == Counts(2, 2, 0)


def test_halts_and_the_audit_log_stay(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, LEFT)
    Rollouts(database).hold("colours", LEFT, HALTED, "ann", "recalled")
    pass_days(monkeypatch, 5000)
    assert Retention(database, 90).prune([RELEASE]) == 6
    with database.read() as connection:
        assert [entry.action for entry in list_entries(connection)] == ["halt"]
    assert Rollouts(database).restrain(RELEASE, STABLE).halted == {LEFT}


def test_it_goes_on_at_once_while_there_is_more_and_then_rests(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_MOST_ROWS", 3)
    fill(database, LEFT, devices=5)
    pass_days(monkeypatch, 91)
    keeper = Retention(database, 90)
    assert [keeper.prune([RELEASE]) for _ in range(3)] == [9, 6, 0]
    fill(database, BETA)
    left = Release("colours", VERSIONS, {STABLE: Channel(CURRENT)})
    assert keeper.prune([left]) == 0, "it looks once an hour"
    assert Retention(database, 90).prune([left]) == 6


def test_a_state_that_cannot_be_written_fails_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state.db").write_bytes(b"x" * 4096)
    with caplog.at_level(logging.ERROR, "serving"):
        assert Retention(Database(tmp_path), 90).prune([RELEASE]) == 0
    assert "old reports are kept" in caplog.text


def test_a_report_that_comes_in_has_old_ones_deleted(
    repository: Path, key_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, state = create_app(Settings(repository)).test_client(), Database(find_state(repository))
    app.post(REPORTS, json=make_report(app, "phone", True))
    change_release("colours", repository, key_folder, roll_back(STABLE, "1.0.0"))
    pass_days(monkeypatch, 91)
    # Another process, which did not look within the last hour.
    again = create_app(Settings(repository)).test_client()
    assert count_rows(state) == (1, 1, 0)
    assert again.post(REPORTS, json=make_report(app, "other", True)).status_code == 202
    assert count_rows(state) == (0, 0, 0)
