import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serving.app import create_app
from serving.observing import request_id
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo

URL = "/v1/models/colours/recognise"


@pytest.mark.parametrize(
    "sent", ["a", "0f8c2b1e-5d1c-4d5e-9d1e-3f7a5b6c7d8e", "Root=1-67891233:abc/def+x._", "x" * 128]
)
def test_a_well_formed_id_is_kept_in_the_answer(client: FlaskClient, sent: str) -> None:
    response = client.get("/livez", headers={"X-Request-ID": sent})
    assert response.headers.getlist("X-Request-ID") == [sent]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x" * 129,
        "two words",
        "a\nb",
        "a\r\nSet-Cookie: b",
        "\x1b[31mred",
        'a"}\n{"level":"error"',
        "a,b",
        "é",
        "\u0661",
        "abc\n",
    ],
)
def test_an_attackers_id_reaches_neither_answer_nor_log(client: FlaskClient, sent: str) -> None:
    response = client.get("/livez", environ_overrides={"HTTP_X_REQUEST_ID": sent})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_each_request_gets_an_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get("/livez").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert request_id() == ""


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", "/nowhere"), ("PUT", "/livez"), ("POST", URL), ("GET", "/v2/models/x")],
)
def test_a_problem_names_the_id_that_its_answer_has(
    client: FlaskClient, method: str, url: str
) -> None:
    response = client.open(url, method=method, headers={"X-Request-ID": "mine"})
    assert response.status_code >= 400
    assert response.json is not None
    assert response.json["request_id"] == response.headers["X-Request-ID"] == "mine"


def test_a_fault_of_the_server_names_it_too(published: Path) -> None:
    app = create_app(Settings(published))

    @app.get("/broken")
    def fail() -> str:
        raise ZeroDivisionError("broken")

    response = app.test_client().get("/broken", headers={"X-Request-ID": "mine"})
    assert response.status_code == 500
    assert response.json is not None
    assert response.json["request_id"] == "mine"


def test_an_answer_has_one_as_well(client: FlaskClient) -> None:
    photo = make_photo(COLOURS["red"])
    response = client.post(URL, data=photo, content_type="image/jpeg")
    assert response.status_code == 200
    assert response.headers["X-Request-ID"]
