import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conversion.artifact import artifact_bytes, read_golden, read_parity
from conversion.errors import ArtifactError, ParityError
from conversion.parity.check import Options, run_parity
from conversion.parity.files import read_findings
from conversion.parity.gate import Gate
from conversion.runners import open_runner
from tests.conversion import damage
from training.config import override
from training.errors import PhotoError
from training.files import sha256_bytes, write_sums

FAITHFUL = ("executorch-fp32", "litert-fp32", "coreml-fp16")
DELEGATES = {"executorch-coreml-fp16", "executorch-vulkan-fp16"}


def silent(_line: str) -> None:
    pass


@pytest.fixture
def small_build(copy_of_build: Path) -> Path:
    """A build of one faithful artifact a runtime, which a test may damage."""
    return damage.keep_variants(copy_of_build, *FAITHFUL)


def run_damaged(small_build, checkpoint, how):
    for path in sorted(small_build.glob("produce-*")):
        how(path, checkpoint)
    damage.rewrite_build(small_build)
    reports = run_parity(small_build, checkpoint, Options(limit=64), silent)
    return {report.artifact.split("-")[2]: report for report in reports}


@pytest.fixture(scope="module")
def checked(build_folder: Path, checkpoint, tmp_path_factory) -> Path:
    """A build with every variant, after parity on all validation photos."""
    copy = tmp_path_factory.mktemp("checked") / "build"
    shutil.copytree(build_folder, copy)
    run_parity(copy, checkpoint, Options(cross_check=True), silent)
    return copy


@pytest.fixture(scope="module")
def findings(checked: Path, build):
    return {entry.artifact.variant.key: entry for entry in read_findings(checked, build)}


def test_every_float_file_passes_and_no_variant_answers_otherwise(findings, build, checkpoint):
    assert list(findings) == [artifact.variant.key for artifact in build.artifacts]
    verdicts = {key: finding.report.verdict for key, finding in findings.items()}
    for key in (*FAITHFUL, "litert-fp16"):
        assert verdicts[key] == "passed", findings[key].report.reasons()
    assert {key for key in verdicts if verdicts[key] == "not executed"} == DELEGATES
    for key in set(findings) - DELEGATES:
        report = findings[key].report
        # Fewer bits may tip photos over that lie on the edge of two classes, but only those.
        assert report.agreement > 0.9, key
        assert report.photos == 128
        assert report.checkpoint_sha256 == checkpoint.sha256
        assert abs(report.loss) <= 1 - report.agreement
        assert report.loss_low <= report.loss <= report.loss_high
        assert report.reference_top1 > 0.3, "a network that guesses would hide differences"
        assert report.loss_margin == (0.005 if key.endswith(("fp32", "fp16")) else 0.015)


def test_statistics_and_structure_stand_beside_the_report(findings):
    for key, finding in findings.items():
        assert finding.structure is not None
        assert (finding.statistics is None) == (key in DELEGATES)
        if finding.statistics is None:
            continue
        report, statistics = finding.report, finding.statistics
        assert statistics.gate_interval == (report.loss_low, report.loss_high)
        assert statistics.loss.value == pytest.approx(report.loss)
        assert (statistics.artifact_top1, statistics.photos) == (report.artifact_top1, 128)
        assert [flip.photo for flip in statistics.flips] == list(report.disagreements)


def test_fewer_bits_leave_a_greater_trace(findings):
    trace = {
        key: finding.statistics.mean_divergence
        for key, finding in findings.items()
        if finding.statistics is not None
    }
    assert trace["litert-fp32"] < trace["litert-fp16"] < trace["litert-int8"]
    assert trace["executorch-fp32"] < trace["executorch-int8"]
    assert trace["coreml-fp16"] < trace["coreml-palette8"] < trace["coreml-palette6"]


def test_tensorflow_confirms_each_tflite_and_nothing_else(findings):
    for key, finding in findings.items():
        check = finding.statistics.cross_check if finding.statistics is not None else None
        assert (check is not None) == key.startswith("litert"), key
        if check is None:
            continue
        assert check.faults() == []
        assert check.photos == 64
        assert finding.report.tool_versions["tensorflow"]
        # Not the same kernels under another name: sums are taken in another order.
        assert check.max_probability_difference > 0
        if key in ("litert-fp32", "litert-fp16"):
            assert check.max_probability_difference < 1e-4


def test_off_macos_core_ml_is_never_said_to_have_run(findings):
    report = findings["coreml-fp16"].report
    assert report.evaluator in ("MIL reference evaluation", "Core ML (macOS)")
    assert 0 < report.max_probability_difference < 0.1, "float16 must leave a trace"
    assert 0 < report.max_known_score_difference < report.max_known_score_difference_allowed


