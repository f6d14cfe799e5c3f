"""Figures are there, whole and in order; how large they are is the machine's business."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conversion.artifact import read_build
from conversion.benchmark.contenders import Load, prepare
from conversion.benchmark.measure import (
    EAGER,
    MAX_ONNX_DIFFERENCE,
    ONNX,
    choose_pixels,
    run_benchmark,
)
from conversion.benchmark.onnx_export import export_onnx
from conversion.benchmark.result import read_benchmark
from conversion.benchmark.turns import THREADS, Options
from conversion.errors import ArtifactError, BenchmarkError
from tests.conftest import run_command
from tests.conversion import damage
from training.config import override
from training.files import write_sums


def silent(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def benched(build_folder: Path, checkpoint, tmp_path_factory) -> Path:
    """A build after a benchmark of two rounds, one artifact of which LiteRT refuses."""
    copy = tmp_path_factory.mktemp("benched") / "build"
    shutil.copytree(build_folder, copy)
    damage.truncate(next(copy.glob("*litert-fp16.tflite")), checkpoint)
    damage.rewrite_build(copy)
    run_benchmark(copy, checkpoint, Options(rounds=2), None, silent)
    return copy


@pytest.fixture(scope="module")
def result(benched: Path):
    return read_benchmark(benched / "benchmark")


def test_every_artifact_and_both_yardsticks_have_a_line(result, build):
    names = [entry.name for entry in result.entries]
    assert names == [EAGER, ONNX, *(artifact.file_name for artifact in build.artifacts)]
    assert [entry.role for entry in result.entries[:3]] == ["yardstick", "yardstick", "artifact"]
    assert result.checkpoint_sha256 == build.checkpoint_sha256


def test_what_runs_here_was_timed_on_one_and_on_two_threads(result):
    for entry in result.entries:
        assert bool(entry.timings) != bool(entry.why_not)
        assert tuple(timing.threads for timing in entry.timings) in ((), THREADS)
        assert entry.size_bytes > 100_000
    timed = {entry.title for entry in result.entries if entry.timings}
    assert timed >= {"PyTorch, eager", "ONNX Runtime fp32", "ExecuTorch int8", "LiteRT int8"}


def test_figures_are_positive_and_in_order(result):
    for entry in result.entries:
        for timing in entry.timings:
            assert 0 < timing.fastest_ms <= timing.median_ms <= timing.p90_ms
            assert timing.answers == 2 * result.method["timed_answers"]
            assert timing.load_ms > 0
            assert timing.first_answer_ms > 0
            assert timing.baseline_bytes > 10e6, "a Python process with its runtime"
            assert 0 < timing.memory_bytes < 1e9
            ratio = timing.over_eager
            assert 0 < ratio.low <= ratio.median <= ratio.high


def test_ratios_are_to_eager_pytorch_and_to_the_own_fp32(result):
    by_title = {entry.title: entry for entry in result.entries}
    for threads in THREADS:
        assert by_title["PyTorch, eager"].timing(threads).over_eager.median == 1
        assert by_title["LiteRT fp32"].timing(threads).over_fp32.median == 1
        assert by_title["LiteRT int8"].timing(threads).over_fp32.median > 0
        assert by_title["ONNX Runtime fp32"].timing(threads).over_fp32 is None


def test_core_ml_and_phone_delegates_are_never_said_to_have_been_timed(result):
    reasons = {entry.title: entry.why_not for entry in result.entries if not entry.failed}
    assert reasons["Core ML fp16"] == "Core ML runs on Apple devices only"
    assert reasons["ExecuTorch vulkan fp16"] == "the vulkan delegate runs on phones only"
    assert reasons["ExecuTorch fp32"] == ""


def test_an_artifact_that_its_runtime_refuses_is_a_line_and_stops_nobody(result):
    entry = next(entry for entry in result.entries if entry.title == "LiteRT fp16")
    assert entry.failed
    assert "LiteRT refuses it" in entry.why_not
    assert "/" not in entry.why_not.split(":")[0], "folders of this machine stay out"
    others = [entry for entry in result.entries if entry.failed and entry.title != "LiteRT fp16"]
    assert others == []


def test_answers_are_those_of_the_network_that_was_asked_for(result):
    for entry in result.entries:
        if entry.timings and entry.title.endswith(("fp32", "eager")):
            assert entry.max_probability_difference < MAX_ONNX_DIFFERENCE
        elif entry.timings:
            assert 0 < entry.max_probability_difference < 1


def test_machine_and_method_are_stated(result):
    assert result.machine["processor"]
    assert result.machine["cores"] >= 1
    assert 0 <= (result.machine["busy_with_others"] or 0) <= 1
    assert "OMP_WAIT_POLICY=PASSIVE" in result.method["waiting_threads"]
    assert "validation photos of synthetic" in result.method["photos"]
    assert {"torch", "executorch", "ai-edge-litert", "onnxruntime"} <= set(result.tool_versions)


def test_table_and_picture_lie_beside_the_figures(benched: Path, result):
    page = (benched / "benchmark" / "benchmark.md").read_text()
    for entry in result.entries:
        assert entry.title in page
    assert "Core ML fp16 (" in page
    with Image.open(benched / "benchmark" / "benchmark.png") as picture:
        assert picture.width > 1000
    assert read_build(benched), "the build itself is as it was"


def test_a_changed_benchmark_is_refused(benched: Path, tmp_path):
    folder = tmp_path / "benchmark"
    shutil.copytree(benched / "benchmark", folder)
    path = folder / "benchmark.json"
    path.write_text(path.read_text().replace('"threads": 1', '"threads": 3', 1))
    with pytest.raises(ArtifactError, match="changed after it was written"):
        read_benchmark(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value.pop("schema"), "its schema is not"),
        (lambda value: value.pop("machine"), "not a benchmark"),
        (lambda value: value["entries"][0]["timings"][0].update(median_ms=-1.0), "not times"),
        (lambda value: value["entries"][0].pop("timings"), "not a benchmark"),
        (lambda value: value.update(entries=3), "not a benchmark"),
        (lambda value: value["entries"][0]["timings"][0]["over_eager"].update(low=9e9), "ratio"),
    ],
)
def test_a_malformed_benchmark_is_a_typed_error(benched: Path, tmp_path, change, words):
    value = json.loads((benched / "benchmark" / "benchmark.json").read_text())
    change(value)
    (tmp_path / "benchmark.json").write_text(json.dumps(value))
    write_sums(tmp_path)
    with pytest.raises(ArtifactError, match=words):
        read_benchmark(tmp_path)


def test_onnx_runtime_agrees_with_pytorch_on_photos(checkpoint, photos, tmp_path):
    path = tmp_path / "network.onnx"
    export_onnx(checkpoint, path)
    answer = prepare("onnx")(Load(path, 1, spin=False))
    x_nchw = photos.transpose(0, 3, 1, 2).astype(np.float32)
    own = np.concatenate([answer(np.ascontiguousarray(x[None])) for x in x_nchw])
    reference = checkpoint.answer(photos).probabilities
    assert np.abs(own - reference).max() < 1e-4
    assert len(set(reference.argmax(axis=1))) > 4, "a constant answer would agree with itself"


def test_a_build_of_another_checkpoint_is_refused(copy_of_build, other_checkpoint):
    with pytest.raises(BenchmarkError, match="was made of checkpoint"):
        run_benchmark(copy_of_build, other_checkpoint, Options(), None, silent)
    assert not (copy_of_build / "benchmark").exists()


def test_a_folder_that_is_no_benchmark_is_not_replaced(build_folder, checkpoint, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(BenchmarkError, match="exists and is no benchmark"):
        run_benchmark(build_folder, checkpoint, Options(), tmp_path, silent)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_without_the_source_there_are_still_pixels_and_their_origin_is_told(checkpoint, tmp_path):
    settings = override(checkpoint.settings, ("data.source=folder", f"data.path={tmp_path}/none"))
    x_nhwc, words = choose_pixels(tmp_path, replace(checkpoint, settings=settings))
    assert words == "random pixels: no photos are at hand"
    assert x_nhwc.shape[1:] == (64, 64, 3)


def test_one_round_has_no_spread():
    with pytest.raises(BenchmarkError, match="at least 2"):
        Options(rounds=1)


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_what_a_runtime_refuses_is_a_typed_error(kind, tmp_path):
    path = tmp_path / "network.bin"
    path.write_bytes(b"no network" * 100)
    with pytest.raises(ArtifactError, match=r"network\.bin: .* refuses it"):
        prepare(kind)(Load(path, 1, spin=False))


def test_an_unknown_runtime_is_refused():
    with pytest.raises(ArtifactError, match="allowed are pytorch, onnx, executorch, litert"):
        prepare("tensorrt")


def test_errors_of_the_command_are_one_line(build_folder, tmp_path):
    done = run_command("conversion", "benchmark", build_folder, "--checkpoint", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no checkpoint at ")
    assert len(done.stderr.splitlines()) == 1
    assert not (build_folder / "benchmark").exists()
