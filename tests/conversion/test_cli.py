"""The commands `parity` and `show`, as a person runs them."""

from tests.conftest import run_command
from tests.conversion import damage


def test_parity_tells_each_verdict_and_ends_well(copy_of_build, checkpoint):
    arguments = ("--checkpoint", checkpoint.directory, "--photos", "48")
    done = run_command("conversion", "parity", copy_of_build, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("passed: produce-1.2.3-") == 3
    assert "MIL reference evaluation" in done.stdout or "Core ML (macOS)" in done.stdout
    assert "Traceback" not in done.stderr

    shown = run_command("conversion", "show", copy_of_build)
    assert shown.returncode == 0
    assert "produce 1.2.3: ghostnet_050, 16 classes, 64 px" in shown.stdout
    assert shown.stdout.count("passed: ") == 3


def test_one_artifact_that_fails_makes_the_exit_code_1(copy_of_build, checkpoint):
    damage.swap_channels(next(copy_of_build.glob("*.tflite")), checkpoint)
    damage.rewrite_build(copy_of_build)
    arguments = ("--checkpoint", checkpoint.directory, "--photos", "48")
    done = run_command("conversion", "parity", copy_of_build, *arguments)
    assert done.returncode == 1
    assert done.stdout.count("passed: ") == 2
    assert "FAILED: produce-1.2.3-litert-fp32.tflite" in done.stdout
    assert "reason: names the same class as the checkpoint on" in done.stdout
    report = (copy_of_build / "parity" / "report.md").read_text()
    assert "**Failed:** names the same class" in report


def test_show_says_that_parity_was_not_run(build_folder):
    done = run_command("conversion", "show", build_folder)
    assert done.returncode == 0
    assert done.stdout.count("parity: not run") == 3


def test_what_is_no_build_is_one_line(tmp_path):
    for command in (("show",), ("parity", "--checkpoint", tmp_path)):
        done = run_command("conversion", *command, tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
