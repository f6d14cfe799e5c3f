import logging
from typing import Any

import pytest

from serving.app import create_app
from serving.dashboard.counts import ON_DEVICE, ON_SERVER, Scan, today
from serving.dashboard.drift import Finding, find_drift
from serving.settings import Settings
from tests.serving.dashboard.conftest import CONFIDENCES, Fill
from training.evaluation.distribution import CONFIDENCE_EDGES

URL = "/v1/models/colours/drift"
LABELS = {"red": 5, "green": 3, "blue": 2}


def list_scans(
    place: str, day: int, version: str = "1.2.0", least: float = 0.0, labels: dict | None = None
) -> list[Scan]:
    """The scans of a day that are distributed as on validation, or all surer than `least`."""
    scans = []
    names = [name for name, number in (labels or LABELS).items() for _ in range(number)]
    for place_of_bin, number in enumerate(CONFIDENCES):
        confidence = CONFIDENCE_EDGES[place_of_bin]
        if confidence < least:
            confidence = 0.4
        for _ in range(number // 10):
            verdict = "sure" if confidence >= 0.75 else "unsure"
            label = names[len(scans) % len(names)]
            scans.append(
                Scan("colours", version, place, today() - day, verdict, label, confidence, 20.0)
            )
    return scans


def look(app: Any, **given: Any) -> dict[str, Finding]:
    services = app.extensions["ghostlens"]
    takes_all = given.pop("server_takes_all", False)
    found = find_drift(services.storage, services.database, "colours", takes_all, **given)
    return {finding.name: finding for finding in found}


def fill_weeks(fill: Fill, place: str, first: int, last: int, **how: Any) -> None:
    for day in range(first, last + 1):
        fill(*list_scans(place, day, **how))


def test_without_scans_nothing_is_found(app: Any) -> None:
    assert look(app) == {}
    assert app.test_client().get(URL).json == {
        "model": "colours",
        "alarm": False,
        "days": 7,
        "findings": [],
    }
    assert app.test_client().get("/v1/models/none/drift").status_code == 404


def test_photos_as_on_validation_and_as_before_are_quiet(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 34)
    found = look(app)
    assert len(found) == 6
    assert {finding.state for finding in found.values()} == {"quiet"}
    assert found["device confidence against validation"].words.startswith(
        "81 % of answers are 90 %"
    )


def test_ten_scans_never_alarm(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 7, 34)
    fill(*[Scan("colours", "1.2.0", ON_DEVICE, today(), "unknown", "blue", 0.01)] * 10)
    assert {finding.state for finding in look(app).values()} == {"too little"}


def test_devices_that_became_less_sure_are_an_alarm_that_is_told_once(
    app: Any, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    fill_weeks(fill, ON_DEVICE, 7, 34)
    fill_weeks(fill, ON_DEVICE, 0, 6, least=0.97)
    found = look(app)
    for name in ("confidence against validation", "confidence against weeks"):
        assert found[f"device {name}"].state == "alarm"
    assert found["device verdict against validation"].state == "for information"
    assert found["device label against weeks"].state == "quiet"
    with caplog.at_level(logging.WARNING, "serving"):
        answer = app.test_client().get(URL).json
        assert answer["alarm"]
        first = answer["findings"][0]
        assert first["state"] == "alarm"
        assert first["effect"] > 0.1
        told = [record.message for record in caplog.records if "drift of colours" in record.message]
        assert len(told) == len([x for x in found.values() if x.state == "alarm"])
        caplog.clear()
        # Another process finds the same and says nothing.
        services = app.extensions["ghostlens"]
        other = create_app(services.settings)
        assert other.test_client().get(URL).json["alarm"]
        assert not caplog.records


def test_an_alarm_that_is_over_is_told_too(
    app: Any, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 6, least=0.97)
    services = app.extensions["ghostlens"]
    assert app.test_client().get(URL).json["alarm"]
    fill(*list_scans(ON_DEVICE, 0), times=300)
    other = create_app(services.settings)
    assert not other.test_client().get(URL).json["alarm"]
    assert "the alarm is over" in caplog.text


def test_what_devices_were_not_sure_of_differs_from_validation_by_choice(
    app: Any, fill: Fill
) -> None:
    fill_weeks(fill, ON_SERVER, 0, 34, least=0.97)
    found = look(app)["server confidence against validation"]
    assert found.state == "for information"
    assert "apps send here what their device is not sure of" in found.words
    assert look(app)["server confidence against weeks"].state == "quiet"
    assert look(app, server_takes_all=True)["server confidence against validation"].state == "alarm"


def test_another_mix_of_classes_is_an_alarm_against_the_weeks_before_alone(
    app: Any, fill: Fill
) -> None:
    shops = {"red": 1, "green": 1, "blue": 8}
    fill_weeks(fill, ON_DEVICE, 7, 34, labels=shops)
    fill_weeks(fill, ON_DEVICE, 0, 6, labels=shops)
    found = look(app)
    assert found["device label against validation"].state == "for information"
    assert found["device label against weeks"].state == "quiet"
    fill_weeks(fill, ON_DEVICE, 0, 6, labels={"red": 9, "green": 1, "blue": 0})
    found = look(app)["device label against weeks"]
    assert found.state == "alarm"
    assert "which moved most" in found.words


def test_a_release_without_a_baseline_says_so(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 6, version="1.1.0")
    found = look(app)["device confidence against validation"]
    assert found.state == "too little"
    assert "No baseline in this release" in found.words
    # Nor is a version that this server never published.
    fill_weeks(fill, ON_SERVER, 0, 6, version="0.0.9")
    assert "No baseline" in look(app)["server confidence against validation"].words


def test_a_new_version_is_not_compared_with_the_weeks_of_another(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 7, 34, version="1.1.0")
    fill_weeks(fill, ON_DEVICE, 0, 6, least=0.97)
    found = look(app)
    assert found["device confidence against weeks"].state == "too little"
    assert "fewer than 7 days of 1.2.0" in found["device confidence against weeks"].words.lower()
    assert found["device label against weeks"].state == "quiet"


def test_settings_say_whether_the_server_takes_all(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_SERVER, 0, 6, least=0.97)
    services = app.extensions["ghostlens"]
    assert not app.test_client().get(URL).json["alarm"]
    settings = Settings(
        services.settings.repository, state=services.settings.state, server_takes_all=1
    )
    assert create_app(settings).test_client().get(URL).json["alarm"]
