"""A Python app that shares its usage, against the server that counts it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device
from mobile_assets.recognise import Recognition, recognise
from mobile_assets.usage import Usage
from serving.dashboard.counts import CONFIDENCE, LABEL, SENT, VERDICT
from tests.conftest import ROOT
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.mobile_assets.test_transfer import serve_app
from tests.serving.dashboard.test_usage import read
from training.evaluation.distribution import CONFIDENCE_EDGES

DEVICE = Device("python")
RED = make_photo(COLOURS["red"])


@pytest.fixture
def phone(app: Any, published_with_baseline: Path, tmp_path: Path) -> Iterator[BundleClient]:
    root = (published_with_baseline / "metadata" / "1.root.json").read_bytes()
    with serve_app(app) as url:
        client = BundleClient(tmp_path / "phone", url, root, timeout_s=30, share_usage=True)
        assert client.update("colours", DEVICE).pull is not None
        yield client


def scan(client: BundleClient) -> Recognition:
    model = client.start("colours")
    assert model is not None
    client.confirm_start("colours")
    return recognise(model, RED)


def test_scans_are_counted_on_the_device_and_told_once_with_the_next_update(
    phone: BundleClient, app: Any
) -> None:
    found = scan(phone)
    for sent in (True, False, False):
        phone.count_scan(found, sent)
    assert read(app, VERDICT) == {}
    for _ in range(2):
        phone.update("colours", DEVICE)
    assert read(app, VERDICT) == {found.verdict: 3}
    assert read(app, LABEL) == {"red": 3}
    assert sum(read(app, CONFIDENCE).values()) == 3
    assert read(app, SENT) == {"": 1}


def test_without_a_network_the_counts_wait_and_an_app_that_does_not_share_keeps_none(
    phone: BundleClient, app: Any
) -> None:
    found = scan(phone)
    phone.count_scan(found)
    usage = Usage(phone.cache_dir / "colours")
    device = replace(DEVICE, device_id="phone")
    transfer = phone._open_repository().transfer
    assert usage.send(transfer, "http://127.0.0.1:9", "colours", device) == 0
    phone.count_scan(found)
    folder = phone.cache_dir / "colours" / "usage"
    (folder / "damaged.json").write_text("[{}")
    phone.share_usage = False
    phone.count_scan(found)
    phone.update("colours", DEVICE)
    assert read(app, VERDICT) == {}
    phone.share_usage = True
    phone.update("colours", DEVICE)
    assert read(app, VERDICT) == {found.verdict: 2}
    assert not list(folder.glob("*.json"))


def test_apps_in_typescript_have_the_same_bins() -> None:
    source = (ROOT / "mobile_assets/clients/typescript/src/usage.ts").read_text()
    edges = re.search(r"CONFIDENCE_EDGES[^=]*= \[([^\]]*)\]", source)
    assert edges is not None
    numbers = tuple(float(text) for text in edges[1].split(",") if text.strip())
    assert numbers == CONFIDENCE_EDGES


def test_days_that_the_server_would_refuse_are_not_sent(phone: BundleClient, app: Any) -> None:
    found = scan(phone)
    phone.count_scan(found)
    counts = phone.cache_dir / "colours" / "usage" / "counts.json"
    days = json.loads(counts.read_text())
    counts.write_text(json.dumps([days[0] | {"day": "2020-01-01"}, *days]))
    phone.update("colours", DEVICE)
    assert read(app, VERDICT) == {found.verdict: 1}
