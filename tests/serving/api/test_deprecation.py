import re

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from serving.api import deprecation
from serving.api.deprecation import Deprecation, deprecated

CHECK = "/v1/models/colours/check"


@pytest.fixture(scope="module")
def old() -> FlaskClient:
    """A client of an app with an operation and a parameter that go."""
    app = APIFlask(__name__)
    app.after_request(deprecation.add_headers)

    @app.get("/old")
    @deprecated(Deprecation("2026-01-01", "2027-06-30", "/new does the same"))
    def show_old() -> str:
        return "old"

    @app.get("/new")
    @deprecated(
        Deprecation("2026-03-01", "2027-01-01", "`side` says the same", parameter="px"),
        Deprecation("2026-02-01", "2028-01-01", "none is needed", parameter="unit"),
    )
    def show_new() -> str:
        return "new"

    return app.test_client()


@pytest.mark.parametrize(
    ("address", "since", "sunset", "links"),
    [
        ("/old", "@1767225600", "Wed, 30 Jun 2027 00:00:00 GMT", ["operation"]),
        ("/new?px=3", "@1772323200", "Fri, 01 Jan 2027 00:00:00 GMT", ["px"]),
        ("/new?px=3&unit=px", "@1769904000", "Fri, 01 Jan 2027 00:00:00 GMT", ["px", "unit"]),
        ("/new", None, None, []),
        ("/nowhere", None, None, []),
    ],
)
def test_whoever_uses_what_goes_is_told_since_when_and_until_when(
    old: FlaskClient, address: str, since: str | None, sunset: str | None, links: list[str]
) -> None:
    headers = old.get(address).headers
    assert headers.get("Deprecation") == since
    assert headers.get("Sunset") == sunset
    expected = [
        f'</docs#deprecated-{name}>; rel="{relation}"; type="text/html"'
        for name in links
        for relation in ("deprecation", "sunset")
    ]
    assert headers.getlist("Link") == expected


def test_a_sunset_before_the_deprecation_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-01-01 is before 2026-01-02"):
        Deprecation("2026-01-02", "2026-01-01", "")
    with pytest.raises(ValueError, match="does not match"):
        Deprecation("soon", "2026-01-01", "")


def test_a_member_that_goes_is_told_to_those_who_send_it_and_in_the_document(
    client: FlaskClient,
) -> None:
    for body, is_told in [
        ({"platform": "web", "current_version": "1.0.0"}, True),
        ({"platform": "web", "current": {"version": "1.0.0"}}, False),
        (["current_version"], False),
    ]:
        assert ("Deprecation" in client.post(CHECK, json=body).headers) == is_told
    spec, page = client.get("/openapi.json").json, client.get("/docs").text
    members = spec["components"]["schemas"]["CheckRequest"]["properties"]
    assert [name for name, form in members.items() if form.get("deprecated")] == ["current_version"]
    link = client.post(CHECK, json={"platform": "web", "current_version": "1.0.0"}).headers["Link"]
    anchor = re.findall(r"</docs#([^>]+)>", link)[0]
    assert f'id="{anchor}"' in page
    assert "may be gone from 2027-11-30 on" in page
