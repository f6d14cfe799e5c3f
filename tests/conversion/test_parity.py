import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from conversion.artifact import artifact_bytes, read_golden, read_parity
from conversion.errors import ArtifactError, ParityError
from conversion.parity import run_parity
from conversion.runners import open_runner
from tests.conversion import damage
from training.config import override
from training.errors import PhotoError
from training.files import sha256_bytes
from training.preprocess import Preprocess


def silent(_line: str) -> None:
    pass


def run_damaged(copy_of_build, checkpoint, how):
    for path in sorted(copy_of_build.glob("produce-*")):
        how(path, checkpoint)
    damage.rewrite_build(copy_of_build)
    reports = run_parity(copy_of_build, checkpoint, 64, silent)
    return {report.artifact.split("-")[2]: report for report in reports}


@pytest.fixture(scope="module")
def checked(build_folder: Path, checkpoint, tmp_path_factory) -> Path:
    """A build after parity on all validation photos."""
    copy = tmp_path_factory.mktemp("checked") / "build"
    shutil.copytree(build_folder, copy)
    run_parity(copy, checkpoint, None, silent)
    return copy


def test_every_format_answers_like_the_checkpoint(checked: Path, checkpoint):
    reports = read_parity(checked)
    assert [report.reasons() for report in reports.values()] == [[], [], []]
    assert {report.evaluator for report in reports.values()} >= {
        "ExecuTorch runtime",
        "LiteRT runtime",
    }
    for report in reports.values():
        assert report.photos == 128
        assert report.checkpoint_sha256 == checkpoint.sha256
        assert abs(report.artifact_top1 - report.reference_top1) <= 1 - report.agreement
        assert report.reference_top1 > 0.3, "a network that guesses would hide differences"


def test_off_macos_core_ml_is_never_said_to_have_run(checked: Path):
    report = read_parity(checked)["produce-1.2.3-coreml-fp16.mlpackage"]
    assert report.evaluator in ("MIL reference evaluation", "Core ML (macOS)")
    assert 0 < report.max_probability_difference < 0.1, "float16 must leave a trace"


def test_golden_photos_come_with_the_answers_of_every_artifact(checked: Path, build, checkpoint):
    golden = read_golden(checked)
    assert len(golden) == 8
    assert len({entry.label for entry in golden}) == 8
    for entry in golden:
        data = (checked / "parity" / entry.file).read_bytes()
        assert sha256_bytes(data) == entry.sha256
        assert set(entry.answers) == {artifact.file_name for artifact in build.artifacts}
        x_nhwc = checkpoint.preprocess.read(data)[None]
        for artifact in build.artifacts:
            runner = open_runner(checked / artifact.file_name, artifact.runtime)
            answer = runner.probabilities(x_nhwc)[0]
            assert answer == pytest.approx(entry.answers[artifact.file_name], abs=1e-4)
            assert build.labels.names[answer.argmax()] == entry.label


def test_the_report_is_the_same_for_the_same_build(
    checked: Path, build_folder, checkpoint, tmp_path
):
    again = tmp_path / "again"
    shutil.copytree(build_folder, again)
    run_parity(again, checkpoint, None, silent)
    for name in ("report.md", "golden.json", "report.png"):
        assert (again / "parity" / name).read_bytes() == (checked / "parity" / name).read_bytes()


def test_running_parity_leaves_the_build_as_it_was(checked: Path, build_folder: Path):
    for path in build_folder.glob("produce-*"):
        assert artifact_bytes(path) == artifact_bytes(checked / path.name)


@pytest.mark.parametrize("how", [damage.swap_channels, damage.shift_mean])
def test_wrong_pixels_fail_in_every_format(copy_of_build, checkpoint, how):
    for runtime, report in run_damaged(copy_of_build, checkpoint, how).items():
        assert not report.passed, runtime
        assert "names the same class as the checkpoint on" in report.reasons()[0]
        assert report.disagreements


