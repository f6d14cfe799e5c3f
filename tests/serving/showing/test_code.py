"""The code that a release's page shows, copied from the page and run."""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobile_assets.export.recipes import LANGUAGES
from serving.access.keys import Wish, create_key
from serving.app import create_app
from serving.context import get_database
from serving.settings import Settings
from tests.conftest import ROOT
from tests.mobile_assets.builds import COLOURS, make_photo
from tests.serving.test_server import ask, clean_environment, serve


def read_code(page: str, platform: str) -> list[str]:
    """The blocks of a language, as a browser would copy them."""
    part = page.split(f'id="code-{platform}"')[1].split('class="language"')[0]
    blocks = re.findall(r'<pre class="code"[^>]*><code>(.*?)</code></pre>', part, re.DOTALL)
    return [html.unescape(block) for block in blocks]


@pytest.fixture(scope="module")
def page(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a release that is not the current one, of a server process that stays."""
    state = tmp_path_factory.mktemp("state")
    with serve(published, "--state", str(state)) as (address, _):
        yield ask(f"{address}/models/colours/1.0.0").read().decode()


@pytest.fixture
def project(published: Path, tmp_path: Path) -> Path:
    """A developer's folder, with what the page asks for."""
    shutil.copy(published / "metadata" / "1.root.json", tmp_path / "root.json")
    (tmp_path / "photo.jpg").write_bytes(make_photo(COLOURS["red"]))
    return tmp_path


def run(command: list[str], folder: Path, text: str) -> str:
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment() | {"PATH": python, "PYTHONPATH": str(ROOT)},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_language_has_code(page: str) -> None:
    for platform, name in LANGUAGES.items():
        assert f"<h3>{name}</h3>" in page
        assert read_code(page, platform)


def test_the_python_code_pulls_this_release_and_recognises(page: str, project: Path) -> None:
    told = run([sys.executable, "-"], project, read_code(page, "python")[-1])
    assert told.startswith("sure: red\n") and told.count("%") == 3
    assert (project / "models" / "colours" / "1.0.0").is_dir()


def test_what_is_pulled_lies_where_the_code_for_phones_reads_it(page: str, project: Path) -> None:
    commands, _, kotlin = read_code(page, "android")[:3]
    run(["sh", "-eu"], project, commands)
    assets = project / "app" / "src" / "main" / "assets"
    named = re.findall(r'"(colours/[^"]+)"', kotlin)
    assert len(named) == 2
    for name in named:
        assert (assets / name).is_file()
    # The same file for iOS lies in the same folder; the tests' Core ML package is none that runs.
    core_ml, swift, lite_rt, code = read_code(page, "ios")[:4]
    assert commands.splitlines()[-1].split()[2] in lite_rt
    [(stem, suffix, folder)] = re.findall(
        r'forResource: "(\S+)", ofType: "(\S+)", inDirectory: "(\S+)"', code
    )
    assert (assets / folder / f"{stem}.{suffix}").is_file() and 'subdirectory: "colours"' in code
    assert "mv colours/artifacts/colours-1.0.0-coreml-fp16.mlpackage ColoursMo" in core_ml
    assert "ColoursModel(" in swift


def test_where_no_channel_offers_it_browsers_are_said_to_get_another(
    page: str, published: Path
) -> None:
    words = "No channel offers this release now"
    assert words in page
    client = create_app(Settings(published)).test_client()
    assert words not in client.get("/models/colours/1.1.0").text


def test_a_server_that_asks_for_keys_says_how_to_give_one(published: Path, tmp_path: Path) -> None:
    address = "/models/colours/1.1.0"
    app = create_app(Settings(published, state=tmp_path, public_scopes=()))
    with app.app_context():
        key = create_key(get_database(), Wish("phone", frozenset({"pull"})), "ann", 1_000)
    client = app.test_client()
    assert client.get(address).status_code == 401
    shown = client.get(address, headers={"Authorization": f"Bearer {key}"}).text
    assert key not in shown
    for platform in LANGUAGES:
        code = "".join(read_code(shown, platform))
        assert "api-key.txt" in code or "apiKey:" in code
    open_page = create_app(Settings(published)).test_client().get(address).text
    assert "api-key" not in open_page and "apiKey" not in open_page
