"""Photos end when they should, and no sooner."""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from serving.app import create_app
from serving.corrections.keeping import UNNAMED_MS, KeptPhotos, sweep_repeatedly
from serving.corrections.photos import CleanPhoto, clean_photo
from serving.corrections.schemas import CorrectionRequest
from serving.corrections.store import Said, SentPhoto, find, list_some, take
from serving.corrections.tables import corrections, kept_photos
from serving.errors import ServingError, UnknownCorrectionError
from serving.settings import Settings
from serving.state.database import Database
from serving.state.times import DAY_MS, now_ms
from tests.serving.corrections.conftest import make_jpeg, say, send
from tests.serving.s3_server import BUCKET
from training.errors import StorageError

Files = Callable[[], list[Path]]


@pytest.fixture
def kept(database: Database, settings: Settings) -> KeptPhotos:
    return KeptPhotos(database, settings.photos_place, settings.keep_photos_days)


def age(database: Database, by_ms: int) -> None:
    with database.write() as connection:
        received, until = corrections.c.received_ms, corrections.c.photo_until_ms
        connection.execute(
            update(corrections).values(received_ms=received - by_ms, photo_until_ms=until - by_ms)
        )
        connection.execute(update(kept_photos).values(noted_ms=kept_photos.c.noted_ms - by_ms))


def list_noted(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(kept_photos.c.name)).scalars())


def test_a_photo_goes_when_its_time_is_over(
    app: FlaskClient, database: Database, kept: KeptPhotos, list_files: Files
) -> None:
    said = say()
    send(app, said, make_jpeg(1))
    age(database, 29 * DAY_MS)
    assert kept.sweep() == 0
    assert len(list_files()) == 1
    age(database, DAY_MS + 1000)
    assert kept.sweep() == 1
    assert list_files() == list_noted(database) == []
    told = send(app, said).json["photo"]
    assert told == {"kept": False, "until": None, "why": "expired"}


def test_a_shorter_time_counts_for_older_photos_too(
    app: FlaskClient, database: Database, settings: Settings, list_files: Files
) -> None:
    send(app, say(), make_jpeg(1))
    age(database, 2 * DAY_MS)
    assert KeptPhotos.from_settings(database, replace(settings, keep_photos_days=1)).sweep() == 1
    assert list_files() == []


def test_what_a_killed_process_left_is_swept_but_nothing_that_is_just_being_written(
    database: Database, kept: KeptPhotos, list_files: Files
) -> None:
    name = kept.write(clean_photo(make_jpeg(1)))
    assert kept.sweep() == 0
    assert kept.read(name)
    with database.write() as connection:
        older = kept_photos.c.noted_ms - UNNAMED_MS - 1000
        connection.execute(update(kept_photos).values(noted_ms=older))
    assert kept.sweep() == 1
    assert list_files() == list_noted(database) == []
    with pytest.raises(UnknownCorrectionError):
        kept.read(name)


def test_a_file_that_a_killed_process_did_not_finish_is_deleted(
    kept: KeptPhotos, list_files: Files
) -> None:
    name = kept.write(clean_photo(make_jpeg(1)))
    written = list_files()[0]
    unfinished, just_begun = (written.with_name(f".{written.name}.{end}") for end in "ab")
    for path in (unfinished, just_begun):
        path.write_bytes(written.read_bytes())
    an_hour_ago_s = time.time() - UNNAMED_MS / 1000 - 1
    os.utime(unfinished, (an_hour_ago_s, an_hour_ago_s))
    assert kept.sweep() == 1
    assert set(list_files()) == {written, just_begun}
    assert kept.read(name)


def test_a_photo_that_was_noted_and_never_written_is_no_obstacle(
    database: Database, kept: KeptPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("serving.publishing.objects.LocalFolder.write", fail)
        with pytest.raises(StorageError):
            kept.write(clean_photo(make_jpeg(1)))
    assert len(list_noted(database)) == 1
    age(database, UNNAMED_MS + 1000)
    assert kept.sweep() == 1
    assert list_noted(database) == []


def test_a_full_disk_is_told_and_leaves_no_correction(
    app: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr("serving.publishing.objects.LocalFolder.write", fail)
    assert send(app, say(), make_jpeg(1)).status_code == 503
    with database.read() as connection:
        assert list_some(connection) == []


def test_many_photos_go_at_once(
    database: Database, kept: KeptPhotos, list_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.corrections.keeping._MOST_SWEPT", 3)
    for number in range(8):
        kept.write(CleanPhoto(b"%d" % number, f"{number:064}", "0" * 96))
    age(database, UNNAMED_MS + 1000)
    assert kept.sweep() == 8
    assert list_files() == []


def test_the_server_sweeps_by_itself(
    app: FlaskClient, database: Database, kept: KeptPhotos, list_files: Files
) -> None:
    send(app, say(), make_jpeg(1))
    age(database, 31 * DAY_MS)
    sweep_repeatedly(kept)
    for _ in range(600):
        if not list_files():
            break
        time.sleep(0.05)
    assert list_files() == []


def test_nobody_else_on_the_machine_can_look_at_photos(
    app: FlaskClient, settings: Settings
) -> None:
    send(app, say(), make_jpeg(1))
    mode = stat.S_IMODE(Path(settings.photos_place).stat().st_mode)
    assert mode == 0o700


def test_a_photo_that_was_changed_is_not_shown(
    app: FlaskClient, database: Database, kept: KeptPhotos, list_files: Files
) -> None:
    said = say()
    send(app, said, make_jpeg(1))
    list_files()[0].write_bytes(make_jpeg(2))
    with database.read() as connection:
        found = find(connection, said["correction_id"])
    with pytest.raises(ServingError, match="was changed"):
        kept.read(found.photo_name)


def test_several_machines_share_photos_in_object_storage(
    settings: Settings, s3_endpoint: str, s3_credentials: None, list_files: Files
) -> None:
    place = f"s3://{BUCKET}/kept?endpoint={s3_endpoint}"
    shared = replace(settings, keep_photos_in=place)
    said = say()
    assert send(create_app(shared).test_client(), said, make_jpeg(1)).json["photo"]["kept"]
    url = f"/v1/models/colours/corrections/{said['correction_id']}"
    other = create_app(shared).test_client()
    assert other.get(f"{url}/photo").data == clean_photo(make_jpeg(1)).data
    assert other.post(f"{url}/decision", json={"decision": "rejected"}).status_code == 200
    assert other.get(f"{url}/photo").status_code == 404
    assert list_files() == []


# The same of both databases, without a server between.
@pytest.fixture
def said() -> Said:
    values: dict[str, Any] = CorrectionRequest().load(say())
    return Said("colours", values)


def test_both_databases_take_a_correction_once_and_let_its_photo_go(
    state_place: Path | str, said: Said, tmp_path: Path
) -> None:
    database = Database(state_place)
    try:
        kept = KeptPhotos(database, tmp_path / "photos", keep_days=1)
        clean = clean_photo(make_jpeg(1))
        sent = SentPhoto("0" * 64, "kept", clean, kept.write(clean), kept.until_ms(now_ms()))
        with database.write() as connection:
            first = take(connection, said, sent)
        with database.write() as connection:
            assert take(connection, said, sent) == first
        assert first.photo_name == sent.name
        age(database, 2 * DAY_MS)
        assert kept.sweep() == 1
        with database.read() as connection:
            assert find(connection, said.correction_id).photo == "expired"
    finally:
        database.close()
