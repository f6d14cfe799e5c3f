"""The second runtime for `.tflite` files, and what is made of its answers."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from conversion.answers import Replies
from conversion.artifact import Build
from conversion.cross_check import MAX_PHOTOS, cross_check
from conversion.errors import ArtifactError
from conversion.runners import LiteRtRunner
from conversion.tensorflow_runner import TensorFlowRunner
from tests.conftest import ROOT
from training.answers import Answers
from training.sources.data import open_source

LITERT_KEYS = ("litert-fp32", "litert-fp16", "litert-dynamic-int8", "litert-int8")


@pytest.mark.parametrize("key", LITERT_KEYS)
def test_the_interpreter_answers_like_litert_in_other_kernels(paths, photos, checkpoint, key):
    runner = TensorFlowRunner(paths[key])
    assert runner.labels == checkpoint.labels.names
    own, other = LiteRtRunner(paths[key]).answer(photos), runner.answer(photos)
    largest = np.abs(own.probabilities - other.probabilities).max()
    assert 0 < largest < (1e-4 if key.endswith(("fp32", "fp16")) else 0.6)


def test_a_truncated_file_is_a_typed_error_that_names_the_runtime(paths, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(paths["litert"].read_bytes()[:20_000])
    with pytest.raises(ArtifactError, match=r"cut\.tflite: TensorFlow refuses it"):
        TensorFlowRunner(path)


@pytest.fixture
def answers(checkpoint, build: Build, paths) -> Replies:
    """What one `.tflite` and one `.pte` say of all validation photos."""
    photos = open_source(checkpoint.settings.data).validation
    x_nhwc = np.stack([checkpoint.preprocess.read(photo.read()) for photo in photos])
    rows = LiteRtRunner(paths["litert-fp32"]).answer(x_nhwc)
    own = {paths[key].name: rows for key in ("litert-fp32", "executorch-fp32")}
    return Replies(photos, np.ones(len(photos), np.int64), rows, own, {})


def test_up_to_64_photos_are_compared_row_by_row(build_folder, build, checkpoint, answers, paths):
    lines: list[str] = []
    checks = cross_check(build_folder, build, checkpoint, answers, lines.append)
    assert list(checks) == [paths["litert-fp32"].name], "of the files that answered, the .tflite"
    [check] = checks.values()
    assert (check.photos, check.agreement, check.faults()) == (MAX_PHOTOS, 1.0, [])
    assert len(lines) == 1


def test_other_answers_than_the_file_gives_are_a_fault(
    build_folder, build, checkpoint, answers, paths
):
    name = paths["litert-fp32"].name
    own = answers.artifacts[name]
    shifted = Answers(np.roll(own.probabilities, 1, axis=1), own.known_scores)
    wrong = replace(answers, artifacts={name: shifted})
    [check] = cross_check(build_folder, build, checkpoint, wrong, print).values()
    assert check.agreement < 0.1
    assert "gives the same answer on" in check.faults()[0]
    assert "a probability in TensorFlow interpreter differs by" in check.faults()[1]


def test_nothing_to_check_needs_no_tensorflow(build_folder, build, checkpoint, answers):
    nothing = replace(answers, artifacts={})
    assert cross_check(build_folder, build, checkpoint, nothing, print) == {}


BLOCKED = """
import sys
from pathlib import Path
sys.modules["tensorflow"] = None
from conversion.errors import RuntimeMissingError
from conversion.tensorflow_runner import TensorFlowRunner
try:
    TensorFlowRunner(Path("x"))
except RuntimeMissingError as error:
    assert "--no-cross-check" in str(error), error
else:
    raise SystemExit("it opened")
print("still heard", file=sys.stderr)
"""


def test_without_tensorflow_the_error_says_how_to_go_without():
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "still heard\n"
