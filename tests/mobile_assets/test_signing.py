import stat
from pathlib import Path

import pytest

from mobile_assets.errors import SigningError
from mobile_assets.signing import (
    PASSPHRASE_VARIABLE,
    ROLES,
    create_keys,
    load_public_keys,
    load_signer,
)


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)


def test_every_role_has_its_own_key_and_its_signature_verifies(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "keys")
    assert set(public) == set(ROLES)
    assert len({key.keyid for key in public.values()}) == len(ROLES)
    for role in ROLES:
        signature = load_signer(tmp_path / "keys", role).sign(b"a message")
        public[role].verify_signature(signature, b"a message")
    assert load_public_keys(tmp_path / "keys") == public


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for role in ROLES:
        assert stat.S_IMODE((tmp_path / "keys" / f"{role}.pem").stat().st_mode) == 0o600


def test_the_folder_says_which_keys_belong_offline(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    text = (tmp_path / "keys" / "README.txt").read_text()
    assert "Keep root.pem and targets.pem offline" in text


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    before = (tmp_path / "keys" / "root.pem").read_bytes()
    with pytest.raises(SigningError, match="never overwritten"):
        create_keys(tmp_path / "keys")
    assert (tmp_path / "keys" / "root.pem").read_bytes() == before


def test_a_missing_key_names_the_role_and_the_id_expected(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "targets.pem").unlink()
    with pytest.raises(SigningError, match=f"targets.*{public['targets'].keyid}"):
        load_signer(tmp_path / "keys", "targets")
    load_signer(tmp_path / "keys", "timestamp")


def test_the_key_of_another_role_is_refused(tmp_path: Path) -> None:
    public = create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "targets.pem").write_bytes(
        (tmp_path / "keys" / "timestamp.pem").read_bytes()
    )
    with pytest.raises(SigningError) as caught:
        load_signer(tmp_path / "keys", "targets")
    assert "role targets" in str(caught.value)
    assert public["timestamp"].keyid in str(caught.value)
    assert f"expected {public['targets'].keyid}" in str(caught.value)


def test_a_key_that_the_repository_does_not_name_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "ours")
    theirs = create_keys(tmp_path / "theirs")
    with pytest.raises(SigningError, match=f"expected {theirs['targets'].keyid}"):
        load_signer(tmp_path / "ours", "targets", [theirs["targets"].keyid])


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    pem = (tmp_path / "keys" / "root.pem").read_bytes()
    for damaged in [b"", b"no key", pem[: len(pem) // 2], b"\xff" * 40]:
        (tmp_path / "keys" / "root.pem").write_bytes(damaged)
        with pytest.raises(SigningError, match="role root"):
            load_signer(tmp_path / "keys", "root")


def test_an_unknown_role_and_a_folder_without_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="allowed are root, targets"):
        load_signer(tmp_path, "../mirror")
    with pytest.raises(SigningError, match="mobile_assets keys"):
        load_signer(tmp_path, "root")


def test_a_passphrase_encrypts_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "open sesame")
    create_keys(tmp_path / "keys")
    assert b"ENCRYPTED" in (tmp_path / "keys" / "root.pem").read_bytes()
    load_signer(tmp_path / "keys", "root")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(SigningError, match="is wrong"):
        load_signer(tmp_path / "keys", "root")
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(SigningError, match="is encrypted"):
        load_signer(tmp_path / "keys", "root")
