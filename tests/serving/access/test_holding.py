"""Holding versions back over HTTP, with the key's name in the audit log."""

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serving.context import get_database
from serving.state.audit import list_entries
from tests.serving.access.conftest import MakeKey

CHECK = {"device_id": "phone-1", "platform": "android"}


def send(
    client: FlaskClient, token: str, verb: str, version: str = "1.1.0", **data: str
) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"/v1/models/colours/versions/{version}/{verb}"
    return client.post(url, json={"reason": "it crashes"} | data, headers=headers)


def find_code(client: FlaskClient, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    found = client.post("/v1/models/colours/check", json=CHECK, headers=headers)
    assert found.status_code == 200, found.json
    return str(found.json["code"])


def test_a_halt_takes_a_version_from_everybody_until_it_is_resumed(
    guarded: FlaskClient, make_key: MakeKey
) -> None:
    token, phone = make_key("publish"), make_key("pull", name="app")
    assert find_code(guarded, phone) == "first"
    halted = send(guarded, token, "hold", action="halt")
    assert (halted.status_code, halted.json["state"]) == (200, "halted")
    assert find_code(guarded, phone) == "halted"
    assert send(guarded, token, "resume").json["state"] == "resumed"
    assert find_code(guarded, phone) == "first"
    with guarded.application.app_context(), get_database().read() as connection:
        entries = [entry for entry in list_entries(connection) if entry.model == "colours"]
    assert [(entry.actor, entry.action, entry.reason) for entry in entries] == [
        ("key till", "halt", "it crashes"),
        ("key till", "resume", "it crashes"),
    ]


def test_only_the_scope_publish_holds_back(guarded: FlaskClient, make_key: MakeKey) -> None:
    token = make_key("pull", "report", "recognise", "observe")
    assert send(guarded, token, "hold", action="halt").status_code == 403


def test_what_cannot_be_held_back_is_told(guarded: FlaskClient, make_key: MakeKey) -> None:
    token = make_key("publish")
    paused = send(guarded, token, "hold", action="pause")
    assert (paused.status_code, paused.json["type"]) == (409, "/docs#hold")
    assert send(guarded, token, "hold", "9.9.9", action="halt").status_code == 404
    assert send(guarded, token, "hold", action="delete").status_code == 422
    assert send(guarded, token, "resume", reason="").status_code == 422
