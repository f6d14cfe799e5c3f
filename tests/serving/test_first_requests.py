"""Whatever is made at the first request may be asked for by many at the same moment."""

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import COLOURS, make_photo

MANY = 8
PHOTO = make_photo(COLOURS["red"])
GETS = (
    "/",
    "/corrections/colours",
    "/dashboard",
    "/dashboard/colours",
    "/docs",
    "/livez",
    "/metadata/timestamp.json",
    "/models/colours",
    "/models/colours/1.1.0",
    "/models/colours/changelog.md",
    "/openapi.json",
    "/readyz",
    "/scan/",
    "/scan/server.json",
    "/static/review.js",
    "/static/style.css",
    "/v1/models",
    "/v1/models/colours",
    "/v1/models/colours/corrections",
    "/v1/models/colours/drift",
    "/v1/models/colours/versions/1.0.0",
    "/v2",
    "/v2/models/colours",
)
POSTS: dict[str, dict[str, Any]] = {
    "/v1/models/colours/recognise": {"data": PHOTO, "content_type": "image/jpeg"},
    "/v1/models/colours/recognise?version=1.0.0": {"data": PHOTO, "content_type": "image/jpeg"},
    "/v1/models/colours/check": {"json": {"platform": "android", "device_id": "a-phone"}},
}


@pytest.fixture
def switching() -> Iterator[None]:
    """Lets threads take turns as often as Python can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


def forget_all() -> None:
    """Makes modules know as much as those of a new process."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith("serving."):
            for value in list(vars(module).values()):
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


def ask(app: Flask, address: str) -> tuple[int, object]:
    """Returns what an address answers, but for what is new each time."""
    client = app.test_client()
    answer = client.post(address, **POSTS[address]) if address in POSTS else client.get(address)
    if "recognise" in address:
        found = json.loads(answer.data)
        del found["timings_ms"]
        return answer.status_code, found
    return answer.status_code, answer.data


def test_many_who_ask_a_new_server_at_once_are_answered_as_ever(
    published: Path, tmp_path: Path, switching: None
) -> None:
    forget_all()
    app = create_app(Settings(published, state=tmp_path / "state"))
    together = threading.Barrier(MANY)

    def ask_with_others(address: str) -> tuple[int, object]:
        together.wait(60)
        return ask(app, address)

    with ThreadPoolExecutor(MANY) as pool:
        found = {x: list(pool.map(ask_with_others, [x] * MANY)) for x in (*GETS, *POSTS)}
    for address, answers in found.items():
        expected = ask(app, address)
        assert expected[0] == 200, address
        assert answers == [expected] * MANY, address