def test_swapped_labels_fail_where_a_format_holds_labels(copy_of_build, checkpoint):
    for suffix in ("tflite", "mlpackage"):
        damage.swap_labels(next(copy_of_build.glob(f"*.{suffix}")), checkpoint)
    damage.rewrite_build(copy_of_build)
    reports = run_parity(copy_of_build, checkpoint, 16, silent)
    verdicts = {report.artifact.split("-")[2]: report.reasons() for report in reports}
    assert verdicts["executorch"] == []
    assert "labels" in verdicts["litert"][0]
    assert "labels" in verdicts["coreml"][0]


def test_truncated_files_fail_and_are_named(copy_of_build, checkpoint):
    for runtime, report in run_damaged(copy_of_build, checkpoint, damage.truncate).items():
        (reason,) = report.reasons()
        assert "cannot be opened" in reason, runtime
        assert report.artifact in reason
        assert report.photos == 0


def test_a_file_truncated_after_the_build_is_refused_before_it_runs(copy_of_build, checkpoint):
    damage.truncate(next(copy_of_build.glob("*.pte")), checkpoint)
    with pytest.raises(ArtifactError, match="changed after it was written"):
        run_parity(copy_of_build, checkpoint, 16, silent)
    assert not (copy_of_build / "parity").exists()


def test_artifacts_of_other_weights_fail_in_every_format(copy_of_build, other_checkpoint):
    damage.rewrite_build(copy_of_build, checkpoint_sha256=other_checkpoint.sha256)
    for report in run_parity(copy_of_build, other_checkpoint, 32, silent):
        assert not report.passed
        assert "names the same class" in report.reasons()[0]


def test_a_build_of_another_checkpoint_is_refused(build_folder, checkpoint, other_checkpoint):
    with pytest.raises(ParityError) as caught:
        run_parity(build_folder, other_checkpoint, 16, silent)
    assert checkpoint.sha256 in str(caught.value)
    assert other_checkpoint.sha256 in str(caught.value)


def with_data(checkpoint, *assignments):
    return dataclasses.replace(checkpoint, settings=override(checkpoint.settings, assignments))


def write_photos(folder: Path, checkpoint, names) -> Path:
    for split in ("train", "validation"):
        for number, name in enumerate(names):
            (folder / split / name).mkdir(parents=True)
            pixels = Preprocess(64, 64).input_px
            image = __import__("PIL.Image").Image.new("RGB", (pixels, pixels), (number * 9, 80, 9))
            image.save(folder / split / name / "1.png")
    return folder


def test_photos_of_other_classes_are_refused(build_folder, checkpoint, tmp_path):
    folder = write_photos(tmp_path / "photos", checkpoint, ["one", "two"])
    other = with_data(checkpoint, "data.source=folder", f"data.path={folder}")
    with pytest.raises(ParityError, match="2 classes that are not the checkpoint's"):
        run_parity(build_folder, other, None, silent)


def test_an_unreadable_photo_stops_parity_or_is_left_out_aloud(copy_of_build, checkpoint, tmp_path):
    folder = write_photos(tmp_path / "photos", checkpoint, sorted(checkpoint.labels.names))
    if tuple(sorted(checkpoint.labels.names)) != checkpoint.labels.names:
        pytest.skip("a folder's classes are in alphabetical order, these are not")
    bad = sorted(folder.glob("validation/*/1.png"))[3]
    bad.write_bytes(bad.read_bytes()[:50])
    own = with_data(checkpoint, "data.source=folder", f"data.path={folder}")
    with pytest.raises(PhotoError, match=bad.parent.name):
        run_parity(copy_of_build, own, None, silent)
    assert not (copy_of_build / "parity").exists()
    lines: list[str] = []
    skipping = with_data(own, "data.skip_problems=true")
    reports = run_parity(copy_of_build, skipping, None, lines.append)
    assert reports[0].photos == len(checkpoint.labels) - 1
    assert any(line.startswith("left out") and bad.parent.name in line for line in lines)


def test_a_limit_spreads_the_photos_over_the_classes(copy_of_build, checkpoint):
    run_parity(copy_of_build, checkpoint, 16, silent)
    labels = {entry.label for entry in read_golden(copy_of_build)}
    assert len(labels) > 4
    value = json.loads(next((copy_of_build / "parity").glob("*.tflite.json")).read_text())
    assert value["photos"] == 16
