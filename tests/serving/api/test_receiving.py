"""Bodies in JSON as any client may send them; `test_bad_input.py` has a server process."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serving.api.receiving import MAX_JSON_BYTES
from serving.app import create_app
from serving.settings import Settings

CHECK, RECOGNISE = "/v1/models/colours/check", "/v1/models/colours/recognise"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("data", "headers", "status", "kind", "words"),
    [
        (b"{", {}, 400, "/docs#malformed", "no JSON that can be read"),
        (b"\xff", {}, 400, "/docs#malformed", "no JSON that can be read"),
        (b"[" * 1000 + b"]" * 1000, {}, 400, "/docs#malformed", "nested too deeply"),
        (b"[" * 100_000, {}, 400, "/docs#malformed", "nested too deeply"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "/docs#media-type", "application/json"),
        (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "", "is application"),
        (b"{}", {"Content-Type": ""}, 415, "/docs#media-type", "no stated type"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "/docs#media-type", "without"),
        (b" " * (MAX_JSON_BYTES + 1), {}, 413, "about:blank", f"{MAX_JSON_BYTES} bytes"),
        (b"[]", {}, 422, "/docs#request", "Invalid input type"),
    ],
    ids=range(10),
)
def test_a_body_that_is_no_json_of_a_bounded_length_is_a_problem(
    client: FlaskClient, data: bytes, headers: dict[str, str], status: int, kind: str, words: str
) -> None:
    response = client.post(
        CHECK, data=data, headers={"Content-Type": "application/json", **headers}
    )
    assert response.status_code == status
    assert response.json["type"] == kind or not kind
    assert words in response.json["detail"]


def test_json_by_another_name_is_taken(client: FlaskClient) -> None:
    headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    assert client.post(CHECK, data=b'{"platform": "web"}', headers=headers).status_code == 200


def test_a_lower_limit_of_the_server_holds_for_json_too(published: Path, tmp_path: Path) -> None:
    client = create_app(Settings(published, max_upload_bytes=1024, state=tmp_path)).test_client()
    response = client.post(CHECK, json={"platform": "web", "device_id": "x" * 1024})
    assert response.status_code == 413
    assert "allowed are 1024 bytes" in response.json["detail"]


def test_what_is_wrong_within_a_body_is_told_by_its_path(client: FlaskClient) -> None:
    body = {"platform": "web", "runtimes": [{"version": "1"}], "current": []}
    response = client.post(CHECK, json=body)
    assert response.json["errors"] == {
        "json": {
            "current": ["Invalid input type."],
            "runtimes.0.name": ["Missing data for required field."],
        }
    }


def test_the_character_that_no_database_takes_is_refused_with_its_place(
    client: FlaskClient,
) -> None:
    words = ["The character '\\x00' is not allowed."]
    body = {"platform": "web", "device_id": "a\0", "refused": ["1.0.0", "\0"], "\0": 1}
    for response, errors in [
        (
            client.post(CHECK, json=body),
            {"json": {"device_id": words, "refused.1": words, "\ufffd": words}},
        ),
        (client.post(f"{RECOGNISE}?version=%00"), {"query": {"version.0": words}}),
        (client.get("/v1/models/a%00"), {"path": {"model": words}}),
    ]:
        assert (response.status_code, response.json["type"]) == (422, "/docs#request")
        assert response.json["errors"] == errors
    plain = client.post(CHECK, data=rb'{"platform": "web", "device_id": "\\u0000"}', headers=JSON)
    assert plain.status_code == 200
