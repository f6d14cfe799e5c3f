"""A running server whose PostgreSQL goes away and comes back."""

import itertools
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mobile_assets.release import STABLE
from serving.app import create_app
from serving.publishing.policy import roll_back, roll_out
from serving.publishing.publish import change_release
from serving.settings import Settings
from serving.state.audit import find_break, list_entries
from serving.state.database import Database
from serving.state.tables import reports, verdicts
from tests.serving.postgres_server import PostgresServer
from tests.serving.test_reports import CHECK, REPORTS, make_report
from tests.serving.test_server import ask, serve, wait_until_ready


class Reporter:
    """Sends reports without a pause, and remembers what was answered."""

    def __init__(self, address: str, body: dict[str, Any]) -> None:
        self._address, self._body = address, body
        self.acknowledged: list[str] = []
        self.refused = 0
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(3)]

    def __enter__(self) -> "Reporter":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Returns when so many more reports were acknowledged."""
        wanted = len(self.acknowledged) + more
        while len(self.acknowledged) < wanted:
            assert all(thread.is_alive() for thread in self._threads)
            self._stopped.wait(0.02)

    def _send(self, name: int) -> None:
        for number in itertools.count():
            if self._stopped.is_set():
                return
            report_id = f"00000000-0000-4000-8000-{name:04}{number:08}"
            body = self._body | {"report_id": report_id, "device_id": f"{name}-{number}"}
            try:
                answer = ask(
                    f"{self._address}{REPORTS}",
                    json.dumps(body).encode(),
                    Content_Type="application/json",
                )
                assert answer.status == 202
                self.acknowledged.append(report_id)
            except urllib.error.HTTPError as error:
                assert error.code == 503, error.read()
                self.refused += 1
                self._stopped.wait(0.05)


def check(address: str, device: str) -> dict[str, Any]:
    body = json.dumps({"platform": "android", "device_id": device}).encode()
    answer = ask(f"{address}{CHECK}", body, Content_Type="application/json")
    return dict(json.load(answer))


@pytest.fixture
def address(
    repository: Path, key_folder: Path, postgres: PostgresServer
) -> Iterator[tuple[str, str]]:
    """The address of a server that offers 1.1.0 to all devices, and of its database."""
    for change in (roll_back(STABLE, "1.0.0"), roll_out(STABLE, "1.1.0", 10_000)):
        change_release("colours", repository, key_folder, change)
    place = postgres.make_database(empty=True)
    with serve(repository, "--database", place, "--workers", "2") as (found, _):
        wait_until_ready(found)
        yield found, place


def test_a_database_that_is_killed_and_comes_back_loses_nothing_that_was_acknowledged(
    address: tuple[str, str], repository: Path, postgres: PostgresServer
) -> None:
    url, place = address
    app = create_app(Settings(repository)).test_client()
    with Reporter(url, make_report(app, "phone", True)) as reporter:
        reporter.wait_for(10)
        assert check(url, "a")["version"] == "1.1.0"
        postgres.stop()
        try:
            refused = reporter.refused
            while reporter.refused < refused + 5:
                reporter._stopped.wait(0.02)
            held = check(url, "new")
            ready = json.load(ask(f"{url}/readyz"))
        finally:
            postgres.start()
        reporter.wait_for(20)
    assert held["version"] == "1.0.0", "nobody new is offered what may have been halted"
    assert ready["status"] == "degraded"
    assert any("what the server remembers" in words for words in ready["problems"])
    assert place not in json.dumps(ready)
    assert check(url, "new")["version"] == "1.1.0"
    database = Database(place)
    with database.read() as connection:
        stored = set(connection.execute(select(reports.c.report_id)).scalars())
        devices = len(connection.execute(select(verdicts.c.device)).all())
        assert find_break(list_entries(connection)) is None
    database.close()
    assert stored >= set(reporter.acknowledged)
    assert len(stored) == devices
