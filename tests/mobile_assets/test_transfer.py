import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.serving import make_server

from mobile_assets import client as client_module
from mobile_assets.client import BundleClient
from mobile_assets.errors import NoSpaceError, PullError
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import LITERT, MODEL
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.repositories import Repository
from training.files import sha256_bytes

App = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class Flaky:
    """The real server behind a line that breaks; notes the ranges that were asked for.

    Attributes:
        cut_at_bytes: after how many bytes of a model file the line breaks; None for never.
        ranges: of each request for a model file, what was asked for; "" for the whole.
    """

    def __init__(self, app: App) -> None:
        self.app, self.cut_at_bytes, self.ranges = app, None, []
        self.cut_at_bytes: int | None
        self.ranges: list[str]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = self.app(environ, start)
        if LITERT not in environ["PATH_INFO"]:
            return answer
        self.ranges.append(environ.get("HTTP_RANGE", ""))
        return answer if self.cut_at_bytes is None else self._cut(answer, self.cut_at_bytes)

    def _cut(self, answer: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
        yield b"".join(answer)[:size_bytes]
        raise ConnectionAbortedError


@contextmanager
def serve_app(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def line(repository: Repository) -> Flaky:
    return Flaky(create_app(Settings(repository.folder)))


@pytest.fixture
def phone(line: Flaky, repository: Repository, tmp_path: Path) -> Iterator[BundleClient]:
    with serve_app(line) as url:
        yield BundleClient(tmp_path / "cache", url, repository.trusted_root, timeout_s=5)


def test_a_download_goes_on_where_the_line_broke(
    phone: BundleClient, line: Flaky, build_dir: Path
) -> None:
    size_bytes = (build_dir / LITERT).stat().st_size
    line.cut_at_bytes = size_bytes // 3 + 1
    assert phone.pull(MODEL, "android").downloaded_bytes > 0
    cut = line.cut_at_bytes
    assert line.ranges == ["", f"bytes={cut}-", f"bytes={2 * cut}-"]
    assert version_in_use(phone) == "1.0.0"


def test_what_a_call_leaves_the_next_one_completes(
    phone: BundleClient, line: Flaky, build_dir: Path
) -> None:
    line.cut_at_bytes = 10
    with pytest.raises(PullError, match="the connection broke"):
        phone.pull(MODEL, "android")
    kept = phone.cache_dir / ".partial" / sha256_bytes((build_dir / LITERT).read_bytes())
    assert kept.stat().st_size == 40, "four tries of ten bytes"
    line.cut_at_bytes = None
    line.ranges.clear()
    phone.pull(MODEL, "android")
    assert line.ranges == ["bytes=40-"]
    assert not list(kept.parent.iterdir())


@pytest.mark.parametrize("size_change", [-100, 0, 100])
def test_a_partial_file_of_other_bytes_is_fetched_anew(
    phone: BundleClient, line: Flaky, build_dir: Path, size_change: int
) -> None:
    data = (build_dir / LITERT).read_bytes()
    kept = phone.cache_dir / ".partial" / sha256_bytes(data)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(bytes(len(data) + size_change))
    pulled = phone.pull(MODEL, "android").model
    assert pulled.artifact_path().read_bytes() == data
    assert line.ranges[-1] == ""


def test_too_little_space_is_told_before_the_download(
    phone: BundleClient, line: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = client_module.shutil.disk_usage(phone.cache_dir.parent)._replace(free=1000)
    monkeypatch.setattr(client_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NoSpaceError, match="1000 bytes are free"):
        phone.pull(MODEL, "android")
    assert not line.ranges
