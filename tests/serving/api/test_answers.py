import gzip
import json

import pytest
from flask.testing import FlaskClient

MODELS = "/v1/models/colours"


@pytest.mark.parametrize("address", ["/v1/models", MODELS, f"{MODELS}/versions/1.0.0", "/v2"])
def test_what_was_read_before_is_not_sent_again(client: FlaskClient, address: str) -> None:
    first = client.get(address)
    tag = first.headers["ETag"]
    for condition in (tag, "*", f'"other", W/{tag}'):
        again = client.get(address, headers={"If-None-Match": condition})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == tag
        assert "Content-Type" not in again.headers
    assert client.get(address, headers={"If-None-Match": '"other"'}).data == first.data
    assert client.head(address).headers["ETag"] == tag


def test_each_coding_has_a_tag_of_its_own(client: FlaskClient) -> None:
    plain, shrunk = (
        client.get(MODELS, headers={"Accept-Encoding": coding}) for coding in ("identity", "gzip")
    )
    assert gzip.decompress(shrunk.data) == plain.data
    assert shrunk.headers["ETag"] != plain.headers["ETag"]
    headers = {"Accept-Encoding": "gzip", "If-None-Match": shrunk.headers["ETag"]}
    again = client.get(MODELS, headers=headers)
    assert (again.status_code, again.headers["Vary"]) == (304, "Accept-Encoding")


def test_if_match_of_other_content_is_a_problem(client: FlaskClient) -> None:
    tag = client.get(MODELS).headers["ETag"]
    assert client.get(MODELS, headers={"If-Match": tag}).status_code == 200
    response = client.get(MODELS, headers={"If-Match": '"other"'})
    assert (response.status_code, response.mimetype) == (412, "application/problem+json")
    assert tag in response.json["detail"]


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/v2/health/ready", "/v1/models/plums"])
def test_what_holds_for_the_moment_has_no_tag(client: FlaskClient, address: str) -> None:
    response = client.get(address, headers={"If-None-Match": "*"})
    assert "ETag" not in response.headers
    assert json.loads(response.data)
