"""What was acknowledged is there, however its process ended."""

import http.client
import json
import os
import signal
import threading
import time
import urllib.error
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from serving.corrections.keeping import UNNAMED_MS, KeptPhotos
from serving.corrections.store import list_some
from serving.corrections.tables import kept_photos
from serving.state.database import Database
from tests.serving import test_server
from tests.serving.corrections.conftest import URL, make_jpeg, say
from tests.serving.test_server import ask, clean_environment, serve

KILLS, BETWEEN, CLIENTS = 2, 6, 4


def list_children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Client(threading.Thread):
    """Sends one correction after the other, each until it is answered, as a phone's queue does."""

    def __init__(self, address: str, number: int, stopped: threading.Event) -> None:
        super().__init__()
        self._url, self._number, self._stopped = address + URL, number, stopped
        self.acknowledged: dict[str, bool] = {}
        self.again = 0

    def run(self) -> None:
        while not self._stopped.is_set():
            said = say(device=f"phone-{self._number}")
            photo = make_jpeg(1000 * self._number + len(self.acknowledged))
            if (answer := self._send(said, photo)) is not None:
                self.acknowledged[said["correction_id"]] = answer["photo"]["kept"]

    def _send(self, said: dict[str, Any], photo: bytes) -> dict[str, Any] | None:
        boundary = uuid.uuid4().hex
        parts = (("correction", json.dumps(said).encode()), ("photo", photo))
        head = f"--{boundary}\r\nContent-Disposition: form-data; filename=f; name="
        body = b"".join(f"{head}{name}\r\n\r\n".encode() + data + b"\r\n" for name, data in parts)
        body += f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        while not self._stopped.is_set():
            try:
                answer: dict[str, Any] = json.load(ask(self._url, body, Content_Type=kind))
                return answer
            except urllib.error.HTTPError as error:
                assert error.code == 503, error.read()
            except (OSError, http.client.HTTPException):
                self.again += 1
            time.sleep(0.02)
        return None


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes in /proc")
def test_no_acknowledged_correction_is_lost_when_processes_are_killed(
    published: Path, state_place: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    settings = {"GHOSTLENS_KEEP_PHOTOS": "1", "GHOSTLENS_KEEP_PHOTOS_IN": str(photos)}
    monkeypatch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
    place = ("--state" if isinstance(state_place, Path) else "--database", str(state_place))
    stopped = threading.Event()
    with serve(published, *place) as (address, process):
        clients = [Client(address, number, stopped) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for kill in range(1, KILLS + 1):
                while sum(len(client.acknowledged) for client in clients) < kill * BETWEEN:
                    assert process.poll() is None
                    assert all(client.is_alive() for client in clients)
                    time.sleep(0.003)
                for worker in list_children(process.pid):
                    os.kill(worker, signal.SIGKILL)
        finally:
            stopped.set()
            for client in clients:
                client.join()
    acknowledged = {name: kept for one in clients for name, kept in one.acknowledged.items()}
    assert len(acknowledged) >= KILLS * BETWEEN
    database = Database(state_place)
    try:
        check_all(database, KeptPhotos(database, photos, keep_days=1), photos, acknowledged)
    finally:
        database.close()


def check_all(
    database: Database, kept: KeptPhotos, folder: Path, acknowledged: dict[str, bool]
) -> None:
    with database.read() as connection:
        rows = {row.correction_id: row for row in list_some(connection, limit=10_000)}
    assert set(acknowledged) <= set(rows)
    assert all(acknowledged.values())
    for name in acknowledged:
        kept.read(rows[name].photo_name)  # whole, by the hash in its name
    with database.write() as connection:
        older = kept_photos.c.noted_ms - UNNAMED_MS - 1000
        connection.execute(update(kept_photos).values(noted_ms=older))
    kept.sweep()
    named = {row.photo_name for row in rows.values()}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    assert found == named
    with database.read() as connection:
        assert set(connection.execute(select(kept_photos.c.name)).scalars()) == named
