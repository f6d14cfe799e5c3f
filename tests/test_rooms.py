"""The house rules: later rooms import earlier ones; heavy packages stay where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("training", "conversion", "mobile_assets", "serving")
HEAVY = {
    "torch",
    "executorch",
    "coremltools",
    "litert_torch",
    "tensorflow",
    "onnx",
    "onnxscript",
    "onnxruntime",
}
# The only files that may import a heavy package, even inside a function.
NEED_HEAVY = {
    "training": {
        "augment.py",
        "batches.py",
        "branches.py",
        "checkpoint.py",
        "ema.py",
        "evaluate.py",
        "features.py",
        "ghostnet.py",
        "ghostnet_v2.py",
        "ghostnet_v3.py",
        "learner.py",
        "losses.py",
        "memory.py",
        "mixing.py",
        "networks.py",
        "normalise.py",
        "optimise.py",
        "parallel.py",
        "plain_loop.py",
        "pretrained.py",
        "state.py",
        "teacher.py",
        "throughput.py",
        "train.py",
        "whole_batch.py",
    },
    "conversion": {
        "benchmark_contenders.py",
        "benchmark_onnx.py",
        "coreml.py",
        "deploy.py",
        "executorch.py",
        "executorch_delegates.py",
        "executorch_int8.py",
        "executorch_qat.py",
        "hazards.py",
        "localise_reference.py",
        "mil.py",
        "mil_arguments.py",
        "mil_layers.py",
        "mil_pointwise.py",
        "mil_shapes.py",
        "runners.py",
        "spreading.py",
        "tensorflow_runner.py",
        "tflite.py",
        "xnnpack_evaluation.py",
    },
    "mobile_assets": set(),
    "serving": set(),
}
BLOCKED = """
import importlib, pkgutil, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocker())
import {room}
for module in pkgutil.walk_packages({room}.__path__, "{room}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found.add((node.module or "").split(".")[0])
    return found


FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_earlier_rooms_and_heavy_packages_only_where_needed(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    imported = imports_of(path)
    later = set(ROOMS[ROOMS.index(room) + 1 :])
    assert not imported & later
    if imported & HEAVY:
        assert path.name in NEED_HEAVY[room]


@pytest.mark.parametrize("room", ["mobile_assets", "serving"])
def test_rooms_load_without_any_heavy_package(room: str) -> None:
    code = BLOCKED.format(heavy=HEAVY, room=room)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_of_heavy_files_is_not_longer_than_the_truth() -> None:
    for room, names in NEED_HEAVY.items():
        for name in names:
            assert imports_of(ROOT / room / name) & HEAVY, f"{room}/{name} needs no heavy package"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 420
