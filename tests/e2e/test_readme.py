"""The README's commands, run as they stand there, on a folder of real files and a real server."""

import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from tests.conftest import ROOT
from training.cli import resolve_settings
from training.config import DataSettings
from training.sources.data import open_source

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
# The README trains for hours on a user's photos; here a small network trains for seconds.
QUICK = (
    "model.architecture=ghostnet_050",
    "model.input_px=64",
    "train.epochs=6",
    "train.start_px=0",
    "train.finish_epochs=0",
    "train.warmup_epochs=1",
    "train.learning_rate=4e-3",
    "train.ema_decay=0.9",
    "train.policy=none",
    "train.threads=1",
)
# The README makes every variant, which takes minutes; here those that are made fastest. The demo's
# test has ExecuTorch.
VARIANTS = ("litert-fp32", "coreml-fp16")
CLASSES = ("banana", "carrot", "leaf, rust", "tomato")


def commands_below(heading: str) -> list[str]:
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def write_photos(folder: Path) -> None:
    source = open_source(DataSettings(train_per_class=24, validation_per_class=26))
    for split, photos in (("train", source.train), ("val", source.validation)):
        for number, photo in enumerate(photos):
            label = source.labels.names[photo.class_index]
            if label in CLASSES:
                path = folder / "my_photos" / split / label / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(photo.read())
    (folder / "photo.jpg").write_bytes(path.read_bytes())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def arguments_of(command: str) -> list[str]:
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"], command
    return [sys.executable, *words[1:]]


def run(command: str, folder: Path) -> str:
    done = subprocess.run(
        arguments_of(command),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def serving(command: str, port: int, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [*arguments_of(command), "--port", str(port)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        while True:
            assert process.poll() is None, "the server ended by itself"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_from_a_folder_of_photos_to_a_phone(tmp_path: Path) -> None:
    write_photos(tmp_path)
    port = free_port()
    fit, *stages, serve, pull, recognise = commands_below("Your own photos, from folder to phone")
    settings = " ".join(f"--set {assignment}" for assignment in QUICK)
    run(f"{fit} {settings}", tmp_path)
    (evaluate,) = re.findall(r"^python -m training evaluate .*", README, re.MULTILINE)
    figures = run(evaluate, tmp_path)
    assert "top-1" in figures
    assert (tmp_path / "pictures" / "risk_coverage.png").is_file()
    variants = " ".join(f"--variant {key}" for key in VARIANTS)
    stages[0] += f" {variants} --no-cache"
    assert "conversion convert" in stages[0]
    printed = [run(command, tmp_path) for command in stages]
    assert printed[1].count("passed: ") == len(VARIANTS)
    with serving(serve, port, tmp_path):
        pulled = run(pull.replace("8000", str(port)), tmp_path)
        assert "golden photos answered as expected" in pulled
        answer = run(recognise, tmp_path)
        (curl,) = re.findall(r"^curl .*", README, re.MULTILINE)
        asked = shlex.split(curl.replace("8000", str(port)))
        cloud = subprocess.run(
            [*asked, "--fail", "--silent"], cwd=tmp_path, check=True, stdout=subprocess.PIPE
        ).stdout.decode()
    first = answer.splitlines()[0].split(maxsplit=1)[1].strip()
    assert first in CLASSES
    assert f'"{first}"' in cloud


@pytest.mark.parametrize("command", commands_below("A wider model on the server"))
def test_the_commands_for_two_models_take_what_the_readme_gives_them(command: str) -> None:
    room, name, *given = shlex.split(command)[2:]
    group = importlib.import_module(f"{room}.cli").main
    assert isinstance(group, click.Group)
    found = group.get_command(click.Context(group), name)
    assert found is not None
    context = found.make_context(name, given)
    if name == "fit":
        config, assignments = context.params["config"], context.params["assignments"]
        resolve_settings(config, (), assignments)


def test_every_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_file_that_the_documents_link_to_exists() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
