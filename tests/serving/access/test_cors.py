"""Which pages of other origins may ask from a browser."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serving.access.origins import read_origins
from serving.app import create_app
from serving.errors import SettingsError
from serving.settings import Settings

SHOP, LOCAL = "https://shop.example", "http://[::1]:5173"
RECOGNISE = "/v1/models/colours/recognise"


@pytest.fixture
def client(published: Path, tmp_path: Path) -> FlaskClient:
    origins = read_origins(f"{SHOP}, {LOCAL}")
    settings = Settings(published, state=tmp_path, cors_origins=origins, public_scopes=())
    return create_app(settings).test_client()


def ask_leave(
    client: FlaskClient, origin: str, headers: str = "authorization", url: str = RECOGNISE
) -> TestResponse:
    return client.options(
        url,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


@pytest.mark.parametrize("origin", [SHOP, LOCAL])
def test_a_listed_origin_gets_leave_without_a_key(client: FlaskClient, origin: str) -> None:
    leave = ask_leave(client, origin, "authorization, content-type, idempotency-key")
    assert leave.status_code == 200
    assert leave.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in leave.headers["Access-Control-Allow-Methods"]
    allowed = leave.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed.split(", "))
    assert leave.headers["Access-Control-Max-Age"] == "600"
    assert "Access-Control-Allow-Credentials" not in leave.headers
    assert "Origin" in leave.headers["Vary"]


@pytest.mark.parametrize("name", ["check", "reports", "usage", "corrections"])
def test_leave_is_given_for_what_takes_json_too(client: FlaskClient, name: str) -> None:
    leave = ask_leave(client, SHOP, "content-type", f"/v1/models/colours/{name}")
    assert leave.status_code == 200
    assert leave.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://shopxexample",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
    ],
)
def test_another_origin_gets_none(client: FlaskClient, origin: str) -> None:
    leave = ask_leave(client, origin)
    answer = client.get("/v2", headers={"Origin": origin})
    for found in (leave, answer):
        assert not [name for name, _ in found.headers if name.startswith("Access-Control")]
        assert "Origin" in found.headers["Vary"]


def test_a_page_can_read_refusals_and_what_they_say(client: FlaskClient) -> None:
    refused = client.post(RECOGNISE, headers={"Origin": SHOP})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    exposed = refused.headers["Access-Control-Expose-Headers"]
    for name in ("RateLimit", "Retry-After", "X-Request-ID", "ETag", "Deprecation"):
        assert name in exposed.split(", ")


def test_without_a_list_no_origin_gets_leave(published: Path, tmp_path: Path) -> None:
    client = create_app(Settings(published, state=tmp_path)).test_client()
    assert "Access-Control-Allow-Origin" not in ask_leave(client, SHOP).headers


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "null",
        "ftp://shop.example",
        "https://ann@shop.example",
        "https://",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(SettingsError, match="no origin"):
        Settings.from_environment({"GHOSTLENS_CORS_ORIGINS": text})
