import json
from pathlib import Path

from click.testing import CliRunner, Result

from mobile_assets.bundle import Bundle
from mobile_assets.cli import main


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", *(str(argument) for argument in arguments)])


def test_each_layout_is_one_option(bundle_path: Path, tmp_path: Path) -> None:
    for option in ("--android-ai-pack", "--ios", "--web"):
        done = run(bundle_path, option, tmp_path / option)
        assert done.exit_code == 0, done.output
        assert (tmp_path / option / "README.md").is_file()
        assert "colours 1.0.0 for " in done.stdout and "every hash was checked" in done.stdout


def test_exactly_one_layout_is_made(bundle_path: Path, tmp_path: Path) -> None:
    both = run(bundle_path, "--web", tmp_path / "a", "--ios", tmp_path / "b")
    assert both.exit_code == 2 and "name one of" in both.stderr
    assert run(bundle_path).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_errors_are_one_line(bundle_path: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((tmp_path / "absent.zip", "--web", tmp_path / "out"), "there is no file"),
        ((bundle_path, "--web", tmp_path / "out", "--runtime", "coreml"), "on web: allowed are"),
        ((bundle_path, "--ios", tmp_path / "out", "--precision", "int8"), "no int8 artifact"),
        ((bundle_path, "--web", tmp_path), "is not empty"),
    ):
        (tmp_path / "mine.txt").write_text("mine")
        done = run(*arguments)
        assert done.exit_code == 1 and words in done.stderr
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_device_groups_are_read_from_a_file(wide_bundle: Bundle, tmp_path: Path) -> None:
    groups = tmp_path / "groups.toml"
    groups.write_text("[[group]]\nname='low'\nprecision='int8'\nram_max_bytes=4_000_000_000\n")
    out = tmp_path / "out"
    done = run(wide_bundle.path, "--android-ai-pack", out, "--device-groups", groups)
    assert done.exit_code == 0, done.output
    path = next(out.rglob("variant#group_low/model.json"))
    assert json.loads(path.read_text())["precision"] == "int8"
    refused = run(wide_bundle.path, "--web", tmp_path / "web", "--device-groups", groups)
    assert refused.exit_code == 2 and "--android-ai-pack" in refused.stderr
