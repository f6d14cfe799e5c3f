import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask import request
from sqlalchemy import func, select, update

from serving import idempotency
from serving.app import create_app
from serving.context import get_database, get_settings
from serving.errors import RequestError
from serving.idempotency import HEADER, KEEP_MS, REPLAYED, answers, idempotent
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo

KEY = {HEADER: '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
PATH = "/do"


class Work:
    """A view that counts, and does what a test wants."""

    def __init__(self) -> None:
        self.times = 0
        self.do: Callable[[], Any] = lambda: ({"times": self.times}, 201, {"Location": "/done"})

    def __call__(self) -> Any:
        self.times += 1
        return self.do()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def app(tmp_path: Path, work: Work) -> APIFlask:
    app = create_app(Settings(tmp_path / "none", state=tmp_path / "state"))
    view = idempotent(lambda: work())
    app.add_url_rule(PATH, "do", view, methods=["POST"])
    app.add_url_rule("/other", "other", view, methods=["POST"])
    return app


def test_a_request_that_is_sent_again_is_done_once_and_answered_alike(
    app: APIFlask, work: Work
) -> None:
    client = app.test_client()
    first, second = (client.post(PATH, json={"a": 1}, headers=KEY) for _ in range(2))
    assert (first.status_code, first.json, work.times) == (201, {"times": 1}, 1)
    assert (second.status_code, second.data) == (first.status_code, first.data)
    assert second.headers["Location"] == first.headers["Location"]
    assert REPLAYED not in first.headers
    assert second.headers[REPLAYED] == "true"
    # Another process sees it too.
    other = create_app(Settings(Path("none"), state=get_state(app)))
    other.add_url_rule(PATH, "do", idempotent(lambda: work()), methods=["POST"])
    assert other.test_client().post(PATH, json={"a": 1}, headers=KEY).json == {"times": 1}


def get_state(app: APIFlask) -> Path:
    with app.app_context():
        return get_settings().state_folder


def test_without_a_key_each_request_is_done(app: APIFlask, work: Work) -> None:
    for _ in range(2):
        app.test_client().post(PATH, json={"a": 1})
    assert work.times == 2


@pytest.mark.parametrize(
    "other", [{"json": {"a": 2}}, {"json": {"a": 1}, "query_string": "b=1"}, {"data": b'{"a": 1}'}]
)
def test_the_key_of_another_request_is_refused(
    app: APIFlask, work: Work, other: dict[str, Any]
) -> None:
    client = app.test_client()
    client.post(PATH, json={"a": 1}, headers=KEY)
    refused = client.post(PATH, headers=KEY, **other)
    assert (refused.status_code, refused.json["type"]) == (422, "/docs#idempotency")
    assert "allowed is a new key" in refused.json["detail"]
    assert work.times == 1
    # Keys of another address are others.
    assert client.post("/other", headers=KEY, **other).status_code == 201


@pytest.mark.parametrize(
    "key", ["", '""', '"a', '"a" b', "a b", "é", '"' + "a" * 256 + '"', "a" * 256]
)
def test_what_is_no_key_is_refused(app: APIFlask, work: Work, key: str) -> None:
    refused = app.test_client().post(PATH, headers={HEADER: key.encode().decode("latin-1")})
    assert (refused.status_code, refused.json["type"]) == (422, "/docs#request")
    assert work.times == 0


def test_a_form_is_the_same_whatever_its_boundary(app: APIFlask, work: Work) -> None:
    client = app.test_client()
    read = []

    def keep_photo() -> Any:
        read.append(request.files["photo"].read())
        return {}, 201

    work.do = keep_photo
    photo = make_photo(COLOURS["red"])

    def send(boundary: str, photo: bytes, note: str) -> int:
        fields = f'--{boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\n{note}\r\n'
        file = f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        body = fields.encode() + file.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return client.post(PATH, data=body, content_type=kind, headers=KEY).status_code

    assert [send("one", photo, "a"), send("two", photo, "a")] == [201, 201]
    assert [send("one", photo + b"x", "a"), send("one", photo, "b")] == [422, 422]
    assert read == [photo]


def test_while_the_first_runs_others_are_told_so_and_then_get_its_answer(
    app: APIFlask, work: Work
) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait() -> Any:
        started.set()
        assert go_on.wait(60)
        return {"done": True}

    work.do = wait
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: app.test_client().post(PATH, headers=KEY))
        assert started.wait(60)
        early = app.test_client().post(PATH, headers=KEY)
        go_on.set()
        assert first.result().json == {"done": True}
    assert (early.status_code, early.json["type"]) == (409, "/docs#running")
    assert early.headers["Retry-After"] == "1"
    assert app.test_client().post(PATH, headers=KEY).json == {"done": True}
    assert work.times == 1


def test_of_many_at_once_one_is_done(app: APIFlask, work: Work) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: app.test_client().post(PATH, headers=KEY), range(40)))
    assert work.times == 1
    assert {answer.status_code for answer in found} <= {201, 409}
    assert {answer.json["times"] for answer in found if answer.status_code == 201} == {1}


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_failure_is_not_remembered(app: APIFlask, work: Work, status: int) -> None:
    good = work.do
    work.do = lambda: ({}, status)
    assert app.test_client().post(PATH, headers=KEY).status_code == status

    def refuse() -> Any:
        raise RequestError("no")

    work.do = refuse
    assert app.test_client().post(PATH, headers=KEY).status_code == 422
    work.do = good
    # Nothing was done under the key: it is free for another body.
    assert app.test_client().post(PATH, json={}, headers=KEY).json == {"times": 3}


def test_a_key_whose_process_was_killed_is_free_after_its_lease(app: APIFlask, work: Work) -> None:
    class KillError(BaseException):
        pass

    def die() -> Any:
        raise KillError

    good, work.do = work.do, die
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idempotency._Memory, "forget", lambda _: None)  # a kill gives nothing back
        with pytest.raises(KillError):
            app.test_client().post(PATH, headers=KEY)
    work.do = good
    assert app.test_client().post(PATH, headers=KEY).status_code == 409
    age(app, idempotency.LEASE_MS)
    assert app.test_client().post(PATH, headers=KEY).json == {"times": 2}


def age(app: APIFlask, by_ms: int) -> None:
    with app.app_context(), get_database().write() as connection:
        connection.execute(update(answers).values(until_ms=answers.c.until_ms - by_ms - 1000))


def test_answers_are_forgotten_after_a_day(app: APIFlask, work: Work) -> None:
    client = app.test_client()
    for number in range(5):
        client.post(PATH, headers={HEADER: f"key-{number}"})
    age(app, KEEP_MS)
    assert client.post(PATH, json={}, headers={HEADER: "key-0"}).json == {"times": 6}
    with app.app_context(), get_database().read() as connection:
        assert connection.execute(select(func.count()).select_from(answers)).scalar() == 1
