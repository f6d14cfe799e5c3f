"""The command `convert`: whole or nothing, whatever ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conversion.artifact import read_build
from conversion.artifact_cache import ArtifactCache
from conversion.calibration import read_calibration
from conversion.convert import Job, convert
from conversion.errors import ConversionError
from conversion.variants import VARIANTS, find_variant
from tests.conftest import ROOT, run_command
from training.errors import CheckpointError, ConfigError

COREML = find_variant("coreml-fp16")
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

    job = Job(checkpoint.directory, "produce", "2.0.0", (COREML,))
    build = convert(job, copy_of_build, 1, print, cache=None)
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
        job = Job(checkpoint.directory, "produce", "1.0.0", (COREML,))
        convert(job, out, 2, print, cache=None)
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
        convert(Job(copy, "produce", "1.0.0"), tmp_path / "build", 1, print, cache=None)
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


def test_a_job_without_variants_is_refused(tmp_path):
    with pytest.raises(ConversionError, match="at least one is needed"):
        Job(tmp_path, "produce", "1.0.0", ())


def test_a_build_holds_every_variant_and_no_logs(build_folder, build):
    assert [entry.variant for entry in build.artifacts] == list(VARIANTS)
    own = {"SHA256SUMS", "build.json", "labels.txt"}
    names = {path.name for path in build_folder.iterdir()}
    assert names == own | {entry.file_name for entry in build.artifacts}
    assert build.photos_source
    assert set(build.metrics) == {"top1", "top5", "photos"}


def test_a_build_says_what_it_was_calibrated_with(build, checkpoint):
    data = checkpoint.settings.data
    read = read_calibration(data, checkpoint.labels, checkpoint.preprocess, 32)
    assert build.calibration == read.describe()
    assert build.calibration["split"] == "train"
    assert build.calibration["photos"] == 32


def test_artifacts_made_before_are_reused_and_are_the_same_bytes(checkpoint, tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    job = Job(checkpoint.directory, "produce", "3.0.0", (COREML,))
    said: list[str] = []
    first = convert(job, tmp_path / "first", 1, print, cache)
    second = convert(job, tmp_path / "second", 1, said.append, cache)
    assert said == [f"{first.artifacts[0].file_name}: taken from the cache"]
    assert read_build(tmp_path / "second") == first == second
    again = convert(job, tmp_path / "again", 1, print, cache=None)
    assert again == first, "the same bytes each time"


def test_errors_of_the_command_are_one_line(tmp_path):
    done = run_command("conversion", "convert", tmp_path / "none", *NAMES, "--out", tmp_path / "b")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no checkpoint at ")
    assert len(done.stderr.splitlines()) == 1
