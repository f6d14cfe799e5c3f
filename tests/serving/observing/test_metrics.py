"""Metrics of a server of two processes, as Prometheus reads them."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient

from serving.observing import processes
from serving.observing.processes import choose_slot
from tests.conftest import ROOT
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.observing.conftest import Observed
from tests.serving.test_server import ask

URL = "/v1/models/colours/recognise"
RED = make_photo(COLOURS["red"])
PHOTOS = (
    'ghostlens_recognised_photos_total{answered_by="device",model="colours",verdict="sure",'
    'version="1.1.0"}'
)
ROUTE = 'method="POST",route="/v1/models/<model>/recognise"'
REQUESTS = f'ghostlens_http_request_duration_seconds_count{{{ROUTE},status="200"}}'


def recognise(address: str, times: int) -> None:
    for _ in range(times):
        ask(address + URL, RED, Content_Type="image/jpeg").read()


def find_workers(observed: Observed) -> list[int]:
    pid = observed.process.pid
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_what_all_processes_did_adds_up_and_outlives_them(observed: Observed) -> None:
    before = observed.read_metrics()
    recognise(observed.address, 12)
    more = before.get(PHOTOS, 0) + 12
    after = observed.wait_for_metrics(lambda found: found[REQUESTS] == found[PHOTOS] == more)
    for stage in ("wait", "load", "prepare", "run"):
        assert after[f'ghostlens_recognise_stage_seconds_count{{stage="{stage}"}}'] == more
    victim = find_workers(observed)[0]
    os.kill(victim, signal.SIGKILL)
    while victim in find_workers(observed):
        time.sleep(0.02)
    again = observed.wait_for_metrics(lambda found: found["ghostlens_workers_ready"] == 2)
    assert again["ghostlens_workers"] == 2
    assert again["ghostlens_recognise_places"] == 2
    assert again[PHOTOS] == more
    recognise(observed.address, 3)
    # The new worker took the dead one's place: two places hold files, and the first process does.
    # (A place has a file of counters only once its worker has counted, so the names alone say
    # nothing.)
    files = observed.temporary.glob("ghostlens-metrics-*/*.db")
    assert {path.stem.rpartition("_")[2] for path in files} == {"0", "1", "first"}


def test_a_scrape_tells_how_the_repository_and_the_line_stand(observed: Observed) -> None:
    found = observed.read_metrics()
    assert found["ghostlens_repository_verified"] == 1
    assert found["ghostlens_repository_problems"] == 0
    assert found["ghostlens_recognise_places"] == 2
    assert found["ghostlens_recognise_admitted"] == found["ghostlens_recognise_places_used"] == 0
    assert found['ghostlens_metadata_expires_timestamp_seconds{role="timestamp"}'] > 1e9
    current = 'channel="stable",model="colours",version="1.1.0"'
    assert found[f"ghostlens_current_version_info{{{current}}}"] == 1
    assert found['ghostlens_model_version_bytes{model="colours",version="1.1.0"}'] > 1 << 24
    assert found['ghostlens_database_transaction_seconds_count{kind="read"}'] > 0


def test_what_an_attacker_makes_up_becomes_no_label(observed: Observed) -> None:
    host = observed.address.removeprefix("http://")
    for method, path in (
        ("BREW", "/livez"),
        ("GET", "/v1/models/made-up-name"),
        ("GET", "/made-up-name"),
        ("POST", "/v1/models/made-up-name/recognise?made-up-name=1"),
        ("GET", "/v1/models/colours/versions/made-up-name"),
    ):
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(method, path, headers={"User-Agent": "made-up-name"})
        assert connection.getresponse().status >= 400
        connection.close()
    other = (
        'ghostlens_http_request_duration_seconds_count{method="other",route="/livez",status="405"}'
    )
    nowhere = (
        'ghostlens_http_request_duration_seconds_count{method="GET",route="none",status="404"}'
    )
    found = observed.wait_for_metrics(lambda found: other in found or nowhere in found)
    assert not [name for name in found if "made-up" in name or "BREW" in name]
    assert found['ghostlens_problems_total{type="unknown-model"}'] >= 1


def test_metrics_need_a_key_but_at_their_own_address_where_nothing_else_is(
    observed: Observed,
) -> None:
    from_elsewhere = urllib.request.Request(
        f"{observed.address}/metrics", headers={"Host": "elsewhere.example"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(from_elsewhere, timeout=60)
    assert refused.value.code == 401
    for path in ("/livez", "/v1/models", "/metrics/../livez"):
        with pytest.raises(urllib.error.HTTPError) as missing:
            ask(observed.metrics_address + path)
        assert missing.value.code == 404
    # The port counts, not what the client says of it.
    port = observed.metrics_address.rpartition(":")[2]
    lying = urllib.request.Request(
        f"{observed.address}/metrics", headers={"Host": f"elsewhere.example:{port}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(lying, timeout=60)
    assert refused.value.code == 401


def test_a_process_that_is_just_making_its_files_keeps_nobody_from_reading_others(
    observed: Observed,
) -> None:
    [folder] = observed.temporary.glob("ghostlens-metrics-*")
    begun = folder / "counter_9.db"
    begun.touch()
    assert observed.read_metrics()["ghostlens_workers"] == 2.0
    begun.unlink()


def test_one_process_alone_tells_its_metrics_too(client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    client.post(URL, data=RED, content_type="image/jpeg").close()
    openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = client.get("/metrics", headers=openmetrics)
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.endswith("# EOF\n")
    assert PHOTOS.partition("{")[0] in answer.text


def test_a_command_imports_nothing_that_decides_how_metrics_are_kept() -> None:
    code = "import sys, serving.cli, serving.server; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_place_is_taken_by_the_lowest_number_that_is_free() -> None:
    assert choose_slot([]) == 0
    assert choose_slot([0, 1, 3]) == 2
    assert choose_slot([1]) == 0


def test_what_a_killed_server_left_is_deleted_and_what_another_uses_is_not(
    observed: Observed, tmp_path: Path
) -> None:
    killed = tmp_path / "ghostlens-metrics-killed"
    killed.mkdir()
    (killed / "lock").touch()
    (used,) = observed.temporary.glob("ghostlens-metrics-*")
    processes._delete_leftovers(tmp_path)
    processes._delete_leftovers(observed.temporary)
    assert not killed.exists()
    assert used.is_dir()
    assert observed.read_metrics()["ghostlens_workers"] == 2


def test_a_planted_link_in_the_temporary_folder_deletes_nothing_behind_it(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "lock").touch()
    (tmp_path / "ghostlens-metrics-evil").symlink_to(precious)
    processes._delete_leftovers(tmp_path)
    assert (precious / "lock").exists()


def test_every_alert_asks_for_metrics_that_the_server_has(client: FlaskClient) -> None:
    alerts = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"ghostlens_\w+", rule["expr"])}
    told = set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE))
    told |= {f"{name}_{part}" for name in told for part in ("bucket", "count", "sum")}
    assert asked
    assert asked <= told
    assert all(rule["annotations"]["summary"] for rule in rules)


def test_the_document_names_every_metric(client: FlaskClient) -> None:
    text = (ROOT / "docs" / "observing.md").read_text()
    told = set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE))
    told = {name for name in told if not name.endswith("_created")}
    assert {name for name in told if f"`{name}" not in text} == set()
    written = set(re.findall(r"`(ghostlens_\w+?)(?:_bucket|_count|_sum)?[`{]", text))
    assert written <= told
