"""The keys that sign what is published: made once, kept in a folder, loaded by role."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
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

from conversion.artifact import check_model_name
from mobile_assets.errors import ManifestError, SigningError
from mobile_assets.reading import Node, canonical_json, check_schema, read_json
from training.errors import ConfigError
from training.files import new_directory, storage_error, write_atomic

ROLES = ("root", "targets", "snapshot", "timestamp")
OFFLINE_ROLES = ("root", "targets")
PASSPHRASE_VARIABLE = "GHOSTLENS_KEY_PASSPHRASE"
PUBLIC_KEYS_NAME = "keys.json"
MODELS_FOLDER = "models"
WARNING = (
    "These are private keys. Whoever holds the root key can replace all others, whoever holds the "
    "targets key can say who signs for a model, and whoever holds a model's key (with the two "
    "online ones) can put any file in that model's place on every phone. Keep root.pem and "
    "targets.pem offline, and models/ with those who release that model: on a machine or a stick "
    "that no network reaches, with a copy elsewhere. Only snapshot.pem and timestamp.pem belong on "
    "the server that renews the signatures."
)
_SCHEMA = "ghostlens.keys/1"
_MAX_KEYS_BYTES = 1 << 20
_README = f"""\
Signing keys of a Ghostlens repository (The Update Framework, ed25519, PEM PKCS#8)

{WARNING}

root.pem           names the keys of the four roles; needed to replace a key. Offline.
targets.pem        names the keys of each model; needed to add a model. Offline.
models/<name>.pem  signs the releases of one model; needed to publish it. Offline.
snapshot.pem       signs which metadata belong together; needed to publish and to renew. Online.
timestamp.pem      signs that the repository is fresh; needed to publish and to renew. Online.
keys.json          the public halves, to tell a wrong key before it signs. Not secret: it is what
                   you send to whoever must enter your key.

The files are readable by their owner only. To have them encrypted, set {PASSPHRASE_VARIABLE}
before the keys are made, and whenever they are used. A lost root key cannot be replaced unless
enough other root keys are left: apps that trust it must be shipped anew. docs/trust.md has the
ceremonies, step by step.
"""


def check_role_name(name: str) -> str:
    """Returns a role's or a model's name if a key can be kept for it.

    Raises:
        SigningError: it is neither one of `ROLES` nor allowed as the name of a model.
    """
    try:
        return name if name in ROLES else check_model_name(name)
    except ConfigError as error:
        raise SigningError(
            f"the role {name!r}: allowed are {', '.join(ROLES)}, and the name of a model ({error})"
        ) from None


def check_publishable(model: str) -> str:
    """Returns a model's name if it can have a role of its own.

    Raises:
        SigningError: it is the name of one of `ROLES`.
    """
    if model in ROLES:
        raise SigningError(
            f"the model name {model!r} is that of a signing role: allowed is any but "
            f"{', '.join(ROLES)}"
        )
    return check_model_name(model)


def create_keys(
    folder: Path, roles: Sequence[str] = ROLES, models: Sequence[str] = ()
) -> dict[str, SSlibKey]:
    """Makes one ed25519 key for each role and model, in a folder that only its owner can read.

    The private keys are encrypted when the environment gives GHOSTLENS_KEY_PASSPHRASE.

    Returns:
        The public key of each role, then of each model.

    Raises:
        SigningError: the folder holds anything already, or a name is not allowed.
        StorageError: the folder cannot be written.
    """
    names = [*roles, *map(check_publishable, models)]
    with new_directory(folder) as temporary:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SigningError(
                f"{folder} is not empty: keys are never overwritten; choose another folder"
            )
        public = {check_role_name(name): _create_key(temporary, name) for name in names}
        (temporary / PUBLIC_KEYS_NAME).write_bytes(_public_to_bytes(public))
        (temporary / "README.txt").write_text(_README, encoding="utf-8")
        temporary.chmod(0o700)
    return public


def add_model_key(folder: Path, model: str) -> SSlibKey:
    """Makes the key of one more model in a folder that `create_keys` made.

    A private key that is there already, and that `keys.json` does not name, is taken: so a
    process that was killed between the two can be run again.

    Raises:
        SigningError: not such a folder, or it names a key of that model already.
        StorageError: the folder cannot be written.
    """
    public = load_public_keys(folder)
    path = key_path(folder, check_publishable(model))
    if model in public:
        raise SigningError(f"{folder} has a key for {model} already: keys are never overwritten")
    if path.exists():
        public[model] = CryptoSigner(_read_private(path, model, "any")).public_key
    else:
        public[model] = _create_key(folder, model)
    write_atomic(folder / PUBLIC_KEYS_NAME, _public_to_bytes(public))
    return public[model]


def key_path(folder: Path, role: str) -> Path:
    """Returns where a key folder keeps the private key of a role or a model."""
    return folder / f"{role}.pem" if role in ROLES else folder / MODELS_FOLDER / f"{role}.pem"


def load_public_keys(path: Path) -> dict[str, SSlibKey]:
    """Reads public keys by role and model.

    Args:
        path: a key folder, or the `keys.json` of one.

    Raises:
        SigningError: not what `create_keys` made.
    """
    path = path / PUBLIC_KEYS_NAME if path.is_dir() or not path.suffix else path
    try:
        root = read_json(path.read_bytes(), str(path), _MAX_KEYS_BYTES)
        check_schema(root, _SCHEMA)
        roles = root.table("schema", "roles")["roles"].members()
        return {check_role_name(role): _read_public(node) for role, node in roles.items()}
    except OSError as error:
        raise SigningError(
            f"no keys in {path.parent}: cannot read {path.name}: {error.strerror}; "
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
        role: one of `ROLES`, or a model's name.
        expected_keyids: those that the repository's metadata name for the role; without them the
            id that the folder's own `keys.json` names.

    Raises:
        SigningError: no such role or key, a wrong passphrase, or another key than expected.
    """
    path = key_path(folder, check_role_name(role))
    if expected_keyids is None:
        public = load_public_keys(folder).get(role)
        if public is None:
            raise SigningError(f"{folder / PUBLIC_KEYS_NAME} names no key for the role {role}")
        expected_keyids = [public.keyid]
    wanted = " or ".join(sorted(expected_keyids))
    signer = CryptoSigner(_read_private(path, role, wanted))
    if signer.public_key.keyid not in expected_keyids:
        raise SigningError(
            f"wrong key for the role {role}: {path} has the id {signer.public_key.keyid}, "
            f"expected {wanted}"
        )
    return signer


def load_any_signer(path: Path) -> CryptoSigner:
    """Loads an ed25519 private key from a PEM file, whatever it is for.

    Raises:
        SigningError: no such file, a wrong passphrase, or another kind of key.
    """
    return CryptoSigner(_read_private(path, "provenance", "any"))


def load_signers(
    folders: Sequence[Path], role: str, expected_keyids: Collection[str], threshold: int
) -> list[CryptoSigner]:
    """Loads as many keys of a role as must sign, one from each person's folder.

    Args:
        folders: key folders; those without the role's key are passed over.
        role: one of `ROLES`, or a model's name.
        expected_keyids: those that the repository's metadata name for the role.
        threshold: how many of them must sign.

    Raises:
        SigningError: fewer than `threshold` of the keys expected are there.
    """
    signers: dict[str, CryptoSigner] = {}
    objections: list[SigningError] = []
    for folder in folders:
        try:
            signer = load_signer(folder, role, expected_keyids)
            signers[signer.public_key.keyid] = signer
        except SigningError as error:
            objections.append(error)
    if len(signers) >= threshold:
        return list(signers.values())
    if threshold == 1 and objections:
        raise objections[0]
    raise SigningError(
        f"the role {role} needs {threshold} signatures, and the keys for {len(signers)} are here"
        + "".join(f"; {objection}" for objection in objections)
    )


def _create_key(folder: Path, role: str) -> SSlibKey:
    private_key = Ed25519PrivateKey.generate()
    path = key_path(folder, role)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write_private(path, private_key)
    except OSError as error:
        raise storage_error("write", path, error) from error
    return SSlibKey.from_crypto(private_key.public_key())


def _write_private(path: Path, private_key: Ed25519PrivateKey) -> None:
    passphrase = _read_passphrase()
    protection: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    # The mode is given with the creation: at no moment can another user read the key. The link
    # makes the name whole or absent, and fails where another key has it.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(unfinished)
    finally:
        unfinished.unlink(missing_ok=True)


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
    keys["keytype"].one_of(["ed25519"])
    keys["scheme"].one_of(["ed25519"])
    value = keys["keyval"].table("public")["public"].sha256()
    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(value)))
    # One key under two ids would count twice towards a threshold.
    if keys["keyid"].sha256() != key.keyid:
        keys["keyid"].fail(f"the id of this key is {key.keyid}")
    return key
