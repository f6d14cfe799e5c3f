import base64
import gzip
import hashlib
import io

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from serving.api.digests import (
    ALGORITHMS,
    choose_algorithm,
    digest,
    format_digest,
    read_digests,
)
from serving.errors import DigestError
from tests.mobile_assets.builds import COLOURS, make_photo

RED = make_photo(COLOURS["red"])
RECOGNISE = "/v1/models/colours/recognise"
CHECK = "/v1/models/colours/check"
JPEG = {"Content-Type": "image/jpeg"}


def state(data: bytes, algorithm: str = "sha-256") -> str:
    return format_digest(algorithm, digest(algorithm, data))


@given(st.binary(max_size=100), st.sampled_from(ALGORITHMS))
def test_what_is_written_is_read(data: bytes, algorithm: str) -> None:
    assert read_digests("Repr-Digest", state(data, algorithm)) == {
        algorithm: hashlib.new(algorithm.replace("-", ""), data).digest()
    }


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert set(read_digests("Content-Digest", text)) <= set(ALGORITHMS)
    except DigestError as error:
        assert "Content-Digest" in str(error)
    assert choose_algorithm(text) in (*ALGORITHMS, None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, "sha-256"),
        ("sha-512=3, sha-256=10", "sha-256"),
        ("sha-512=10, sha-256=3, unixsum=9", "sha-512"),
        ("sha-512=5;x=1", "sha-512"),
        ("sha-256=0", None),
        ("sha-256=0, sha-512=1", "sha-512"),
        ("md5=10", None),
        ("sha-512=11", "sha-256"),
        ("", "sha-256"),
        ("sha-512", "sha-256"),
    ],
)
def test_the_algorithm_is_what_the_client_likes_best(
    wanted: str | None, expected: str | None
) -> None:
    assert choose_algorithm(wanted) == expected


@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_body_that_changed_on_its_way_is_refused_with_both_hashes(
    client: FlaskClient, field: str, algorithm: str
) -> None:
    headers = {field: state(RED, algorithm), **JPEG}
    assert client.post(RECOGNISE, data=RED, headers=headers).status_code == 200
    harmed = RED[:-1] + b"x"
    response = client.post(RECOGNISE, data=harmed, headers=headers)
    assert (response.status_code, response.json["type"]) == (400, "/docs#digest")
    assert state(RED, algorithm) in response.json["detail"]
    assert state(harmed, algorithm) in response.json["detail"]


def test_every_kind_of_body_is_compared(client: FlaskClient) -> None:
    body = b'{"platform": "web"}'
    form = {"data": {"photo": (io.BytesIO(RED), "a.jpg")}, "content_type": "multipart/form-data"}
    infer = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    for url, good in [
        (CHECK, {"data": body, "headers": {"Content-Type": "application/json"}}),
        ("/v2/models/colours/infer", {"data": RED, "headers": infer}),
    ]:
        for stated, status in [(good["data"], 200), (b"other", 400)]:
            headers = {**good["headers"], "Content-Digest": state(stated)}
            assert client.post(url, data=good["data"], headers=headers).status_code == status
    wrong = client.post(RECOGNISE, headers={"Content-Digest": state(b"other")}, **form)
    assert (wrong.status_code, wrong.json["type"]) == (400, "/docs#digest")


def test_a_compressed_body_is_compared_as_it_is_sent(client: FlaskClient) -> None:
    body = gzip.compress(RED, mtime=0)
    for stated, status in [(body, 200), (RED, 400)]:
        headers = {"Content-Encoding": "gzip", "Content-Digest": state(stated), **JPEG}
        assert client.post(RECOGNISE, data=body, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("field", "status", "words"),
    [
        ("md5=:" + base64.b64encode(b"0" * 16).decode() + ":", 200, ""),
        ("md5=:AAAA:, " + state(RED), 200, ""),
        (state(RED) + ";note=1", 200, ""),
        (state(RED) + ", " + state(b"x", "sha-512"), 400, "sha-512=:"),
        ("sha-256=:AAAA:", 400, "has 32 bytes: given are 3"),
        ("sha-256=:A:", 400, "no base64"),
        ("sha-256", 400, "allowed is a list"),
        (hashlib.sha256(RED).hexdigest(), 400, "allowed is a list"),
    ],
)
def test_unknown_algorithms_mean_nothing_and_malformed_fields_are_told(
    client: FlaskClient, field: str, status: int, words: str
) -> None:
    response = client.post(RECOGNISE, data=RED, headers={"Content-Digest": field, **JPEG})
    assert response.status_code == status
    assert words in response.text


def test_an_answer_comes_with_the_digests_that_were_asked_for(client: FlaskClient) -> None:
    for headers, algorithm in [
        ({}, None),
        ({"Want-Content-Digest": "sha-256=1"}, "sha-256"),
        ({"Want-Content-Digest": "sha-512=1", "Accept-Encoding": "gzip"}, "sha-512"),
        ({"Want-Content-Digest": "md5=1"}, None),
    ]:
        found = client.post(CHECK, json={"platform": "android"}, headers=headers)
        expected = algorithm and state(found.data, algorithm)
        assert found.headers.get("Content-Digest") == expected
        assert ("Content-Encoding" in found.headers) == ("Accept-Encoding" in headers)
    head = client.head("/v1/models", headers={"Want-Content-Digest": "sha-256=1"})
    assert "Content-Digest" not in head.headers


def test_a_file_comes_without_its_hash_to_those_who_want_none_or_another(
    client: FlaskClient,
) -> None:
    url = "/metadata/timestamp.json"
    data = client.get(url).data
    for wanted, given_digest in [
        ("sha-256=1", True),
        ("sha-512=10, sha-256=1", True),
        ("sha-256=0", False),
        ("sha-512=1", False),
    ]:
        found = client.get(url, headers={"Want-Repr-Digest": wanted}).headers.get("Repr-Digest")
        assert found == (state(data) if given_digest else None)
