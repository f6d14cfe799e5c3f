import uuid
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from mobile_assets.conditions import Device, Running, RuntimeOfApp
from mobile_assets.release import STABLE
from serving.app import create_app
from serving.publishing.policy import Change, pin, promote, roll_back, roll_out
from serving.publishing.publish import change_release
from serving.settings import Settings

CHECK, REPORTS = "/v1/models/colours/check", "/v1/models/colours/reports"


@pytest.fixture
def settings(repository: Path) -> Settings:
    return Settings(repository, raise_least_reports=4)


@pytest.fixture
def app(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


@pytest.fixture
def change(repository: Path, key_folder: Path) -> Any:
    def apply(*changes: Change) -> None:
        for each in changes:
            change_release("colours", repository, key_folder, each)

    return apply


def check(app: FlaskClient, device: str | None, **said: Any) -> dict[str, Any]:
    body = {"platform": "android", **said} | ({"device_id": device} if device else {})
    response = app.post(CHECK, json=body)
    assert response.status_code == 200, response.text
    return dict(response.json)


def find_artifact(app: FlaskClient) -> str:
    files = app.get("/v1/models/colours/versions/1.1.0").json["files"]
    return str(next(file["sha256"] for file in files if file["path"].endswith(".tflite")))


def make_report(app: FlaskClient, device: str, passed: bool, **changes: Any) -> dict[str, Any]:
    return {
        "report_id": str(uuid.uuid4()),
        "device_id": device,
        "version": "1.1.0",
        "artifact_sha256": find_artifact(app),
        "event": "self-test",
        "passed": passed,
        "figures": {"photos": 3, "max_probability_difference": 0.9, "duration_ms": 12.5},
        "platform": "android",
        "runtime": "litert",
        **changes,
    }


def test_a_bad_version_is_halted_and_those_who_run_it_are_sent_back(
    app: FlaskClient, change: Any, settings: Settings
) -> None:
    change(roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 10_000))
    runs_old = {"current": {"version": "1.0.0"}}
    for device in ("a", "b", "c"):
        told = check(app, device, **runs_old)
        assert (told["action"], told["version"], told["code"]) == ("take", "1.1.0", "new-version")
        assert told["check_again_s"] == 6 * 3600 // 4
        assert app.post(REPORTS, json=make_report(app, device, False)).status_code == 202
    told = check(app, "d", **runs_old)
    assert (told["action"], told["code"], told["version"]) == ("none", "halted", "1.0.0")
    runs_new = {"current_version": "1.1.0"}
    told = check(app, "a", **runs_new)
    assert (told["action"], told["code"], told["version"]) == ("take", "rolled-back", "1.0.0")
    told = check(app, "a", **runs_new, refused=["1.0.0"])
    assert (told["action"], told["code"], told["files"]) == ("go-back", "halted", [])
    # Another process sees it too.
    other = create_app(settings).test_client()
    assert check(other, "d", **runs_old)["code"] == "halted"


@pytest.mark.parametrize("event", ["start", "crash"])
def test_a_version_that_passes_its_self_test_and_does_not_start_is_halted(
    app: FlaskClient, change: Any, event: str
) -> None:
    change(roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 10_000))
    for device in ("a", "b", "c"):
        assert check(app, device, current={"version": "1.0.0"})["version"] == "1.1.0"
        app.post(REPORTS, json=make_report(app, device, True))
    assert check(app, "d", current={"version": "1.0.0"})["version"] == "1.1.0"
    for device in ("a", "b", "c"):
        app.post(REPORTS, json=make_report(app, device, False, event=event))
    told = check(app, "d", current={"version": "1.1.0"})
    assert (told["action"], told["code"], told["version"]) == ("take", "rolled-back", "1.0.0")
    assert check(app, "e", current={"version": "1.0.0"})["code"] == "halted"


def test_a_start_that_went_well_makes_up_for_a_crash_before_it(
    app: FlaskClient, change: Any
) -> None:
    change(roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 10_000))
    for device in ("a", "b", "c"):
        app.post(REPORTS, json=make_report(app, device, False, event="crash"))
        app.post(REPORTS, json=make_report(app, device, True, event="start"))
    assert check(app, "d", current={"version": "1.0.0"})["version"] == "1.1.0"


