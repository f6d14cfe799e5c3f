"""The commands `parity` and `show`, as a person runs them."""

import pytest
from click.testing import CliRunner

from conversion.cli import main
from tests.conftest import run_command, run_here
from tests.conversion import damage
from tests.conversion.parity.test_check import FAITHFUL, write_photos


@pytest.fixture
def small_build(copy_of_build):
    """One faithful artifact a runtime."""
    return damage.keep_variants(copy_of_build, *FAITHFUL)


def test_parity_tells_each_verdict_and_ends_well(copy_of_build, checkpoint):
    build = damage.keep_variants(copy_of_build, "executorch-vulkan-fp16", *FAITHFUL)
    done = run_command("conversion", "parity", build, "--checkpoint", checkpoint.directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  passed: produce-1.2.3-") == 3
    assert "NOT EXECUTED: produce-1.2.3-executorch-vulkan-fp16.pte" in done.stdout
    assert "accuracy loss 0.00 points (95 % interval " in done.stdout
    assert "MIL reference evaluation" in done.stdout or "Core ML (macOS)" in done.stdout
    assert "produce-1.2.3-litert-fp32.tflite in TensorFlow interpreter as well" in done.stdout
    assert "Traceback" not in done.stderr
    assert "oneDNN" not in done.stderr

    shown = run_here("conversion", "show", build)
    assert shown.returncode == 0
    assert "produce 1.2.3: ghostnet_050, 16 classes, 64 px" in shown.stdout
    assert shown.stdout.count("passed: ") == 3


def test_one_artifact_that_fails_makes_the_exit_code_1(small_build, checkpoint):
    damage.swap_channels(next(small_build.glob("*.tflite")), checkpoint)
    damage.rewrite_build(small_build)
    arguments = ("--checkpoint", checkpoint.directory, "--no-cross-check")
    done = run_here("conversion", "parity", small_build, *arguments)
    assert done.returncode == 1
    assert done.stdout.count("passed: ") == 2
    assert "FAILED: produce-1.2.3-litert-fp32.tflite" in done.stdout
    assert "points of accuracy, surely" in done.stdout
    assert "reason: names the same class as the checkpoint on" in done.stdout
    assert "TensorFlow" not in done.stdout
    report = (small_build / "parity" / "report.md").read_text()
    assert "**Names the same class" in report


def test_too_few_photos_are_inconclusive_and_make_the_exit_code_1(small_build, checkpoint):
    damage.keep_variants(small_build, "litert-fp32")
    arguments = ("--checkpoint", checkpoint.directory, "--no-cross-check", "--photos", "48")
    done = run_here("conversion", "parity", small_build, *arguments)
    assert done.returncode == 1
    assert "INCONCLUSIVE: produce-1.2.3-litert-fp32.tflite" in done.stdout
    assert "48 photos are too few; at least 100 are needed" in done.stdout


def test_show_says_that_parity_was_not_run(build_folder, build):
    done = run_here("conversion", "show", build_folder)
    assert done.returncode == 0
    assert done.stdout.count("parity: not run") == len(build.artifacts)


def assert_one_line(done, *words):
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


def test_what_is_no_build_is_one_line(tmp_path):
    for command in (("show",), ("parity", "--checkpoint", tmp_path)):
        assert_one_line(run_here("conversion", *command, tmp_path))


def test_photos_that_prove_nothing_are_one_line_and_leave_nothing(
    small_build, checkpoint, tmp_path
):
    names = checkpoint.labels.names
    (tmp_path / "empty").mkdir()
    (tmp_path / "unlabelled").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "unlabelled" / name).write_bytes(b"no folder of a class")
    folders = {
        tmp_path / "empty": "no folder train",
        tmp_path / "unlabelled": "no folder train",
        write_photos(tmp_path / "other", ["one", "two"]): "are not the checkpoint's 16",
        write_photos(tmp_path / "single", names, names[:1]): "at least 2 classes are needed",
        tmp_path / "absent": "no photos at",
    }
    command = ("parity", small_build, "--checkpoint", checkpoint.directory, "--data")
    for folder, words in folders.items():
        # In this process: starting one for each would only import the runtimes again.
        done = CliRunner().invoke(main, [str(word) for word in (*command, folder)])
        assert done.exit_code == 1
        assert done.stderr.startswith("error: ") and words in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (small_build / "parity").exists()
    assert not list(small_build.glob(".*"))


def test_margins_that_would_judge_nothing_are_one_line(small_build, checkpoint):
    command = ("parity", small_build, "--checkpoint", checkpoint.directory)
    done = run_here("conversion", *command, "--margin-int8", "1.5")
    assert_one_line(done, "margin_int8 is 1.5: allowed are shares between 0 and 1")
