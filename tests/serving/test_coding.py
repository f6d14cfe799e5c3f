import gzip
import json

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Accept

from serving.coding import can_shrink, from_bytes, prefers_gzip, shrink


@given(st.binary(max_size=3000))
def test_the_same_bytes_give_the_same_ones_and_come_back(data: bytes) -> None:
    plain = from_bytes(data)
    first, again = shrink(plain), shrink.__wrapped__(plain)
    assert first == again
    assert first.tag != plain.tag
    with first.open(0, first.size_bytes) as stream:
        assert gzip.decompress(stream.read()) == data


@pytest.mark.parametrize(
    ("content_type", "size_bytes", "expected"),
    [
        ("application/json", 512, True),
        ("application/json", 511, False),
        ("text/plain; charset=utf-8", 4 << 20, True),
        ("text/plain; charset=utf-8", (4 << 20) + 1, False),
        ("image/jpeg", 10_000, False),
        ("application/octet-stream", 10_000, False),
        ("application/zstd", 10_000, False),
    ],
)
def test_text_of_a_middling_length_is_worth_it(
    content_type: str, size_bytes: int, expected: bool
) -> None:
    assert can_shrink(content_type, size_bytes) == expected


@given(st.lists(st.tuples(st.sampled_from(["gzip", "identity", "br", "*"]), st.floats(0, 1))))
def test_whoever_does_not_take_gzip_does_not_get_it(accepted: list[tuple[str, float]]) -> None:
    quality = Accept(accepted)
    if prefers_gzip(quality):
        assert any(name in ("gzip", "*") and share > 0 for name, share in accepted)
        assert quality["gzip"] >= quality["identity"]


def test_answers_in_json_come_compressed_to_those_who_accept_it(client: FlaskClient) -> None:
    def ask(**headers: str) -> tuple[bytes, dict[str, str]]:
        answer = client.post(
            "/v1/models/colours/check", json={"platform": "android"}, headers=headers
        )
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        return answer.data, dict(answer.headers)

    plain, headers = ask()
    assert "Content-Encoding" not in headers
    shrunk, shrunk_headers = ask(**{"Accept-Encoding": "gzip"})
    assert shrunk_headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == shrunk_headers["Vary"] == "Accept-Encoding"
    assert json.loads(gzip.decompress(shrunk)) == json.loads(plain)
    assert len(shrunk) < len(plain) / 2
    short = client.get("/livez", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers
