"""What needs no key, and how somebody elsewhere may try to be taken for somebody here."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serving.access.public import describe_public_scopes, is_loopback
from serving.app import create_app
from serving.settings import Settings

ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}
CHECK = {"current_version": "1.0.0", "platform": "android"}


def make_client(published: Path, **settings: object) -> FlaskClient:
    return create_app(Settings(published, **settings)).test_client()  # type: ignore[arg-type]


def check(client: FlaskClient, **headers: str) -> TestResponse:
    return client.post("/v1/models/colours/check", json=CHECK, headers=headers)


def test_somebody_at_this_machine_needs_no_key(client: FlaskClient) -> None:
    assert client.get("/v1/models").status_code == 200
    assert check(client).status_code == 200
    assert check(client, Origin="http://localhost").status_code == 200


def test_somebody_elsewhere_needs_one(client: FlaskClient) -> None:
    answer = client.get("/v1/models", environ_overrides=ELSEWHERE)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ghostlens"'
    assert answer.json["type"] == "/docs#key-needed"
    assert answer.json["detail"] == (
        "GET /v1/models needs a key for pull, as `Authorization: Bearer <key>` or "
        "`X-API-Key: <key>`"
    )
    for public in ("/livez", "/readyz", "/docs", "/openapi.json", "/v2", "/v2/health/ready"):
        assert client.get(public, environ_overrides=ELSEWHERE).status_code == 200
    assert client.get("/nowhere", environ_overrides=ELSEWHERE).status_code == 404


def test_a_proxy_that_the_server_was_not_told_of_makes_nobody_local(client: FlaskClient) -> None:
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"):
        answer = client.get("/v1/models", headers={name: "192.0.2.7"})
        assert answer.status_code == 403
        assert "GHOSTLENS_PROXIES" in answer.json["detail"] and name in answer.json["detail"]


def test_a_name_that_is_made_to_lead_here_makes_no_page_local(client: FlaskClient) -> None:
    assert client.get("/v1/models", base_url="http://evil.example").status_code == 401
    assert client.get("/v1/models", base_url="http://127.0.0.1.evil.example").status_code == 401
    assert client.get("/v1/models", base_url="http://[::1]:8000").status_code == 200


def test_a_page_of_another_origin_cannot_write_from_a_local_browser(client: FlaskClient) -> None:
    assert check(client, Origin="https://evil.example").status_code == 401
    assert check(client, Origin="null").status_code == 401


def test_behind_proxies_nobody_is_local(published: Path) -> None:
    client = make_client(published, proxies=1)
    assert client.get("/v1/models").status_code == 401


def test_a_setting_names_what_is_public(published: Path) -> None:
    client = make_client(published, public_scopes=("pull",))
    assert client.get("/v1/models", environ_overrides=ELSEWHERE).status_code == 200
    assert client.post("/v1/models/colours/recognise").status_code == 401
    none = make_client(published, public_scopes=())
    assert none.get("/v1/models").status_code == 401


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("localhost.example", False),
        ("192.168.0.3", False),
    ],
)
def test_addresses_of_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_the_console_says_what_is_public() -> None:
    assert "from this machine needs no key" in describe_public_scopes(Settings())
    assert "everything needs a key" in describe_public_scopes(Settings(public_scopes=()))
    assert "everything needs a key" in describe_public_scopes(Settings(proxies=1))
    words = describe_public_scopes(Settings(public_scopes=("pull", "report")))
    assert words == "NO KEY is needed by anybody for: pull, report"
