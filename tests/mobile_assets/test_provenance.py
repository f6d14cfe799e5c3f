import base64
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from securesystemslib.signer import CryptoSigner

from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.cli import main
from mobile_assets.errors import BundleError, SigningError
from mobile_assets.provenance import (
    describe_provenance,
    provenance_path,
    verify_provenance,
    write_provenance,
)
from mobile_assets.signing import (
    PASSPHRASE_VARIABLE,
    create_keys,
    load_any_signer,
    load_public_keys,
)
from training.errors import StorageError
from training.files import sha256_file

SIGNER = CryptoSigner.generate_ed25519()


@pytest.fixture
def bundle(bundle_path: Path, tmp_path: Path) -> Bundle:
    return open_bundle(Path(shutil.copy(bundle_path, tmp_path / "colours.bundle.zip")))


def test_the_statement_names_the_bundle_its_artifacts_and_the_checkpoint(bundle: Bundle) -> None:
    path = write_provenance(bundle, SIGNER)
    assert path == provenance_path(bundle.path) and path.parent == bundle.path.parent
    statement = verify_provenance(bundle, [SIGNER.public_key])
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    assert subjects.pop(bundle.path.name) == sha256_file(bundle.path)
    assert subjects == {entry.path: entry.file.sha256 for entry in bundle.manifest.artifacts}
    (material,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert material["digest"]["sha256"] == bundle.manifest.checkpoint_sha256


def test_the_envelope_is_what_other_tools_read(bundle: Bundle) -> None:
    envelope = json.loads(write_provenance(bundle, SIGNER).read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(envelope["payload"])
    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    SIGNER._private_key.public_key().verify(signature, signed)


def test_the_same_bundle_gives_the_same_statement(bundle: Bundle) -> None:
    first = write_provenance(bundle, SIGNER).read_bytes()
    assert write_provenance(bundle, SIGNER).read_bytes() == first


def test_another_key_or_another_bundle_is_refused(
    bundle: Bundle, second_bundle_path: Path, tmp_path: Path
) -> None:
    path = write_provenance(bundle, SIGNER)
    with pytest.raises(BundleError, match="not signed by the keys"):
        verify_provenance(bundle, [CryptoSigner.generate_ed25519().public_key])
    other = open_bundle(Path(shutil.copy(second_bundle_path, tmp_path / "other.zip")))
    shutil.copy(path, provenance_path(other.path))
    with pytest.raises(BundleError, match="it is not about"):
        verify_provenance(other, [SIGNER.public_key])


def test_a_damaged_statement_is_refused(bundle: Bundle) -> None:
    path = write_provenance(bundle, SIGNER)
    good = path.read_bytes()
    text = json.loads(good)
    forged = describe_provenance(bundle) | {"subject": []}
    text["payload"] = base64.b64encode(json.dumps(forged).encode()).decode()
    for damaged in (
        b"",
        good[: len(good) // 2],
        bytes(len(good)),
        b"[]",
        b'{"payload": 1}',
        json.dumps(text).encode(),
        good.replace(b"vnd.in-toto+json", b"octet-stream"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(BundleError):
            verify_provenance(bundle, [SIGNER.public_key])
    path.unlink()
    with pytest.raises(StorageError, match="was made without --provenance"):
        verify_provenance(bundle, [SIGNER.public_key])


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)


def test_a_bundle_has_no_statement_unless_asked_for(build_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "colours.bundle.zip"
    create_keys(tmp_path / "keys", [], ["colours"])
    assert run("bundle", build_dir, "--out", out).exit_code == 0
    assert not provenance_path(out).exists()
    missing = run("provenance", out, "--keys", tmp_path / "keys")
    assert missing.exit_code == 1 and "was made without --provenance" in missing.stderr
    refused = run("bundle", build_dir, "--out", out, "--provenance", tmp_path / "nothing.pem")
    assert refused.exit_code == 1 and "cannot read" in refused.stderr
    key = tmp_path / "keys" / "models" / "colours.pem"
    signed = run("bundle", build_dir, "--out", out, "--provenance", key)
    assert f"signed: {provenance_path(out)}" in signed.stdout
    checked = run("provenance", out, "--keys", tmp_path / "keys" / "keys.json")
    assert "made from the checkpoint of the device network" in checked.stdout
    create_keys(tmp_path / "strange")
    strange = run("provenance", out, "--keys", tmp_path / "strange")
    assert strange.exit_code == 1 and strange.stderr.count("\n") == 1


def test_keys_of_some_roles_and_of_models(tmp_path: Path) -> None:
    assert run("keys", tmp_path / "online", "--role", "snapshot", "--role", "timestamp").stdout
    assert set(load_public_keys(tmp_path / "online")) == {"snapshot", "timestamp"}
    assert run("keys", tmp_path / "team", "--model", "apples").exit_code == 0
    added = run("keys", tmp_path / "team", "--model", "pears")
    assert str(tmp_path / "team" / "models" / "pears.pem") in added.stdout
    assert set(load_public_keys(tmp_path / "team")) == {"apples", "pears"}
    for name in ("pears", "root", "A", "../x"):
        refused = run("keys", tmp_path / "team", "--model", name)
        assert refused.exit_code == 1 and refused.stderr.count("\n") == 1
    assert not list(tmp_path.rglob(".*.pem*"))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")
    with pytest.raises(SigningError, match="cannot be used"):
        load_any_signer(path)
