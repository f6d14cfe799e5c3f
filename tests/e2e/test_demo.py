"""`make demo`'s command, on a smaller network and fewer photos than its preset."""

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY
from tests.e2e.test_readme import free_port
from training.config import Settings, override

pytestmark = pytest.mark.slow
# Two networks are trained: half the photos of what other tests share is enough to go the way.
QUICK = (*TINY, "data.train_per_class=12")


def run_demo(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", "demo", "--out", str(out), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_goes_the_whole_way_and_stops_cleanly(tmp_path: Path) -> None:
    preset = tmp_path / "tiny.toml"
    preset.write_text(override(Settings(), QUICK).to_toml())
    port = free_port()
    presets = ("--preset", str(preset), "--cloud", str(preset))
    done = run_demo(tmp_path / "demo", *presets, "--port", str(port))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.split("== summary")[1]
    verdicts = {line.split()[0]: line for line in summary.splitlines() if line.startswith("demo-")}
    assert len(verdicts) == 5
    assert "passed (" in verdicts["demo-cloud-1.0.0-litert-fp32.tflite"]
    assert "by the cloud model, ghostnet_050" in summary
    assert "of these the cloud names" in done.stdout or "sure of every photo" in done.stdout
    for name in ("executorch-fp32.pte", "litert-fp32.tflite", "coreml-fp16.mlpackage"):
        assert "passed (" in verdicts[f"demo-1.0.0-{name}"]
    assert "MIL reference evaluation" in summary
    assert "names in zh-Hans: 22 of 22 labels and coarse classes" in done.stdout
    assert "the cloud fallback says" in summary
    assert "golden photos answered as expected" in done.stdout
    assert f"http://127.0.0.1:{port}/docs" in done.stdout
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2)


def test_does_not_touch_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = run_demo(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "did not make" in done.stderr
    assert (tmp_path / "precious").read_text() == "mine"
