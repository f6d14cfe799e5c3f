"""The keys that sign what is published: made once, kept in a folder, loaded by role."""

import os
from collections.abc import Collection
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

# The package gives these names without an __all__, which mypy takes for private.
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from mobile_assets.errors import ManifestError, SigningError
from mobile_assets.reading import Node, canonical_json, check_schema, read_json
from training.files import new_directory

ROLES = ("root", "targets", "snapshot", "timestamp")
OFFLINE_ROLES = ("root", "targets")
PASSPHRASE_VARIABLE = "GHOSTLENS_KEY_PASSPHRASE"
PUBLIC_KEYS_NAME = "keys.json"
WARNING = (
    "These are private keys. Whoever holds the root key can replace all others, and whoever holds "
    "the targets key can put any model on every phone. Keep root.pem and targets.pem offline: on "
    "a machine or a stick that no network reaches, with a copy elsewhere. Only snapshot.pem and "
    "timestamp.pem belong on the server that renews the signatures."
)
_SCHEMA = "ghostlens.keys/1"
_MAX_KEYS_BYTES = 1 << 20
_README = f"""\
Signing keys of a Ghostlens repository (The Update Framework, ed25519, PEM PKCS#8)

{WARNING}

root.pem       names the keys of all roles; needed to replace a key. Offline.
targets.pem    signs which model files are published; needed to publish. Offline.
snapshot.pem   signs which metadata belong together; needed to publish and to renew. Online.
timestamp.pem  signs that the repository is fresh; needed to publish and to renew. Online.
keys.json      the public halves, to tell a wrong key before it signs. Not secret.

The files are readable by their owner only. To have them encrypted, set {PASSPHRASE_VARIABLE}
before the keys are made, and whenever they are used. A lost root key cannot be replaced: apps that
trust it must be shipped anew.
"""


def create_keys(folder: Path) -> dict[str, SSlibKey]:
    """Makes one ed25519 key for each role, in a folder that only its owner can read.

    The private keys are encrypted when the environment gives GHOSTLENS_KEY_PASSPHRASE.

    Returns:
        The public key of each role.

    Raises:
        SigningError: the folder holds anything already.
        StorageError: the folder cannot be written.
    """
    with new_directory(folder) as temporary:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SigningError(
                f"{folder} is not empty: keys are never overwritten; choose another folder"
            )
        private_keys = {role: Ed25519PrivateKey.generate() for role in ROLES}
        for role, private_key in private_keys.items():
            _write_private(temporary / f"{role}.pem", private_key)
        public = {
            role: SSlibKey.from_crypto(key.public_key()) for role, key in private_keys.items()
        }
        (temporary / PUBLIC_KEYS_NAME).write_bytes(_public_to_bytes(public))
        (temporary / "README.txt").write_text(_README, encoding="utf-8")
        temporary.chmod(0o700)
    return public


def load_public_keys(folder: Path) -> dict[str, SSlibKey]:
    """Reads the public key of each role from a key folder.

    Raises:
        SigningError: the folder is not one that `create_keys` made.
    """
    path = folder / PUBLIC_KEYS_NAME
    try:
        root = read_json(path.read_bytes(), str(path), _MAX_KEYS_BYTES)
        check_schema(root, _SCHEMA)
        roles = root.table("schema", "roles")["roles"].table(*ROLES)
        return {role: _read_public(node) for role, node in roles.items()}
    except OSError as error:
        raise SigningError(
            f"no keys in {folder}: cannot read {PUBLIC_KEYS_NAME}: {error.strerror}; "
            "`python -m mobile_assets keys` makes them"
        ) from None
    except ManifestError as error:
        raise SigningError(f"{path} is damaged: {error}") from None


def load_signer(
    folder: Path, role: str, expected_keyids: Collection[str] | None = None
) -> CryptoSigner:
    """Loads the private key of a role, and refuses one that is not the key expected.

    Args:
        folder: what `create_keys` made; other private keys may have been taken away.
        role: one of `ROLES`.
        expected_keyids: those that the repository's root metadata names for the role; without
            them the id that the folder's own `keys.json` names.

    Raises:
        SigningError: no such role or key, a wrong passphrase, or another key than expected.
    """
    if role not in ROLES:
        raise SigningError(f"the role {role!r}: allowed are {', '.join(ROLES)}")
    if expected_keyids is None:
        expected_keyids = [load_public_keys(folder)[role].keyid]
    path = folder / f"{role}.pem"
    wanted = " or ".join(sorted(expected_keyids))
    signer = CryptoSigner(_read_private(path, role, wanted))
    if signer.public_key.keyid not in expected_keyids:
        raise SigningError(
            f"wrong key for the role {role}: {path} has the id {signer.public_key.keyid}, "
            f"expected {wanted}"
        )
    return signer


def _write_private(path: Path, private_key: Ed25519PrivateKey) -> None:
    passphrase = _read_passphrase()
    protection: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    # The mode is given with the creation: at no moment can another user read the key.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _read_private(path: Path, role: str, wanted: str) -> Ed25519PrivateKey:
    passphrase = _read_passphrase()
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise SigningError(
            f"no key for the role {role}: cannot read {path}: {error.strerror}; "
            f"the key with the id {wanted} is expected there"
        ) from None
    encrypted = b"ENCRYPTED" in pem
    if encrypted and not passphrase:
        raise SigningError(f"{path} is encrypted: set {PASSPHRASE_VARIABLE} to its passphrase")
    try:
        private_key = load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        cause = f"{PASSPHRASE_VARIABLE} is wrong, or the file is damaged" if encrypted else error
        raise SigningError(f"{path} cannot be used for the role {role}: {cause}") from None
    if not isinstance(private_key, Ed25519PrivateKey):
        raise SigningError(f"{path} is not an ed25519 key; the id {wanted} is expected there")
    return private_key


def _read_passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None


def _public_to_bytes(public: dict[str, SSlibKey]) -> bytes:
    roles = {role: {"keyid": key.keyid, **key.to_dict()} for role, key in public.items()}
    return canonical_json({"schema": _SCHEMA, "roles": roles})


def _read_public(node: Node) -> SSlibKey:
    keys = node.table("keyid", "keytype", "scheme", "keyval")
    value = keys["keyval"].table("public")["public"].sha256()
    return SSlibKey(
        keyid=keys["keyid"].sha256(),
        keytype=keys["keytype"].one_of(["ed25519"]),
        scheme=keys["scheme"].one_of(["ed25519"]),
        keyval={"public": value},
    )
