import io
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from PIL import Image

from serving.app import create_app
from serving.corrections.store import list_some
from serving.corrections.tables import corrections
from serving.rollouts import hash_device
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.corrections.conftest import URL, make_jpeg, say, send
from training.files import sha256_bytes

Files = Callable[[], list[Path]]


def list_rows(database: Database) -> list[Any]:
    with database.read() as connection:
        return list_some(connection)


def test_a_correction_without_a_photo_is_stored(app: FlaskClient, database: Database) -> None:
    said = say(site="branch 12", note="behind the onions", photo_sha256="0" * 64)
    answer = send(app, said)
    assert answer.status_code == 201
    assert answer.json == {
        "correction_id": said["correction_id"],
        "state": "open",
        "photo": {"kept": False, "until": None, "why": "not-sent"},
    }
    (row,) = list_rows(database)
    assert (row.model, row.version) == ("colours", "1.1.0")
    assert row.device == hash_device("phone")
    assert (row.answered_label, row.answered_probability) == ("red", 0.4)
    assert (row.right_kind, row.right_label) == ("label", "green")
    assert (row.site, row.note, row.file_sha256) == ("branch 12", "behind the onions", "0" * 64)


def test_a_photo_is_kept_for_as_long_as_the_owner_says(
    app: FlaskClient, database: Database, list_files: Files
) -> None:
    photo = make_jpeg(1)
    answer = send(app, say(), photo)
    assert answer.status_code == 201
    told = answer.json["photo"]
    assert (told["kept"], told["why"]) == (True, "kept")
    left = datetime.fromisoformat(told["until"]) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=30, seconds=5)
    (file,) = list_files()
    (row,) = list_rows(database)
    assert row.file_sha256 == sha256_bytes(photo)
    assert row.kept_sha256 == sha256_bytes(file.read_bytes())
    assert str(file).endswith(row.photo_name)


def test_no_photo_is_kept_unless_the_owner_turned_that_on(
    settings: Settings, list_files: Files, database: Database
) -> None:
    app = create_app(replace(settings, keep_photos=Settings().keep_photos)).test_client()
    # It is not even decoded.
    for photo in (make_jpeg(1), b"no photo"):
        answer = send(app, say(), photo)
        assert answer.status_code == 201
        assert answer.json["photo"] == {"kept": False, "until": None, "why": "off"}
    assert list_files() == []
    assert [row.look for row in list_rows(database)] == [None, None]


def test_recognising_keeps_no_photo(app: FlaskClient, settings: Settings) -> None:
    photo = make_photo(COLOURS["red"])
    asked = app.post("/v1/models/colours/recognise", data=photo, content_type="image/jpeg")
    assert asked.status_code == 200
    found = [path for path in settings.state_folder.rglob("*") if path.is_file()]
    assert all(photo not in path.read_bytes() for path in found)
    assert not Path(settings.photos_place).exists()


def test_the_same_correction_again_counts_once(
    app: FlaskClient, database: Database, list_files: Files
) -> None:
    said, photo = say(), make_jpeg(1)
    first, second, bare = send(app, said, photo), send(app, said, photo), send(app, said)
    assert [first.status_code, second.status_code, bare.status_code] == [201, 200, 200]
    assert first.json == second.json == bare.json
    assert len(list_rows(database)) == len(list_files()) == 1


def test_another_correction_of_the_same_id_is_refused(app: FlaskClient) -> None:
    said = say()
    send(app, said)
    for other in ({"device_id": "thief"}, {"right": {"kind": "not-an-item"}}, {"note": "x"}):
        refused = send(app, said | other)
        assert (refused.status_code, refused.json["type"]) == (409, "/docs#correction")


def test_of_many_at_once_one_is_new(
    app: FlaskClient, database: Database, list_files: Files, settings: Settings
) -> None:
    said, photo = say(), make_jpeg(1)

    apps = [create_app(settings) for _ in range(8)]

    def ask(each: APIFlask) -> int:
        return int(send(each.test_client(), said, photo).status_code)

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(ask, apps))
    assert statuses == [200] * 7 + [201]
    assert len(list_rows(database)) == len(list_files()) == 1