def test_a_raise_waits_and_then_reaches_the_others(app: FlaskClient, change: Any) -> None:
    change(roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 3000))
    phones = [f"phone-{number}" for number in range(60)]
    taking = [phone for phone in phones if check(app, phone)["version"] == "1.1.0"]
    assert 4 < len(taking) < 40
    change(roll_out(STABLE, "1.1.0", 10_000))
    assert check(app, None)["version"] == "1.0.0"
    held = {check(app, phone, current_version="1.0.0")["code"] for phone in phones} - {
        "new-version"
    }
    assert held == {"held"}
    for phone in taking[:4]:
        app.post(REPORTS, json=make_report(app, phone, True))
    assert {check(app, phone)["version"] for phone in phones} == {"1.1.0"}
    change(promote(STABLE))
    assert check(app, None)["version"] == "1.1.0"


def test_the_same_report_twice_counts_once(app: FlaskClient) -> None:
    body = make_report(app, "phone", True)
    first, second = app.post(REPORTS, json=body), app.post(REPORTS, json=body)
    assert (first.status_code, first.json) == (202, {"counted": True})
    assert (second.status_code, second.json) == (202, {"counted": False})
    assert first.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"report_id": "7"}, 422, "report_id: Not a valid UUID"),
        ({"device_id": ""}, 422, "device_id"),
        ({"device_id": "\ud800"}, 422, "surrogate"),
        ({"version": "9.0.0"}, 404, "no version '9.0.0'"),
        ({"artifact_sha256": "0" * 64}, 404, "colours 1.1.0 has no such artifact"),
        ({"artifact_sha256": "x"}, 422, "64 lower-case hexadecimal digits"),
        ({"event": "boom"}, 422, "self-test, start, crash"),
        ({"event": "crash"}, 422, "a crash has not passed"),
        ({"passed": None}, 422, "passed"),
        ({"figures": {"photos": -1}}, 422, "photos"),
        ({"note": "x"}, 422, "note: Unknown field"),
    ],
)
def test_a_report_that_is_not_as_described_says_what_is_allowed(
    app: FlaskClient, changes: dict[str, Any], status: int, words: str
) -> None:
    response = app.post(REPORTS, json=make_report(app, "phone", True) | changes)
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert words in response.json["detail"]


def test_a_state_that_cannot_be_written_is_told_and_no_report_is_lost_silently(
    app: FlaskClient, change: Any, settings: Settings
) -> None:
    change(roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 10_000))
    settings.state_folder.mkdir(exist_ok=True)
    (settings.state_folder / "state.db").write_bytes(b"x" * 4096)
    response = app.post(REPORTS, json=make_report(app, "phone", True))
    assert response.status_code == 503
    assert str(settings.state_folder) not in response.text
    # A server that cannot know of halts offers nobody anything new.
    told = check(app, "phone")
    assert (told["action"], told["version"]) == ("take", "1.0.0")


def test_what_a_python_app_says_of_itself_is_understood(app: FlaskClient) -> None:
    runtimes = (RuntimeOfApp("litert"), RuntimeOfApp("executorch", "1.4.1"))
    device = Device("android", device_id="phone", runtimes=runtimes, running=Running("1.0.0"))
    response = app.post(CHECK, json=device.to_json())
    assert response.status_code == 200, response.text


def test_channels_are_followed(app: FlaskClient, change: Any) -> None:
    change(promote("beta", "1.1.0"), pin(STABLE, "1.0.0"))
    assert check(app, "phone")["version"] == "1.0.0"
    assert check(app, "phone", channel="beta")["version"] == "1.1.0"
    told = check(app, "phone", channel="nightly")
    assert (told["action"], told["code"], told["version"]) == ("none", "no-channel", None)
    detail = app.get("/v1/models/colours").json
    assert detail["channels"]["stable"] == {"current": "1.0.0", "pinned": True, "rollout": None}
