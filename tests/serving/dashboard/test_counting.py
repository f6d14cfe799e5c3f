import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from serving.app import create_app
from serving.dashboard.counting import Counting, add_counts
from serving.dashboard.counts import (
    CONFIDENCE,
    LABEL,
    LATENCY,
    ON_SERVER,
    VERDICT,
    Scan,
    find_latency_bin,
    find_quantile_ms,
    today,
)
from serving.dashboard.drift import ALARM, Finding
from serving.dashboard.history import count_devices, read_history
from serving.dashboard.tables import scan_counts
from serving.dashboard.usage import DayOfScans, take_usage
from serving.dashboard.watch import tell_alarms
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.test_server import ask, serve
from training.evaluation.distribution import Distribution

RED, GREEN = make_photo(COLOURS["red"]), make_photo(COLOURS["green"])
URL = "/v1/models/colours/recognise"
SCAN = Scan("colours", "1.0.0", ON_SERVER, 20_000, "sure", "red", 0.97, 12.5)


def read(state: Path, kind: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    with Database(state).read() as connection:
        for row in connection.execute(select(scan_counts).filter_by(kind=kind)):
            found[row.item] += row.number
    return dict(found)


def wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_scans_are_counted_right_in_two_processes_across_a_stop_a_kill_and_a_restart(
    published: Path, tmp_path: Path
) -> None:
    arguments = ("--workers", "2", "--state", str(tmp_path))

    def scan(address: str, photo: bytes) -> None:
        assert ask(address + URL, photo, Content_Type="image/jpeg").status == 200

    with (
        serve(published, *arguments) as (address, _),
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda number: scan(address, RED if number % 3 else GREEN), range(30)))
    # Nothing but the stop made it write: that is within the 5 s in which counts stay in memory,
    # or else after them, which comes to the same.
    assert read(tmp_path, LABEL) == {"red": 20, "green": 10}
    assert sum(read(tmp_path, LATENCY).values()) == sum(read(tmp_path, CONFIDENCE).values()) == 30
    with serve(published, "--workers", "1", "--state", str(tmp_path)) as (address, process):
        scan(address, RED)
        wait_for(lambda: read(tmp_path, LABEL) == {"red": 21, "green": 10})
        scan(address, RED)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    assert read(tmp_path, LABEL) == {"red": 22, "green": 10}
    with Database(tmp_path).read() as connection:
        rows = connection.execute(select(scan_counts)).all()
    assert {(row.model, row.version, row.place) for row in rows} == {
        ("colours", "1.1.0", ON_SERVER)
    }


def test_the_open_inference_protocol_counts_each_photo_once(
    published: Path, tmp_path: Path
) -> None:
    app = create_app(Settings(published, state=tmp_path))
    body = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [3, 32, 32, 3]}]}
    body["inputs"][0]["data"] = [200] * (3 * 32 * 32 * 3)
    assert app.test_client().post("/v2/models/colours/infer", json=body).status_code == 200
    app.extensions["ghostlens"].counting.flush()
    assert sum(read(tmp_path, VERDICT).values()) == 3


def test_counts_that_cannot_be_written_are_kept_and_no_request_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the folder should be")
    counting = Counting(Database(blocked), 3600, 10_000)
    counting.note(SCAN)
    counting.flush()
    counting.note(SCAN)
    assert "not counted yet" in caplog.text
    blocked.unlink()

    def is_written() -> bool:
        counting.flush()  # the database asks again only after a pause
        return (blocked / "state.db").exists()

    wait_for(is_written)
    assert read(blocked, VERDICT) == {"sure": 2}
    counting.flush()
    assert read(blocked, VERDICT) == {"sure": 2}


def test_threads_lose_no_count_while_others_write(tmp_path: Path) -> None:
    counting = Counting(Database(tmp_path), 0.01, 10_000)
    threads = [
        threading.Thread(target=lambda: [counting.note(SCAN) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counting.flush()
    assert read(tmp_path, LABEL) == {"red": 2000}


def test_counts_older_than_they_are_kept_go(tmp_path: Path) -> None:
    database = Database(tmp_path)
    old = Scan(**{**vars(SCAN), "day": today() - 31, "label": "old"})
    kept = Scan(**{**vars(SCAN), "day": today() - 30, "label": "kept"})
    counting = Counting(database, 3600, 30)
    for scan in (old, kept):
        counting.note(scan)
    counting.flush()
    counting.prune()
    assert read(tmp_path, LABEL) == {"kept": 1}


def test_counts_of_several_writers_add_up_on_both_databases(database: Database) -> None:
    def write(number: int) -> None:
        counting = Counting(database, 3600, 400)
        for _ in range(25):
            counting.note(replace(SCAN, label=f"item {number % 2}", day=today()))
        counting.flush()
        counting.prune()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    with database.read() as connection:
        history = read_history(connection, "colours", today() - 1, today(), today())
        assert count_devices(connection, "colours", 0) == 0
    assert history.add_up(LABEL) == {"item 0": 100, "item 1": 100}
    assert history.count_scans(ON_SERVER, "1.0.0", [today()]) == 200


def test_usage_and_alarms_are_kept_on_both_databases(database: Database) -> None:
    answers = Distribution((0,) * 19 + (5,), {"red": 5}, {"sure": 5})
    days = [DayOfScans("1.0.0", today(), answers, 1)]
    assert take_usage(database, "colours", "first", "phone", days, 9)
    assert not take_usage(database, "colours", "first", "phone", days, 9)
    assert not take_usage(database, "colours", "second", "phone", days, 9)
    assert take_usage(database, "colours", "third", "other", days, 9)
    with database.read() as connection:
        assert count_devices(connection, "colours", today()) == 2
        assert read_history(connection, "colours", 0, today(), 0).count_scans() == 10
    said = ("device", LABEL, "weeks", None, ALARM, "much", "much.")
    alarm = Finding(*said, ("red",), (1,), (1,), None)
    for findings in ([alarm], [alarm], []):
        tell_alarms(database, "colours", findings)


def test_a_label_of_any_length_and_kind_is_counted(tmp_path: Path) -> None:
    label = "<script>'\"; DROP TABLE scan_counts" + "x" * 5000
    with Database(tmp_path).write() as connection:
        key = ("colours", 20_000, "1.0.0", ON_SERVER)
        items = Scan(**{**vars(SCAN), "label": label}).list_items()
        for _ in range(2):
            add_counts(connection, Counter({key + item: 1 for item in items}))
    assert read(tmp_path, LABEL) == {label[:200]: 2}


@given(st.lists(st.floats(0.01, 100_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_quantiles_are_read_off_within_a_bin(latencies: list[float], share: float) -> None:
    bins = Counter(find_latency_bin(value) for value in latencies)
    ordered = sorted(latencies)
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    true = max(1.0, ordered[rank])
    found = find_quantile_ms(dict(bins), share)
    assert found is not None
    assert true / 1.0906 <= found <= true * 1.0906


def test_of_no_answers_there_is_no_quantile() -> None:
    assert find_quantile_ms({}, 0.5) is None
