"""Fixtures that all rooms share: one small trained network, made once and kept by hash."""

import fcntl
import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.console import share_cores

share_cores()
# Each core has a test process of its own: more threads in each would wait for one another. Programs
# that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "tests"
SLOW_FIXTURES = {"trained_checkpoint", "build", "built", "checked_build", "mil_packages"}
# These begin first, so that no process is left alone with a long file at the end. The second makes
# the artifacts that most files of tests/conversion wait for.
LONGEST_FILES = (
    "e2e/test_demo.py",
    "conversion/formats/test_tflite_ranges.py",
    "e2e/test_readme.py",
    "conversion/mil/test_evaluator.py",
    "fleet/test_fleet.py",
    "training/learning/test_train.py",
    "conversion/benchmark/test_measure.py",
    "serving/publishing/test_desk.py",
    "mobile_assets/test_typescript.py",
    "training/learning/test_parallel.py",
)

# Few photos and a few passes: enough for answers that are neither noise nor certain.
TINY = (
    "data.train_per_class=24",
    "data.validation_per_class=8",
    "model.architecture=ghostnet_050",
    "model.input_px=64",
    "train.epochs=8",
    "train.batch_size=32",
    "train.learning_rate=4e-3",
    "train.warmup_epochs=1",
    "train.ema_decay=0.9",
    "train.policy=none",
    "train.workers=0",
    "train.threads=1",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    begin = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FILES)}
    assert all(path.is_file() for path in begin), "LONGEST_FILES names a file that is not there"
    items.sort(key=lambda item: begin.get(item.path, len(begin)))


def hash_sources(*rooms: str, extra: tuple[str, ...] = ()) -> str:
    """Names what a cached file depends on: the sources of some rooms, the lock, and words."""
    digest = hashlib.sha256("\n".join(extra).encode())
    files = [path for room in rooms for path in sorted((ROOT / room).glob("**/*.py"))]
    for path in [*files, ROOT / "requirements.lock"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def one_at_a_time(made: Path) -> Iterator[None]:
    """Lets one test process at a time look for a cached folder, and make it where it is missing."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name(f".{made.name}.test-lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_command(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs one of our commands as a user does, and returns what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def run_here(room: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Does the same in this process, which has imported the runtimes already.

    Each command has one test that runs it by `run_command`.
    """
    main = importlib.import_module(f"{room}.cli").main
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def trained_checkpoint() -> Path:
    """A GhostNet 0.5x for 64 pixels, trained for seconds on the synthetic photos."""
    out = CACHE / f"checkpoint-{hash_sources('training', extra=TINY)}"
    with one_at_a_time(out):
        if not (out / "SHA256SUMS").exists():
            settings = [part for assignment in TINY for part in ("--set", assignment)]
            done = run_command("training", "fit", *settings, "--out", out)
            assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def grocery_folder() -> Path:
    """The Grocery Store Dataset's photos, where the machine has them."""
    folder = Path(os.environ.get("GROCERY_PHOTOS", ROOT.parent / "shared" / "data" / "grocery"))
    if not (folder / "train.txt").is_file():
        pytest.skip(f"no grocery photos at {folder}; set GROCERY_PHOTOS to a copy of them")
    return folder
