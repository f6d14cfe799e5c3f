import base64
import gzip
import hashlib
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serving.api.sending import STALL_S
from serving.app import create_app
from serving.settings import Settings
from tests.serving.s3_server import BUCKET

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(params=["folder", "s3"])
def client(
    request: pytest.FixtureRequest, published: Path, tmp_path: Path, s3_credentials: None
) -> FlaskClient:
    place: Path | str = published
    if request.param == "s3":
        place = request.getfixturevalue("published_s3")
    return create_app(Settings(place, state=tmp_path)).test_client()


@pytest.fixture
def stored(published: Path) -> Path:
    return next((published / "targets/colours/1.0.0/artifacts").glob("*.tflite"))


@pytest.fixture
def url(published: Path, stored: Path) -> str:
    return "/" + stored.relative_to(published).as_posix()


def test_a_file_comes_with_its_hash_and_may_be_kept_for_good(
    client: FlaskClient, url: str, stored: Path
) -> None:
    response = client.get(url)
    digest = hashlib.sha256(stored.read_bytes())
    assert response.data == stored.read_bytes()
    assert response.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert response.headers["Cache-Control"] == IMMUTABLE
    expected = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert response.headers["Repr-Digest"] == expected
    assert response.headers["Accept-Ranges"] == "bytes"
    assert int(response.headers["Content-Length"]) == len(response.data)


def test_only_the_timestamp_is_asked_for_again(client: FlaskClient) -> None:
    timestamp = client.get("/metadata/timestamp.json")
    assert timestamp.headers["Cache-Control"] == "no-cache"
    etag = timestamp.headers["ETag"]
    again = client.get("/metadata/timestamp.json", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    for name in ("1.root.json", "1.targets.json", "2.colours.json", "2.snapshot.json"):
        assert client.get(f"/metadata/{name}").headers["Cache-Control"] == IMMUTABLE


@pytest.mark.parametrize(
    "name", ["2.root.json", "9.targets.json", "root.json", "01.root.json", "x", "..%2Fkeys"]
)
def test_other_metadata_are_not_found(client: FlaskClient, name: str) -> None:
    response = client.get(f"/metadata/{name}")
    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"


def test_a_known_etag_is_answered_without_a_body(client: FlaskClient, url: str) -> None:
    etag = client.get(url).headers["ETag"]
    for condition in (etag, "*", f'"other", W/{etag}'):
        response = client.get(url, headers={"If-None-Match": condition, "Range": "bytes=0-3"})
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-7", -7, None), ("bytes=5-5", 5, 6)],
)
def test_a_range_gives_that_part_of_the_whole(
    client: FlaskClient, url: str, stored: Path, wanted: str, start: int, stop: int | None
) -> None:
    whole = stored.read_bytes()
    response = client.get(url, headers={"Range": wanted})
    assert response.status_code == 206
    assert response.data == whole[start:stop]
    first = start % len(whole)
    last = first + len(response.data) - 1
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    assert response.headers["Repr-Digest"] == client.get(url).headers["Repr-Digest"]


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "bytes=x", "pages=1-2", "bytes=5-1"])
def test_a_range_that_is_not_taken_gives_the_whole(
    client: FlaskClient, url: str, stored: Path, wanted: str
) -> None:
    response = client.get(url, headers={"Range": wanted})
    assert (response.status_code, response.data) == (200, stored.read_bytes())


def test_a_range_behind_the_end_is_refused_with_the_length(
    client: FlaskClient, url: str, stored: Path
) -> None:
    size_bytes = stored.stat().st_size
    response = client.get(url, headers={"Range": f"bytes={size_bytes}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{size_bytes}"
    assert response.mimetype == "application/problem+json"


def test_if_range_gives_a_part_only_of_the_same_content(client: FlaskClient, url: str) -> None:
    etag = client.get(url).headers["ETag"]
    for condition, status in [
        (etag, 206),
        ('"other"', 200),
        (f"W/{etag}", 200),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 200),
    ]:
        headers = {"Range": "bytes=0-3", "If-Range": condition}
        assert client.get(url, headers=headers).status_code == status, condition


def test_if_match_with_another_hash_fails(client: FlaskClient, url: str) -> None:
    assert client.get(url, headers={"If-Match": '"other"'}).status_code == 412


def read_headers(response: TestResponse) -> dict[str, str]:
    """Returns all headers but the one that is another with each answer."""
    return {name: text for name, text in response.headers.items() if name != "X-Request-ID"}


def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient, url: str) -> None:
    got, head = client.get(url), client.head(url, headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.data) == (200, b"")
    assert read_headers(head) == read_headers(got)


