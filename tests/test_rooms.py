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
        "checkpoint.py",
        "evaluation/evaluate.py",
        "learning/augment.py",
        "learning/batches.py",
        "learning/density.py",
        "learning/ema.py",
        "learning/learner.py",
        "learning/losses.py",
        "learning/memory.py",
        "learning/mixing.py",
        "learning/optimise.py",
        "learning/parallel.py",
        "learning/plain_loop.py",
        "learning/state.py",
        "learning/teacher.py",
        "learning/throughput.py",
        "learning/train.py",
        "learning/whole_batch.py",
        "networks/branches.py",
        "networks/catalogue.py",
        "networks/ghostnet.py",
        "networks/ghostnet_v2.py",
        "networks/ghostnet_v3.py",
        "networks/known_score.py",
        "networks/normalise.py",
        "networks/outputs.py",
        "networks/pretrained.py",
    },
    "conversion": {
        "benchmark/contenders.py",
        "benchmark/onnx_export.py",
        "deploy.py",
        "formats/coreml.py",
        "formats/executorch.py",
        "formats/executorch_delegates.py",
        "formats/executorch_int8.py",
        "formats/executorch_qat.py",
        "formats/tflite.py",
        "localise/reference.py",
        "mil/arguments.py",
        "mil/evaluator.py",
        "mil/layers.py",
        "mil/pointwise.py",
        "mil/shapes.py",
        "parity/hazards.py",
        "runners.py",
        "spreading.py",
        "structure/xnnpack_evaluation.py",
        "tensorflow_runner.py",
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
        assert path.relative_to(ROOT / room).as_posix() in NEED_HEAVY[room]


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