def test_golden_photos_come_with_the_answers_of_every_artifact_that_ran(checked, build, checkpoint):
    golden = read_golden(checked)
    executed = [artifact for artifact in build.artifacts if artifact.variant.executed_here]
    assert len(golden) == 8
    assert len({entry.label for entry in golden}) == 8
    photos = [(checked / "parity" / entry.file).read_bytes() for entry in golden]
    x_nhwc = np.stack([checkpoint.preprocess.read(data) for data in photos])
    for entry, data in zip(golden, photos, strict=True):
        assert sha256_bytes(data) == entry.sha256
        assert set(entry.answers) == {artifact.file_name for artifact in executed}
    for artifact in executed:
        runner = open_runner(checked / artifact.file_name, artifact.runtime)
        expected = np.array([entry.answers[artifact.file_name] for entry in golden])
        given = runner.answer(x_nhwc)
        np.testing.assert_allclose(given.probabilities, expected, atol=1e-4)
        scores = [entry.known_scores[artifact.file_name] for entry in golden]
        np.testing.assert_allclose(given.known_scores, scores, atol=1e-3)
        named = [build.labels.names[index] for index in expected.argmax(axis=1)]
        if artifact.variant.key in FAITHFUL:
            assert named == [entry.label for entry in golden]


def test_the_report_is_the_same_for_the_same_build(small_build: Path, checkpoint, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(small_build, again)
    for folder in (small_build, again):
        run_parity(folder, checkpoint, Options(limit=100), silent)
    sums = [(folder / "parity" / "SHA256SUMS").read_text() for folder in (small_build, again)]
    assert sums[0] == sums[1]
    assert "statistics/produce-1.2.3-litert-fp32.tflite.json" in sums[0]


def test_running_parity_leaves_the_build_as_it_was(checked: Path, build_folder: Path):
    for path in build_folder.glob("produce-*"):
        assert artifact_bytes(path) == artifact_bytes(checked / path.name)


@pytest.mark.parametrize("how", [damage.swap_channels, damage.shift_mean])
def test_wrong_pixels_fail_in_every_format(small_build, checkpoint, how):
    for runtime, report in run_damaged(small_build, checkpoint, how).items():
        assert report.verdict == "failed", runtime
        assert "points of accuracy, surely" in report.reasons()[0]
        assert "a probability differs by" in report.reasons()[1]
        assert report.disagreements


def test_swapped_labels_fail_where_a_format_holds_labels(small_build, checkpoint):
    for suffix in ("tflite", "mlpackage"):
        damage.swap_labels(next(small_build.glob(f"*.{suffix}")), checkpoint)
    damage.rewrite_build(small_build)
    reports = run_parity(small_build, checkpoint, Options(limit=112), silent)
    verdicts = {report.artifact.split("-")[2]: report.reasons() for report in reports}
    assert verdicts["executorch"] == []
    assert "labels" in verdicts["litert"][0]
    assert "labels" in verdicts["coreml"][0]


def test_truncated_files_fail_and_are_named(small_build, checkpoint):
    for runtime, report in run_damaged(small_build, checkpoint, damage.truncate).items():
        (reason,) = report.reasons()
        assert "cannot be opened" in reason, runtime
        assert report.artifact in reason
        assert str(small_build) not in reason
        assert report.photos == 0
    assert not (small_build / "parity" / "statistics").exists()


def test_a_file_truncated_after_the_build_is_refused_before_it_runs(copy_of_build, checkpoint):
    damage.truncate(next(copy_of_build.glob("*.pte")), checkpoint)
    with pytest.raises(ArtifactError, match="changed after it was written"):
        run_parity(copy_of_build, checkpoint, Options(limit=16), silent)
    assert not (copy_of_build / "parity").exists()


def test_artifacts_of_other_weights_fail_in_every_format(small_build, other_checkpoint):
    damage.rewrite_build(small_build, checkpoint_sha256=other_checkpoint.sha256)
    for report in run_parity(small_build, other_checkpoint, Options(limit=112), silent):
        assert report.verdict == "failed"
        assert "names the same class" in " ".join(report.reasons())


def test_a_build_of_another_checkpoint_is_refused(build_folder, checkpoint, other_checkpoint):
    with pytest.raises(ParityError) as caught:
        run_parity(build_folder, other_checkpoint, Options(limit=16), silent)
    assert checkpoint.sha256 in str(caught.value)
    assert other_checkpoint.sha256 in str(caught.value)


def with_data(checkpoint, *assignments):
    return dataclasses.replace(checkpoint, settings=override(checkpoint.settings, assignments))


def write_photos(folder: Path, names, shown=None) -> Path:
    """Writes a photo a class and split; validation has those of the classes `shown` only."""
    for split, wanted in (("train", names), ("validation", shown or names)):
        for number, name in enumerate(names):
            (folder / split / name).mkdir(parents=True)
            if name in wanted:
                image = Image.new("RGB", (64, 64), (number * 9, 80, 9))
                image.save(folder / split / name / "1.png")
    # A folder's classes come in alphabetical order unless a file says otherwise.
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def test_photos_of_other_classes_are_refused(build_folder, checkpoint, tmp_path):
    folder = write_photos(tmp_path / "photos", ["one", "two"])
    other = with_data(checkpoint, "data.source=folder", f"data.path={folder}")
    with pytest.raises(ParityError, match="2 classes that are not the checkpoint's"):
        run_parity(build_folder, other, Options(), silent)


@pytest.mark.parametrize("limit", [None, 1])
def test_photos_all_of_one_class_prove_nothing(small_build, checkpoint, tmp_path, limit):
    names = checkpoint.labels.names
    shown = names[2:3] if limit is None else names
    folder = write_photos(tmp_path / "photos", names, shown)
    own = with_data(checkpoint, "data.source=folder", f"data.path={folder}")
    with pytest.raises(ParityError, match=r"all show .*photos of at least 2 classes are needed"):
        run_parity(small_build, own, Options(limit=limit), silent)
    assert not (small_build / "parity").exists()


def test_an_unreadable_photo_stops_parity_or_is_left_out_aloud(small_build, checkpoint, tmp_path):
    folder = write_photos(tmp_path / "photos", checkpoint.labels.names)
    bad = sorted(folder.glob("validation/*/1.png"))[3]
    bad.write_bytes(bad.read_bytes()[:50])
    own = with_data(checkpoint, "data.source=folder", f"data.path={folder}")
    with pytest.raises(PhotoError, match=bad.parent.name):
        run_parity(small_build, own, Options(), silent)
    assert not (small_build / "parity").exists()
    lines: list[str] = []
    skipping = with_data(own, "data.skip_problems=true")
    reports = run_parity(small_build, skipping, Options(), lines.append)
    assert reports[0].photos == len(checkpoint.labels) - 1
    assert any(line.startswith("left out") and bad.parent.name in line for line in lines)


def test_a_limit_spreads_the_photos_over_the_classes(small_build, checkpoint):
    reports = run_parity(small_build, checkpoint, Options(limit=16), silent)
    labels = {entry.label for entry in read_golden(small_build)}
    assert len(labels) > 4
    assert [report.photos for report in reports] == [16, 16, 16]
    assert {report.verdict for report in reports} == {"inconclusive"}
    assert "16 photos are too few; at least 100 are needed" in reports[0].reasons()[0]


def test_margins_are_the_callers_and_stand_in_the_report(small_build, checkpoint):
    damage.keep_variants(small_build, "coreml-fp16")
    gate = Gate(margin_float=1e-9, margin_int8=0.5)
    [report] = run_parity(small_build, checkpoint, Options(gate=gate), silent)
    assert report.loss_margin == 1e-9
    assert report.verdict == "inconclusive", "float16 moves every photo a little"
    value = json.loads(next((small_build / "parity").glob("*coreml*.json")).read_text())
    assert value["loss_margin"] == 1e-9


def test_a_file_that_breaks_what_its_name_promises_fails(copy_of_build, checkpoint):
    folder = damage.keep_variants(copy_of_build, "litert-fp32", "litert-int8")
    wrong, right = folder / "produce-1.2.3-litert-int8.tflite", "produce-1.2.3-litert-fp32.tflite"
    wrong.write_bytes((folder / right).read_bytes())
    damage.rewrite_build(folder)
    reports = run_parity(folder, checkpoint, Options(), silent)
    assert [report.verdict for report in reports] == ["passed", "failed"]
    assert reports[1].agreement == 1.0
    assert "float32" in reports[1].reasons()[0]


def test_findings_of_a_damaged_parity_folder_are_refused(small_build, checkpoint, build):
    run_parity(small_build, checkpoint, Options(limit=16), silent)
    with pytest.raises(ArtifactError, match=r"no report of produce-1\.2\.3-executorch-int8"):
        read_findings(small_build, build)
    path = next((small_build / "parity" / "statistics").glob("*.pte.json"))
    path.write_text('{"photos": 16}')
    with pytest.raises(ArtifactError, match="changed"):
        read_parity(small_build)
    write_sums(small_build / "parity")
    own = dataclasses.replace(
        build, artifacts=tuple(a for a in build.artifacts if a.variant.key in FAITHFUL)
    )
    with pytest.raises(ArtifactError, match="not statistics"):
        read_findings(small_build, own)


def test_each_artifact_has_thresholds_of_its_own_answers(findings, checkpoint):
    assert checkpoint.hierarchy is not None
    for key, finding in findings.items():
        found = finding.confidence
        assert found.fitted_on == ("reference" if key in DELEGATES else "artifact"), key
        confidence = found.confidence
        assert confidence.sure.photos == 128
        assert confidence.coarse is not None
        # Learnt by heart, so most are sure but for those called unknown. How many differs between
        # kinds of processors, which train a little differently: 0.76 to 0.84 on one, from 0.9 on
        # another.
        assert 0.6 < confidence.sure.coverage <= confidence.known.kept.value, key
        assert confidence.known.kept.value >= 0.95
    temperatures = {key: found.confidence.confidence.temperature for key, found in findings.items()}
    assert temperatures["litert-int8"] != temperatures["litert-fp32"]


def test_the_reports_tell_thresholds(checked, findings):
    page = (checked / "parity" / "report.md").read_text()
    assert "## Confidence" in page
    assert page.count("| the trained model |") == len(DELEGATES)
    value = json.loads((checked / "report" / "report.json").read_text())
    for entry, finding in zip(value["artifacts"], findings.values(), strict=True):
        assert entry["confidence"] == json.loads(json.dumps(finding.confidence.to_json()))
