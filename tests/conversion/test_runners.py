import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conversion.errors import ArtifactError, RuntimeMissingError
from conversion.runners import LiteRtRunner, MilRunner, open_runner
from tests.conftest import ROOT
from tests.conversion import damage

RUNTIMES = ("executorch", "litert", "coreml")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runner_answers_one_row_a_photo_whatever_the_batch(paths, photos, runtime):
    runner = open_runner(paths[runtime], runtime)
    together = runner.answer(photos).probabilities
    assert together.dtype == np.float32
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=2e-3)
    alone = np.concatenate([runner.answer(photo[None]).probabilities for photo in photos])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(together, axis=0)) == len(photos), "each photo has its own answer"


@pytest.mark.parametrize("runtime", ["litert", "coreml"])
def test_labels_are_found_inside_the_file(paths, checkpoint, runtime):
    assert open_runner(paths[runtime], runtime).labels == checkpoint.labels.names


def test_a_pte_holds_no_labels(paths):
    assert open_runner(paths["executorch"], "executorch").labels is None


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 3, 64, 64), np.uint8),
        np.zeros((0, 64, 64, 3), np.uint8),
    ],
    ids=["side", "float", "no batch", "nchw", "empty"],
)
def test_pixels_of_another_shape_or_type_are_refused(paths, runtime, pixels):
    with pytest.raises(ArtifactError, match="photos are"):
        open_runner(paths[runtime], runtime).answer(pixels)


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_a_typed_error(paths, tmp_path: Path, runtime, share):
    data = paths[runtime].read_bytes()
    path = tmp_path / paths[runtime].name
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ArtifactError, match=path.name):
        open_runner(path, runtime)


def test_a_tflite_that_lost_its_labels_is_said_to_be_truncated(paths, tmp_path: Path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(paths["litert"].read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="truncated"):
        open_runner(path, "litert")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bytes_that_are_no_model_are_a_typed_error(tmp_path: Path, runtime):
    path = tmp_path / "noise"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ArtifactError):
        open_runner(path, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_missing_file_is_a_typed_error(tmp_path: Path, runtime):
    with pytest.raises(ArtifactError, match="none"):
        open_runner(tmp_path / "none", runtime)


def test_answers_that_are_not_finite_are_refused(paths, checkpoint, tmp_path, photos):
    path = tmp_path / "broken.tflite"
    path.write_bytes(paths["litert"].read_bytes())
    weight = checkpoint.model.classifier.weight.detach()
    damage.replace_bytes(path, weight, weight * float("nan"))
    with pytest.raises(ArtifactError, match="not finite"):
        open_runner(path, "litert").answer(photos)


def test_an_unknown_runtime_is_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match="'onnx': allowed are executorch, litert, coreml"):
        open_runner(tmp_path, "onnx")


def test_a_litert_runner_takes_bytes_and_threads(paths, photos):
    one = LiteRtRunner(paths["litert"].read_bytes(), threads=1).answer(photos).probabilities
    two = LiteRtRunner(paths["litert"], threads=2).answer(photos).probabilities
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_mil_evaluation_honours_the_declared_colour_order(paths, tmp_path, photos, checkpoint):
    import shutil

    copy = tmp_path / paths["coreml"].name
    shutil.copytree(paths["coreml"], copy)
    damage.swap_channels(copy, checkpoint)
    as_bgr = MilRunner(copy).answer(photos).probabilities
    straight = MilRunner(paths["coreml"])
    np.testing.assert_array_equal(as_bgr, straight.answer(photos[..., ::-1].copy()).probabilities)
    assert np.abs(as_bgr - straight.answer(photos).probabilities).max() > 0.01


BLOCKED = """
import sys
from pathlib import Path
for name in ("ai_edge_litert", "executorch", "coreml_tools", "coremltools"):
    sys.modules[name] = None
from conversion.errors import RuntimeMissingError
from conversion.runners import open_runner
assert "torch" not in sys.modules
for runtime, package in (("litert", "ai-edge-litert"), ("executorch", "executorch"),
                         ("coreml", "coremltools")):
    try:
        open_runner(Path("x"), runtime)
    except RuntimeMissingError as error:
        assert package in str(error), error
    else:
        raise SystemExit(f"{runtime} opened")
"""


def test_a_runtime_that_is_not_installed_is_named_and_torch_is_not_needed_to_say_so():
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert issubclass(RuntimeMissingError, Exception)
