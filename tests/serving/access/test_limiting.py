"""How often is allowed, what counts, and how somebody may try to be counted as many."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from serving.access.counters import Counters
from serving.access.keys import Wish, create_key
from serving.access.limiting import find_network
from serving.access.rates import ADDRESS_LIMITS, KEY_LIMITS, read_limits
from serving.access.tokens import make_token
from serving.app import create_app
from serving.context import get_database
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo

RECOGNISE = "/v1/models/colours/recognise"
PHOTO = make_photo(COLOURS["red"])


def make_app(published: Path, state: Path, **settings: object) -> FlaskClient:
    limits = {
        "key_limits": read_limits("pull=3/minute", KEY_LIMITS),
        "address_limits": read_limits("pull=2/minute, refused=2/minute", ADDRESS_LIMITS),
    }
    given = {"public_scopes": ("pull",), "state": state} | limits | settings
    return create_app(Settings(published, **given)).test_client()  # type: ignore[arg-type]


def make_key(client: FlaskClient, name: str = "till", **wish: object) -> dict[str, str]:
    with client.application.app_context():
        scopes = frozenset({"pull", "recognise"})
        token = create_key(get_database(), Wish(name, scopes, **wish), "ann", 1_000)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def limited(published: Path, tmp_path: Path) -> FlaskClient:
    return make_app(published, tmp_path / "state")


def pull(client: FlaskClient, address: str = "192.0.2.7", **headers: str) -> TestResponse:
    return client.get("/v1/models", headers=headers, environ_overrides={"REMOTE_ADDR": address})


def recognise(client: FlaskClient, headers: dict[str, str], photo: bytes = PHOTO) -> TestResponse:
    return client.post(RECOGNISE, data=photo, content_type="image/jpeg", headers=headers)


def test_each_key_and_each_address_without_one_has_a_limit_of_its_own(
    limited: FlaskClient,
) -> None:
    first, second = make_key(limited), make_key(limited, "other")
    assert [pull(limited, **first).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert pull(limited, **second).status_code == 200
    assert [pull(limited).status_code for _ in range(3)] == [200, 200, 429]
    assert pull(limited, "192.0.2.8").status_code == 200


def test_answers_say_what_the_limit_is_and_when_to_ask_again(limited: FlaskClient) -> None:
    assert pull(limited).headers["RateLimit-Policy"] == '"pull";q=2;w=60'
    second = pull(limited).headers["RateLimit"]
    assert second.startswith('"pull";r=0;t=') and 0 < int(second.rpartition("=")[2]) <= 60
    refused = pull(limited)
    assert refused.json["type"] == "/docs#quota-exceeded"
    assert refused.json["detail"] == "too many: allowed are 2 requests (pull) in 60 s"
    assert refused.headers["RateLimit"].startswith('"pull";r=0;t=')
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "RateLimit" not in limited.get("/livez").headers


def test_several_apps_count_together(published: Path, tmp_path: Path) -> None:
    apps = [make_app(published, tmp_path / "state") for _ in range(2)]
    assert [pull(apps[number % 2]).status_code for number in range(3)] == [200, 200, 429]


def test_a_whole_network_of_ipv6_is_one_client(limited: FlaskClient) -> None:
    addresses = [f"2001:db8:1:2::{number}" for number in range(3)]
    assert [pull(limited, address).status_code for address in addresses] == [200, 200, 429]
    assert pull(limited, "2001:db8:1:3::1").status_code == 200


def test_an_address_in_another_spelling_is_the_same_client() -> None:
    assert find_network("::ffff:192.0.2.7") == find_network("192.0.2.7") == "192.0.2.7"
    assert find_network("2001:DB8::1") == find_network("2001:db8:0:0:1::") == "2001:db8::/64"
    assert find_network("") == "unknown"


def test_a_header_makes_nobody_another_client(published: Path, tmp_path: Path) -> None:
    client = make_app(published, tmp_path / "state", proxies=1)

    def ask(forwarded: str) -> int:
        return pull(client, "127.0.0.1", **{"X-Forwarded-For": forwarded}).status_code

    # The proxy adds the last one; what stands before came from the client.
    spoofed = [f"198.51.100.{number}, 192.0.2.7" for number in range(3)]
    assert [ask(forwarded) for forwarded in spoofed] == [200, 200, 429]
    assert ask("192.0.2.8") == 200


def test_who_tries_keys_is_slowed_and_who_has_one_is_not(limited: FlaskClient) -> None:
    wrong = {"Authorization": f"Bearer {make_token('till0000')}"}
    assert [pull(limited, **wrong).status_code for _ in range(4)] == [401, 401, 429, 429]
    assert pull(limited, **make_key(limited)).status_code == 200


def test_at_this_machine_nothing_is_limited(published: Path, tmp_path: Path) -> None:
    client = make_app(published, tmp_path / "state", public_scopes=None)
    assert {pull(client, "127.0.0.1").status_code for _ in range(9)} == {200}


def test_a_key_has_so_many_photos_a_day(limited: FlaskClient) -> None:
    headers = make_key(limited, photos_a_day=2)
    answers = [recognise(limited, headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert '"photos";q=2;w=86400' in answers[0].headers["RateLimit-Policy"]
    assert '"photos";r=1;t=86400' in answers[0].headers["RateLimit"]
    assert answers[2].json["detail"] == "too many: allowed are 2 photos recognised in 86400 s"
    assert recognise(limited, make_key(limited, "other")).status_code == 200


def test_what_was_not_recognised_eats_no_quota(limited: FlaskClient) -> None:
    headers = make_key(limited, photos_a_day=1)
    for photo, status in ((b"no photo", 422), (b"", 422), (b"no photo", 422), (PHOTO, 200)):
        assert recognise(limited, headers, photo).status_code == status
    assert recognise(limited, headers).status_code == 429


def test_each_photo_of_a_request_counts(limited: FlaskClient) -> None:
    headers = make_key(limited, photos_a_day=4)
    image = {"name": "image", "datatype": "UINT8", "shape": [3, 32, 32, 3]}
    answer = None
    for status in (200, 200, 429):
        data = {"inputs": [image | {"data": [7] * (3 * 32 * 32 * 3)}]}
        answer = limited.post("/v2/models/colours/infer", json=data, headers=headers)
        assert answer.status_code == status, answer.json
    assert answer is not None and answer.json["error"] == answer.json["detail"]


def test_counts_that_cannot_be_kept_limit_nobody(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(published, tmp_path / "state")
    headers = make_key(client, photos_a_day=1)
    asked = []

    def fail(*_: object) -> None:
        asked.append(1)
        raise OSError("no space left on device")

    monkeypatch.setattr(Counters, "_open", fail)
    assert {recognise(client, headers).status_code for _ in range(3)} == {200}
    assert len(asked) == 1  # and is not tried again for a second
