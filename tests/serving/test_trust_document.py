"""The ceremonies of docs/trust.md, run as they stand there, with a phone that follows them."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import mobile_assets.cli
import serving.cli
from mobile_assets.release import Release
from mobile_assets.signing import PASSPHRASE_VARIABLE, create_keys, load_public_keys
from serving.publishing.publish import publish
from tests.conftest import ROOT
from tests.mobile_assets.builds import MODEL
from tests.serving.conftest import make_phone

DOCUMENT = (ROOT / "docs" / "trust.md").read_text()
GROUPS = {"serving": serving.cli.main, "mobile_assets": mobile_assets.cli.main}
OLD_IDS = {"SNAPSHOT_ID": "snapshot", "TIMESTAMP_ID": "timestamp", "FRUIT_ID": MODEL}


def run(line: str) -> None:
    if line.startswith("cp "):
        shutil.copy(*shlex.split(line)[1:])
        return
    _, _, room, *arguments = shlex.split(line)
    done = CliRunner().invoke(GROUPS[room], arguments)
    assert done.exit_code == 0, f"{line}\n{done.output}"


def test_each_ceremony_can_be_followed_word_by_word(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    (assignments,) = re.findall(r"```sh\n(R=.*)\n```", DOCUMENT)
    folders = dict(x.split("=") for x in assignments.replace("fruit", MODEL).split())
    repository, keys = Path(folders["R"]), Path(folders["K"])
    create_keys(keys)
    publish(bundles["1.0.0"], repository, keys)
    Path(f"out/{MODEL}/{MODEL}-1.1.0.bundle.zip").symlink_to(bundles["1.1.0"])
    ids = {word: load_public_keys(keys)[role].keyid[:8] for word, role in OLD_IDS.items()}
    phone = make_phone(repository, tmp_path / "phone", (keys / "root.json").read_bytes())
    blocks = re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        for line in block.splitlines():
            for word, keyid in ids.items():
                line = line.replace(word, keyid)
            for name, folder in folders.items():
                line = line.replace(f"${name}", folder)
            run(line.replace("fruit", MODEL))
        assert Release.from_bytes(phone.read(f"{MODEL}/release.json")).model == MODEL
    assert Release.from_bytes(phone.read(f"{MODEL}/release.json")).current == "1.1.0"