@pytest.mark.parametrize("change", ["none", "encoded again", "smaller", "EXIF"])
def test_the_same_photo_with_the_same_label_is_a_duplicate(
    app: FlaskClient, list_files: Files, database: Database, change: str
) -> None:
    first = say()
    photo = make_jpeg(1)
    send(app, first, photo)
    image = Image.open(io.BytesIO(photo))
    exif = Image.Exif()
    exif[0x010E] = "a description"
    buffer = io.BytesIO()
    if change == "encoded again":
        image.save(buffer, "JPEG", quality=60)
    elif change == "smaller":
        image.resize((200, 150)).save(buffer, "PNG")
    elif change == "EXIF":
        image.save(buffer, "JPEG", quality="keep", exif=exif)
    again = send(app, say(), buffer.getvalue() or photo)
    assert (again.status_code, again.json["state"]) == (200, "duplicate")
    assert again.json["photo"] == {"kept": False, "until": None, "why": "duplicate"}
    assert len(list_files()) == 1
    assert list_rows(database)[0].duplicate_of == first["correction_id"]


def test_another_photo_is_none(app: FlaskClient, list_files: Files) -> None:
    states = [send(app, say(), make_jpeg(seed)).json["state"] for seed in range(1, 9)]
    assert states == ["open"] * 8
    assert len(list_files()) == 8


def test_the_same_photo_from_another_device_is_no_duplicate(app: FlaskClient) -> None:
    states = [send(app, say(device=name), make_jpeg(1)).json["state"] for name in ("a", "b")]
    assert states == ["open", "open"]


def test_without_kept_photos_the_file_tells(app: FlaskClient, settings: Settings) -> None:
    app = create_app(replace(settings, keep_photos=0)).test_client()
    photo = make_jpeg(1)
    send(app, say(), photo)
    said = say(photo_sha256=sha256_bytes(photo))
    assert send(app, said).json["state"] == "duplicate"
    assert send(app, said).status_code == 200


def test_two_labels_for_one_photo_are_a_conflict(app: FlaskClient, database: Database) -> None:
    one, two = say("green"), say("blue", device="other")
    for said in (one, two):
        assert send(app, said, make_jpeg(1)).json["state"] == "open"
    newest, oldest = list_rows(database)
    assert newest.conflict_with == one["correction_id"]
    assert oldest.conflict_with == two["correction_id"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"correction_id": "7"}, 422, "correction_id: Not a valid UUID"),
        ({"device_id": ""}, 422, "device_id"),
        ({"device_id": "\0"}, 422, "Control characters"),
        ({"note": "\ud800"}, 422, "halves of characters"),
        ({"note": "a" * 501}, 422, "note"),
        ({"scanned_at": "2026-11-30T10:00:00"}, 422, "scanned_at: Not a valid aware datetime"),
        ({"scanned_at": "1999-11-30T10:00:00Z"}, 422, "allowed are the last 400 days"),
        ({"scanned_at": "2999-11-30T10:00:00Z"}, 422, "a day ahead"),
        ({"version": "9.0.0"}, 404, "no version '9.0.0'"),
        ({"right": {"kind": "label", "name": "pink"}}, 422, "1.1.0 has no label 'pink'"),
        ({"right": {"kind": "label"}}, 422, "right.name: Needed"),
        ({"right": {"kind": "not-an-item", "name": "x"}}, 422, "right.name: Needed"),
        ({"right": {"kind": "guess", "name": "x"}}, 422, "label, other, not-an-item"),
        (
            {"answered": {"label": "pink", "verdict": "sure", "by": "device"}},
            422,
            "no label 'pink'",
        ),
        ({"answered": {"label": "red", "by": "device"}}, 422, "answered.verdict"),
        (
            {"answered": {"probability": 1.5, "verdict": "sure", "by": "cloud"}},
            422,
            "answered.probability",
        ),
        (
            {"answered": {"probability": "0.5", "verdict": "sure", "by": "cloud"}},
            422,
            "answered.probability: Not a valid number",
        ),
        ({"photo_sha256": "0" * 63}, 422, "64 lower-case hexadecimal digits"),
        ({"location": "52.5,13.4"}, 422, "location: Unknown field"),
    ],
)
def test_what_is_not_as_described_is_refused(
    app: FlaskClient, database: Database, changes: dict[str, Any], status: int, words: str
) -> None:
    refused = send(app, say() | changes)
    assert (refused.status_code, refused.mimetype) == (status, "application/problem+json")
    assert words in refused.json["detail"]
    assert list_rows(database) == []