def test_a_file_can_do_nothing_in_a_browser(client: FlaskClient, url: str) -> None:
    response = client.get(url)
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture(params=["metadata", "manifest"])
def text_url(request: pytest.FixtureRequest, published: Path) -> str:
    """The address of a JSON file."""
    if request.param == "metadata":
        return "/metadata/2.colours.json"
    [path] = (published / "targets/colours/1.0.0").glob("*.manifest.json")
    return "/" + path.relative_to(published).as_posix()


def test_text_comes_compressed_to_those_who_accept_it(client: FlaskClient, text_url: str) -> None:
    plain = client.get(text_url)
    assert "Content-Encoding" not in plain.headers
    got = client.get(text_url, headers={"Accept-Encoding": "br, gzip"})
    assert got.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(got.data) == plain.data
    assert len(got.data) < len(plain.data) / 2
    assert int(got.headers["Content-Length"]) == len(got.data)
    digest = base64.b64encode(hashlib.sha256(got.data).digest()).decode()
    assert got.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert plain.headers["Vary"] == got.headers["Vary"] == "Accept-Encoding"
    assert got.headers["ETag"] != plain.headers["ETag"]
    assert got.headers["Cache-Control"] == plain.headers["Cache-Control"]
    head = client.head(text_url, headers={"Accept-Encoding": "gzip"})
    assert read_headers(head) == read_headers(got)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0.5, *;q=0.1", "gzip"),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0", None),
        ("br, zstd", None),
        ("identity", None),
        ("", None),
    ],
)
def test_the_coding_is_what_the_client_likes_best(
    client: FlaskClient, accepted: str, coding: str | None
) -> None:
    got = client.get("/metadata/2.colours.json", headers={"Accept-Encoding": accepted})
    assert got.headers.get("Content-Encoding") == coding


def test_each_coding_is_known_by_its_own_tag(client: FlaskClient, text_url: str) -> None:
    tags = {
        coding: client.get(text_url, headers={"Accept-Encoding": coding}).headers["ETag"]
        for coding in ("identity", "gzip")
    }
    for coding in tags:
        for known, tag in tags.items():
            headers = {"Accept-Encoding": coding, "If-None-Match": tag}
            again = client.get(text_url, headers=headers)
            assert again.status_code == (304 if known == coding else 200)
            assert again.headers["Vary"] == "Accept-Encoding"


def test_a_part_is_always_of_the_bytes_as_they_are(client: FlaskClient, text_url: str) -> None:
    plain = client.get(text_url)
    headers = {"Accept-Encoding": "gzip", "Range": "bytes=10-19"}
    part = client.get(text_url, headers=headers)
    assert (part.status_code, part.data) == (206, plain.data[10:20])
    assert part.headers["ETag"] == plain.headers["ETag"]
    assert part.headers["Vary"] == "Accept-Encoding"
    shrunk = client.get(text_url, headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    whole = client.get(text_url, headers={**headers, "If-Range": shrunk})
    assert (whole.status_code, whole.data) == (200, plain.data)


def test_weights_are_sent_as_they_are(client: FlaskClient, url: str, stored: Path) -> None:
    got = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert got.data == stored.read_bytes()
    assert "Vary" not in got.headers and "Content-Encoding" not in got.headers


def test_a_client_that_takes_nothing_does_not_hold_its_thread_for_ever(
    client: FlaskClient, url: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client.get(url, environ_overrides={"gunicorn.socket": ours})
        assert ours.gettimeout() == STALL_S


def test_files_that_others_serve_are_looked_for_there(
    published: Path, published_s3: str, url: str, stored: Path, tmp_path: Path
) -> None:
    elsewhere = published_s3.replace(f"s3://{BUCKET}/", "").replace("?endpoint=", " ").split()
    files_url = f"{elsewhere[1]}/{BUCKET}/{elsewhere[0]}/targets"
    settings = Settings(published, state=tmp_path, files_url=f"{files_url}/")
    client = create_app(settings).test_client()
    moved = client.get(url)
    assert moved.status_code == 307
    assert moved.headers["Location"] == f"{files_url}{url.removeprefix('/targets')}"
    with urlopen(moved.headers["Location"]) as answer:
        assert answer.read() == stored.read_bytes()
    check = client.post("/v1/models/colours/check", json={"platform": "android"}).json
    for file in [check["manifest"], *check["files"]]:
        assert file["url"].startswith(f"{files_url}/colours/")
    assert client.get("/targets/../keys").status_code == 404
    assert client.get("/metadata/timestamp.json").status_code == 200
