"""A new version while many ask: nobody is refused, and each answer is its version's own."""

import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.publishing.publish import publish
from tests.mobile_assets.builds import COLOURS, answer, make_photo
from tests.serving.test_server import serve

CLIENTS = 8
LEAST_ANSWERS = 3  # of the new version, from each client
PATH = "/v1/models/colours/recognise?top_k=3"
RED = make_photo(COLOURS["red"])
Given = tuple[str, dict[str, float]]


def ask_until(address: str, is_enough: Callable[[list[Given]], bool]) -> list[Given]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    found: list[Given] = []
    while not is_enough(found):
        connection.request("POST", PATH, RED, {"Content-Type": "image/jpeg"})
        response = connection.getresponse()
        table = json.loads(response.read())
        assert response.status == 200, table
        shares = {entry["label"]: entry["probability"] for entry in table["answers"]}
        found.append((table["version"], shares))
    connection.close()
    return found


def test_a_version_is_switched_under_load_without_dropping_a_request(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    publish(bundles["1.0.0"], repository, key_folder)
    begun = threading.Barrier(CLIENTS + 1, timeout=60)

    def is_enough(found: list[Given]) -> bool:
        if len(found) == 1:
            begun.wait()
        return sum(version == "1.1.0" for version, _ in found) >= LEAST_ANSWERS

    with serve(repository) as (address, _), ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask_until, address, is_enough) for _ in range(CLIENTS)]
        begun.wait()
        publish(bundles["1.1.0"], repository, key_folder)
        runs = [run.result(timeout=120) for run in asking]
    expected = {}
    for version in bundles:
        tflite = next((repository / "targets/colours" / version / "artifacts").glob("*.tflite"))
        shares = answer(tflite.read_bytes(), RED)
        expected[version] = dict(zip(COLOURS, shares, strict=True))
    for run in runs:
        assert [version for version, _ in run] == sorted(version for version, _ in run)
        for version, shares in run:
            assert shares == pytest.approx(expected[version], abs=1e-6)