def test_an_item_that_the_model_does_not_know_has_a_free_name(
    app: FlaskClient, database: Database
) -> None:
    said = say() | {
        "right": {"kind": "other", "name": "Drachenfrucht \N{DRAGON}"},
        "answered": {"label": None, "verdict": "unknown", "by": "cloud"},
    }
    assert send(app, said).status_code == 201
    (row,) = list_rows(database)
    assert (row.right_kind, row.right_label) == ("other", "Drachenfrucht \N{DRAGON}")
    assert row.answered_label is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"answered": {"probability": NaN}}', 400),
        (b"[]", 422),
        (b"7", 422),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 422),
    ],
)
def test_what_is_no_document_is_refused(app: FlaskClient, body: bytes, status: int) -> None:
    refused = app.post(URL, data=body, content_type="application/json")
    assert (refused.status_code, refused.mimetype) == (status, "application/problem+json")


def make_form(**fields: Any) -> dict[str, Any]:
    return {"correction": json.dumps(say())} | fields


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"photo": (io.BytesIO(b"x"), "a")}, "the field 'correction' once"),
        (make_form(extra="1"), "no other; its fields: correction, extra"),
        (make_form(photo="text"), "a file in 'photo'"),
        (make_form(correction=[json.dumps(say())] * 2), "the field 'correction' once"),
        (make_form(photo=(io.BytesIO(b""), "a")), "the photo has no bytes"),
        (make_form(photo=(io.BytesIO(b"GIF8"), "a")), "not a photo"),
        (
            make_form(
                correction=json.dumps(say(photo_sha256="0" * 64)), photo=(io.BytesIO(b"x"), "a")
            ),
            "photo_sha256: the photo that was sent has another one",
        ),
    ],
)
def test_a_form_that_is_not_as_described_is_refused(
    app: FlaskClient, list_files: Files, form: dict[str, Any], words: str
) -> None:
    refused = app.post(URL, data=form, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert words in refused.json["detail"]
    assert list_files() == []


def test_another_type_of_body_is_refused(app: FlaskClient) -> None:
    assert app.post(URL, data=b"x", content_type="image/jpeg").status_code == 415
    coded = app.post(URL, json=say(), headers={"Content-Encoding": "gzip"})
    assert coded.status_code == 415


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(
    app: FlaskClient, list_files: Files, database: Database
) -> None:
    buffer = io.BytesIO()
    Image.new("1", (9_000, 6_000)).save(buffer, "PNG")
    refused = send(app, say(), buffer.getvalue())
    assert (refused.status_code, refused.json["type"]) == (422, "/docs#photo")
    assert list_files() == list_rows(database) == []


def test_a_correction_needs_the_scope_report(app: FlaskClient) -> None:
    remote = {"REMOTE_ADDR": "203.0.113.9"}
    assert app.post(URL, json=say(), environ_base=remote).status_code == 401


def test_a_key_makes_a_request_that_is_sent_again_harmless(app: FlaskClient) -> None:
    headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    said = say()
    first, second = (app.post(URL, json=said, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert app.post(URL, json=say(), headers=headers).status_code == 422


def test_no_id_of_a_device_stands_in_the_state(app: FlaskClient, settings: Settings) -> None:
    send(app, say(device="serial-4711-of-anna"), make_jpeg(1))
    for path in settings.state_folder.rglob("*"):
        assert not path.is_file() or b"serial-4711" not in path.read_bytes()
    assert "device_id" not in corrections.c
