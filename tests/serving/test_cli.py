import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_assets.signing import create_keys
from serving.cli import main
from tests.conftest import ROOT

# What takes time to load, and only commands, some pages or some settings need; and the runtime,
# which must load after the fork.
NOT_BEFORE_THE_FORK = (
    "ai_edge_litert",
    "alembic",
    "boto3",
    "conversion.structure.pte_file",
    "mobile_assets.bundle",
    "mobile_assets.diff.releases",
    "mobile_assets.export",
    "opentelemetry.sdk",
    "serving.publishing.desk",
    "sqlalchemy.dialects.postgresql",
    "urllib3",
)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments])


def test_a_server_loads_what_it_needs_before_it_forks_and_nothing_else() -> None:
    code = (
        "import sys; from serving.__main__ import _import_signers; _import_signers(); "
        "import serving.cli, serving.server, serving.app; "
        "print(*sys.modules.keys() & set(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *NOT_BEFORE_THE_FORK, "PIL.JpegImagePlugin"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PIL.JpegImagePlugin"]


def test_every_command_takes_object_storage(
    bundles: dict[str, Path],
    key_folder: Path,
    tmp_path: Path,
    s3_endpoint: str,
    s3_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The endpoint and the state are given by the environment, as for other tools of S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    where = ["--repository", "s3://models/every-command"]
    keys = ["--keys", Path(shutil.copytree(key_folder, tmp_path / "keys"))]
    refused = call("publish", bundles["1.0.0"], *where, *keys)
    assert "--state or GHOSTLENS_STATE names it" in refused.stderr
    monkeypatch.setenv("GHOSTLENS_STATE", str(tmp_path / "state"))
    change, person = tmp_path / "change.json", ["--name", "ann", "--reason", "too soon"]
    sign = ["trust", "sign", change, *keys]
    for words, command in [
        ("is published in s3://models/every-command", ["publish", bundles["1.0.0"], *keys]),
        ("and is for 1 % of", ["publish", bundles["1.1.0"], *keys, "--share", "1%"]),
        ("is for 10 %", ["releases", "rollout", "colours", "1.1.0", "--share", "10%", *keys]),
        ("is paused", ["releases", "pause", "colours", "1.1.0", *person]),
        ("PAUSED", ["releases", "show", "colours"]),
        ("* colours 1.0.0", ["releases", "list"]),
        ("## 1.1.0", ["changelog", "colours"]),
        ("4 rows, none changed", ["releases", "log"]),
        ("timestamp version 4", ["resign", *keys]),
        ("root, version 2", ["trust", "propose", change, "--renew", "root"]),
        ("signed: root", sign),
        ("root version 2", ["trust", "publish", change, *keys]),
        ("root         1 of 1 key(s)", ["trust", "list"]),
    ]:
        done = call(*command, *([] if command is sign else where))
        assert done.exit_code == 0, done.stderr
        assert words in done.stdout


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


def test_a_database_of_the_environment_that_a_folder_sets_aside_is_named(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTLENS_DATABASE", "postgresql://nobody@127.0.0.1:1/none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        state = ["--state", tmp_path / "state"]
        done = call("run", "--repository", published, "--port", port, *state)
    assert "WARNING: --state sets GHOSTLENS_DATABASE aside" in done.stderr
    assert "cannot listen" in done.stderr
