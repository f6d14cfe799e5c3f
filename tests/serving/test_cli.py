from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_assets.signing import create_keys
from serving.cli import main


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments])


def test_publish_list_roll_back_and_resign(
    bundles: dict[str, Path], key_folder: Path, tmp_path: Path
) -> None:
    place = ["--repository", tmp_path / "repository", "--keys", key_folder]
    for version, path in bundles.items():
        done = call("publish", path, *place)
        assert done.exit_code == 0, done.stderr
        assert f"colours {version} is published in" in done.stdout
    assert "published already" in call("publish", bundles["1.0.0"], *place).stdout
    listed = call("releases", "list", "--repository", tmp_path / "repository").stdout.splitlines()
    assert listed[0].startswith("  colours 1.0.0  top-1 95.0 % on 200 photos")
    assert listed[1].startswith("* colours 1.1.0")
    back = ("releases", "rollback", "colours", "1.0.0", *place)
    assert "colours 1.0.0 is current in stable" in call(*back).stdout
    assert "colours is so already" in call(*back).stdout
    assert "timestamp version 4" in call("resign", *place).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["publish", "nothing.zip"], "nothing.zip"),
        (["releases", "rollback", "colours", "9.0.0"], "published are: 1.1.0, 1.0.0"),
        (["resign"], "wrong key for the role"),
    ],
)
def test_typed_errors_are_one_line_and_exit_code_1(
    arguments: list[str], words: str, repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    keys = key_folder
    if arguments == ["resign"]:
        keys = tmp_path / "strange"
        create_keys(keys)
    done = call(*arguments, "--repository", repository, "--keys", keys)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_command_that_signs_needs_keys_or_a_proposal(
    bundles: dict[str, Path], repository: Path, tmp_path: Path
) -> None:
    place = ("--repository", repository)
    refused = call("publish", bundles["1.0.0"], *place)
    assert refused.exit_code == 2 and "--keys" in refused.stderr
    refused = call("resign", *place)
    assert refused.exit_code == 2 and "--keys" in refused.stderr
