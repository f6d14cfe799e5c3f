"""The command `convert`: whole or nothing, whatever ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conversion.artifact import RUNTIMES, read_build
from conversion.convert import Job, convert
from conversion.errors import ConversionError
from tests.conftest import ROOT, run_command
from training.errors import CheckpointError, ConfigError

NAMES = ("--model", "produce", "--version", "1.2.3")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "conversion", *map(str, arguments)]


def list_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in children.split()]


def wait_until(holds, what: str, limit_s: float = 120.0):
    end = time.monotonic() + limit_s
    while not (value := holds()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return value


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers through /proc")
def test_a_kill_leaves_the_old_build_as_it_was_and_the_next_run_works(checkpoint, copy_of_build):
    before = read_build(copy_of_build)
    arguments = ("convert", checkpoint.directory, *NAMES, "--out", copy_of_build)
    running = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL)
    workers = wait_until(lambda: list_children(running.pid), "a worker")
    unfinished = wait_until(
        lambda: list(copy_of_build.parent.glob(".build.new.*")), "the unfinished folder"
    )
    os.kill(running.pid, signal.SIGKILL)
    running.wait()

    assert read_build(copy_of_build) == before
    assert unfinished[0].exists()
    for worker in workers:
        wait_until(lambda pid=worker: not Path(f"/proc/{pid}").exists(), "the worker's end")

    build = convert(
        Job(checkpoint.directory, "produce", "2.0.0", ("coreml",)), copy_of_build, 1, print
    )
    assert read_build(copy_of_build) == build
    assert build.version == "2.0.0"
    assert not list(copy_of_build.parent.glob(".build.new.*"))


def test_a_converter_that_dies_leaves_nothing_behind_and_its_words_are_shown(
    checkpoint, tmp_path, monkeypatch
):
    fake = tmp_path / "lib" / "coremltools"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("print('a word before the end'); import os; os._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", f"{fake.parent}{os.pathsep}{ROOT}")
    out = tmp_path / "build"
    with pytest.raises(ConversionError) as caught:
        convert(Job(checkpoint.directory, "produce", "1.0.0", ("coreml",)), out, 2, print)
    assert "ended with code 9" in str(caught.value)
    assert not out.exists()
    assert not list(tmp_path.glob(".build.new.*"))


def test_a_changed_checkpoint_is_refused(checkpoint, tmp_path):
    copy = tmp_path / "checkpoint"
    copy.mkdir()
    for path in checkpoint.directory.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    config["label_names"] = config["label_names"][::-1]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="changed after it was written"):
        convert(Job(copy, "produce", "1.0.0"), tmp_path / "build", 1, print)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "Produce"}, "model name is 'Produce'"),
        ({"version": "1"}, "version is '1'"),
    ],
)
def test_names_are_checked_before_anything_runs(tmp_path, changes, words):
    values = {"checkpoint": tmp_path, "model": "produce", "version": "1.0.0"} | changes
    with pytest.raises(ConfigError, match=words):
        Job(**values)


def test_a_job_without_a_known_format_is_refused(tmp_path):
    for runtimes in ((), ("onnx",)):
        with pytest.raises(ConversionError, match="allowed are executorch, litert, coreml"):
            Job(tmp_path, "produce", "1.0.0", runtimes)


def test_a_build_holds_all_formats_and_no_logs(build_folder, build):
    assert [entry.runtime for entry in build.artifacts] == list(RUNTIMES)
    own = {"SHA256SUMS", "build.json", "labels.txt"}
    names = {path.name for path in build_folder.iterdir()}
    assert names == own | {entry.file_name for entry in build.artifacts}
    assert build.photos_source
    assert set(build.metrics) == {"top1", "top5", "photos"}


def test_errors_of_the_command_are_one_line(tmp_path):
    done = run_command("conversion", "convert", tmp_path / "none", *NAMES, "--out", tmp_path / "b")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no checkpoint at ")
    assert len(done.stderr.splitlines()) == 1
