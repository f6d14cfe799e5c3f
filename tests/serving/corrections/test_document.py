"""What docs/corrections.md tells to type does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.serving import test_server
from tests.serving.corrections.conftest import make_jpeg
from tests.serving.test_server import clean_environment, serve
from tests.training.sources.test_data import put

DOCUMENT = (ROOT / "docs" / "corrections.md").read_text(encoding="utf-8")
# Names of the document, and those of the tests' own repository.
NAMES = {"fruit": "colours", "kiwi": "red", "lime": "green"}


def read_commands(address: str) -> str:
    text = "\n".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL))
    # Training takes minutes; tests/e2e/test_corrections.py does it.
    lines = [line for line in text.splitlines() if " training fit " not in line]
    text = "\n".join(lines).replace("http://127.0.0.1:8000", address)
    for name, ours in NAMES.items():
        text = re.sub(rf"\b{name}\b", ours, text)
    return text


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl, bash")
def test_the_commands_of_the_document_work(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    settings = {"GHOSTLENS_KEEP_PHOTOS": "1", "GHOSTLENS_STATE": str(state)}
    settings |= {"GHOSTLENS_REPOSITORY": str(published)}
    monkeypatch.setattr(test_server, "clean_environment", lambda: clean_environment() | settings)
    (tmp_path / "photo.jpg").write_bytes(make_jpeg(1))
    photos = [f"{part}/{name}/{part}.png" for part in ("train", "val") for name in ("red", "green")]
    put(tmp_path / "my_photos", *photos)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    with serve(published) as (address, _):
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", read_commands(address)],
            cwd=tmp_path,
            env=test_server.clean_environment() | {"PATH": path},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    answer, *lines = done.stdout.splitlines()
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    told, expected = json.loads(answer), json.loads(shown)
    assert told["photo"].pop("until") > "2026"
    del expected["photo"]["until"]
    assert told == expected
    assert "1 photo (green 1)" in done.stdout
    assert lines[-1] == (
        "folder my_photos and corrections-1: 2 classes, 3 training and 2 validation photos, 0 of "
        "unknown things"
    )
    assert (tmp_path / "look.jpg").is_file()
