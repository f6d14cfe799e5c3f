"""What a key opens, and what it does not."""

import base64
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serving.access.tokens import make_token
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.access.conftest import MakeKey

RECOGNISE = "/v1/models/colours/recognise"


def bear(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def give_password(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()}


@pytest.mark.parametrize("how", [bear, give_password, lambda token: {"X-API-Key": token}])
def test_a_key_opens_what_its_scopes_name_and_nothing_else(
    guarded: FlaskClient, make_key: MakeKey, how: object
) -> None:
    headers = how(make_key("pull"))  # type: ignore[operator]
    assert guarded.get("/v1/models", headers=headers).status_code == 200
    refused = guarded.post(RECOGNISE, headers=headers)
    assert refused.status_code == 403
    assert refused.json["type"] == "/docs#scope"
    assert refused.json["detail"] == "the key 'till' may not recognise"
    assert 'error="insufficient_scope", scope="recognise"' in refused.headers["WWW-Authenticate"]


def test_admin_opens_everything(guarded: FlaskClient, make_key: MakeKey) -> None:
    headers = bear(make_key("admin"))
    assert guarded.get("/v1/models", headers=headers).status_code == 200
    photo = make_photo(COLOURS["red"])
    answer = guarded.post(RECOGNISE, data=photo, content_type="image/jpeg", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        bear("ghl_till0000_nothing"),
        bear(make_token("till0000")),
        {"Authorization": "Bearer"},
        {"Authorization": "Digest username=ann"},
        {"X-API-Key": "secret"},
        give_password(make_token("till0000")),
    ],
)
def test_what_is_no_key_opens_nothing(guarded: FlaskClient, headers: dict[str, str]) -> None:
    answer = guarded.get("/v1/models", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ghostlens", error="invalid_token"'
    assert answer.json["type"] == "/docs#key-needed"


def test_a_wrong_key_is_told_even_where_none_is_needed(client: FlaskClient) -> None:
    assert client.get("/v1/models", headers=bear(make_token("till0000"))).status_code == 401


def test_somebody_elses_password_is_not_taken_for_a_key(client: FlaskClient) -> None:
    basic = base64.b64encode(b"ann:of the proxy").decode()
    headers = {"Authorization": f"Basic {basic}"}
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_a_key_in_the_address_is_refused_in_words_that_do_not_repeat_it(
    guarded: FlaskClient, make_key: MakeKey
) -> None:
    token = make_key("pull")
    for address in (f"/v1/models?api_key={token}", f"/v1/models/{token}", f"/nowhere/{token}"):
        answer = guarded.get(address, headers=bear(token))
        assert answer.status_code in (404, 422)
        assert token[13:] not in answer.get_data(as_text=True)


def test_a_key_of_some_models_opens_no_other(guarded: FlaskClient, make_key: MakeKey) -> None:
    own = bear(make_key("pull", models=frozenset({"colours"})))
    other = bear(make_key("pull", name="other", models=frozenset({"plums"})))
    target = guarded.get("/v1/models/colours", headers=own).json["release_url"]
    assert guarded.get(target, headers=own).status_code == 200
    for address in ("/v1/models/colours", target):
        refused = guarded.get(address, headers=other)
        assert refused.status_code == 403
        assert "'other' is not for 'colours': allowed are plums" in refused.json["detail"]
    assert guarded.get("/metadata/timestamp.json", headers=other).status_code == 200


def test_a_browser_that_shows_a_page_asks_for_the_key(guarded: FlaskClient) -> None:
    page = guarded.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 401
    assert page.headers.getlist("WWW-Authenticate") == [
        'Bearer realm="ghostlens"',
        'Basic realm="ghostlens", charset="UTF-8"',
    ]
    by_a_script = {"Accept": "text/html", "Sec-Fetch-Mode": "cors"}
    elsewhere = {"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"}
    for headers in ({"Accept": "*/*"}, {}, by_a_script, elsewhere):
        assert "Basic" not in str(guarded.get("/", headers=headers).headers)


def test_who_opens_a_page_without_its_key_reads_in_plain_words_what_to_do(
    guarded: FlaskClient, make_key: MakeKey
) -> None:
    token, lost = make_key("pull"), make_token("till0000")
    opened = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
    for key, status, said in (
        ({}, 401, "This page opens with a key."),
        (give_password(lost), 401, "no key of this server"),
        (give_password(token), 403, "one with the scope <code>admin</code>"),
    ):
        page = guarded.get("/corrections", headers=opened | key)
        text = page.get_data(as_text=True)
        assert (page.status_code, page.mimetype) == (status, "text/html")
        assert said in text and token not in text and lost not in text
        assert {"Accept", "Sec-Fetch-Mode"} <= set(page.vary)
        assert page.headers["Cache-Control"].startswith("no-store")
        for others in ({}, {"Accept": "*/*"}, {**opened, "Sec-Fetch-Mode": "cors"}):
            data = guarded.get("/corrections", headers=others | key)
            assert (data.status_code, data.mimetype) == (status, "application/problem+json")
            assert {"Accept", "Sec-Fetch-Mode"} <= set(data.vary)


def test_pictures_and_scripts_of_a_page_may_use_the_login_of_the_page(guarded: FlaskClient) -> None:
    picture = {"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "same-origin", "Accept": "image/*"}
    for headers in (picture, {"X-Login": "browser", "Sec-Fetch-Mode": "cors"}):
        assert "Basic" in str(guarded.get("/targets/1.jpg", headers=headers).headers)
    assert "Basic" in str(guarded.post(RECOGNISE, headers={"X-Login": "browser"}).headers)


def test_a_page_elsewhere_cannot_use_the_key_that_a_browser_adds_by_itself(
    guarded: FlaskClient, make_key: MakeKey
) -> None:
    token, photo = make_key("recognise"), make_photo(COLOURS["red"])

    def send(headers: dict[str, str], origin: str) -> int:
        headers = headers | {"Origin": origin}
        found = guarded.post(RECOGNISE, data=photo, content_type="image/jpeg", headers=headers)
        return found.status_code

    assert send(give_password(token), "https://evil.example") == 401
    assert send(give_password(token), "null") == 401
    assert send(give_password(token), "http://localhost") == 200
    # A page that knows the key itself could as well send it from anywhere.
    assert send(bear(token), "https://evil.example") == 200


def test_a_database_that_cannot_be_read_opens_no_door(published: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"no folder")
    settings = Settings(published, state=tmp_path / "state", public_scopes=())
    client = create_app(settings).test_client()
    answer = client.get("/v1/models", headers=bear(make_token("till0000")))
    assert answer.status_code == 503
    assert "state" not in answer.json["detail"]


def test_what_needed_a_key_is_kept_by_no_shared_cache(
    client: FlaskClient, guarded: FlaskClient, make_key: MakeKey
) -> None:
    url = client.get("/v1/models/colours").json["release_url"]
    assert "public" in client.get(url).headers["Cache-Control"]
    headers = {"X-API-Key": make_key("pull")}
    for address in (url, "/v1/models", "/metadata/timestamp.json"):
        control = guarded.get(address, headers=headers).headers["Cache-Control"]
        assert "private" in control and "public" not in control
    assert "immutable" in guarded.get(url, headers=headers).headers["Cache-Control"]
