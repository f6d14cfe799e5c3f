"""TUF metadata of a repository: made, signed, read and verified (specification 1.0.33).

In the storage, and under the same names over HTTP:

    metadata/  1.root.json  N.targets.json  N.<model>.json  N.snapshot.json  timestamp.json
    targets/   <model>/<hash>.release.json  <model>/<version>/<folder>/<hash>.<file name>
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

# Neither package lists its names in an __all__, which mypy takes for private.
from securesystemslib.signer import Key, Signer  # type: ignore[attr-defined]
from tuf.api.exceptions import DownloadError
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from mobile_assets.release import RELEASE_NAME
from mobile_assets.signing import ROLES
from serving.errors import RepositoryError
from serving.publishing.delegations import check_delegated, check_delegating, list_delegations
from serving.publishing.objects import Objects, Place, open_objects
from training.files import sha256_bytes

METADATA_FOLDER = "metadata"
TARGETS_FOLDER = "targets"
TIMESTAMP_NAME = "timestamp.json"
# A model's name is its role's, and so the name of its metadata.
METADATA_NAME = re.compile(
    r"timestamp\.json|([1-9][0-9]{0,9})\.([a-z0-9]+(?:-[a-z0-9]+)*)\.json", re.ASCII
)
# root: replacing it needs the offline key and a person; a year is the usual ceremony.
# targets and each model's: signed offline; a good model may stay current for months.
# snapshot, timestamp: renewed by `resign` without a person. The timestamp bounds how long a phone
# can be kept from seeing a newer release (freeze attack); a week forgives a missed renewal.
EXPIRY_DAYS = {"root": 365, "targets": 365, "snapshot": 30, "timestamp": 7}
MODEL_EXPIRY_DAYS = 365
# Four times what 1,000 versions of 100 files take; a longer file is not ours.
MAX_METADATA_BYTES = 64 << 20

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
ReadMetadata = Callable[[str], bytes | None]


@dataclass(frozen=True)
class State:
    """Metadata that belong together and are signed as the root demands.

    Attributes:
        root: the newest root.
        timestamp: names the snapshot.
        snapshot: names the targets metadata of all roles.
        targets: names the keys of each model's role.
        models: what each role signs that published anything, by the model's name.
        files: metadata file name -> the bytes that were verified, all roots included.
    """

    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    models: Mapping[str, Targets]
    files: Mapping[str, bytes]

    def list_models(self) -> list[str]:
        """Returns the names of the models that have a release, sorted."""
        return sorted(
            name for name, signed in self.models.items() if release_path(name) in signed.targets
        )

    def find_target(self, path: str) -> TargetFile | None:
        """Returns the signed entry of a TUF target path, as a client would find it."""
        signed = self.models.get(path.split("/")[0])
        return signed.targets.get(path) if signed else None

    def list_targets(self) -> list[TargetFile]:
        """Returns the signed entries of all models."""
        return [target for signed in self.models.values() for target in signed.targets.values()]

    def expiries(self) -> dict[str, datetime]:
        """Returns until when each role's metadata count, in UTC; the online roles last."""
        return {
            "root": self.root.expires,
            "targets": self.targets.expires,
            **{name: signed.expires for name, signed in self.models.items()},
            "snapshot": self.snapshot.expires,
            "timestamp": self.timestamp.expires,
        }

    def find_expired(self, now: datetime | None = None) -> list[str]:
        """Returns, in words, which metadata clients refuse because their time is over."""
        now = now or datetime.now(UTC)
        return [
            f"the {role} metadata expired on {expires:%Y-%m-%d %H:%M} UTC: clients refuse them"
            for role, expires in self.expiries().items()
            if expires <= now
        ]


def release_path(model: str) -> str:
    """Returns the TUF target path of a model's `release.json`."""
    return f"{model}/{RELEASE_NAME}"


def file_path(model: str, version: str, path: str) -> str:
    """Returns the TUF target path of a bundle's file."""
    return f"{model}/{version}/{path}"


def stored_path(target: TargetFile) -> str:
    """Returns where a target lies: its path with the SHA-256 before the file name.

    Raises:
        RepositoryError: signed metadata give it no SHA-256.
    """
    folder, slash, name = target.path.rpartition("/")
    return f"{folder}{slash}{read_sha256(target)}.{name}"


def read_sha256(target: TargetFile) -> str:
    """Returns the SHA-256 that signed metadata give a target.

    Raises:
        RepositoryError: they give it none.
    """
    sha256 = target.hashes.get("sha256")
    if sha256 is None:
        raise RepositoryError(f"the targets metadata give {target.path!r} no SHA-256")
    return str(sha256)


def target_name(target: TargetFile) -> str:
    """Returns the name of a target in the repository's storage; see `stored_path`."""
    return f"{TARGETS_FOLDER}/{stored_path(target)}"


def read_target(objects: Objects, target: TargetFile) -> bytes:
    """Reads a published file, checked against its signed length and hash.

    Raises:
        RepositoryError: it is missing or was changed.
        StorageError: the storage cannot be read.
    """
    name = target_name(target)
    content = objects.read(name, target.length)
    if content is None:
        raise RepositoryError(f"{objects.describe(name)} is missing, though it is published")
    if len(content.data) != target.length or sha256_bytes(content.data) != read_sha256(target):
        raise RepositoryError(f"{objects.describe(name)} was changed after it was published")
    return content.data


def find_incomplete(objects: Objects, targets: Iterable[TargetFile]) -> str | None:
    """Returns where the first file is missing or has another length; None where all are whole."""
    sizes = objects.list_sizes(TARGETS_FOLDER)
    for target in targets:
        name = target_name(target)
        if sizes.get(name) != target.length:
            return objects.describe(name)
    return None


def expiry(role: str, now: datetime | None = None) -> datetime:
    """Returns until when metadata of a role or a model count that are signed now, in UTC."""
    now = now or datetime.now(UTC)
    days = EXPIRY_DAYS.get(role, MODEL_EXPIRY_DAYS)
    return now.replace(microsecond=0) + timedelta(days=days)


def create_root(keys: Mapping[str, Key]) -> Root:
    """Makes the first root: one key for each role, consistent snapshots."""
    root = Root(expires=expiry("root"), consistent_snapshot=True)
    for role in ROLES:
        root.add_key(keys[role], role)
    return root


def sign(signed: Signed, role: str, signers: Sequence[Signer], delegator: Root | Targets) -> bytes:
    """Signs metadata, and checks the result as a client does.

    Args:
        signed: what is signed.
        role: whose it is: one of the four, or a model's name.
        signers: the keys, as many as the role's threshold.
        delegator: the metadata that name the role's keys.

    Raises:
        RepositoryError: the delegator does not name these keys for the role, or wants more.
    """
    metadata: Metadata[Any] = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    data = metadata.to_bytes(JSONSerializer(compact=False))
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (TufError, ValueError) as error:
        raise RepositoryError(f"wrong key for the role {role}: {error}") from None
    return data


def describe_metadata(signed: Signed, data: bytes) -> MetaFile:
    """Returns the entry of one metadata file in another: version, length and hash."""
    return MetaFile.from_data(signed.version, data, ["sha256"])


def read_metadata_in(repository: Place) -> ReadMetadata:
    """Returns a function that reads a metadata file of a repository by name.

    The function returns None for a file that is not there.

    Raises:
        RepositoryError: by that function, for a file that is too long.
        StorageError: by that function, where the storage cannot be read.
    """
    objects = open_objects(repository)

    def read(name: str) -> bytes | None:
        content = objects.read(f"{METADATA_FOLDER}/{name}", MAX_METADATA_BYTES)
        return None if content is None else content.data

    return read


def read_roots(read: ReadMetadata, trusted_root: bytes | None = None) -> dict[str, bytes]:
    """Reads the chain of roots, each signed by the one before and by itself.

    Args:
        read: gives a metadata file's bytes by name, or None where there is none.
        trusted_root: where the chain begins; `1.root.json` when not given.

    Returns:
        Bytes by name, the newest last; empty where there is no root at all.

    Raises:
        RepositoryError: a root is malformed or not signed as required.
    """
    first = trusted_root if trusted_root is not None else read("1.root.json")
    if first is None:
        return {}
    root = verify(Root, first, None)
    verify(Root, first, root)
    chain = {f"{root.version}.root.json": first}
    while (data := read(f"{root.version + 1}.root.json")) is not None:
        following = verify(Root, data, root)
        verify(Root, data, following)
        if following.version != root.version + 1:
            raise RepositoryError(
                f"{root.version + 1}.root.json says that it is version {following.version}"
            )
        root = following
        chain[f"{root.version}.root.json"] = data
    return chain


def read_state(read: ReadMetadata, trusted_root: bytes | None = None) -> State | None:
    """Reads and verifies the metadata that `timestamp.json` names; expiry is not judged here.

    Args:
        read: gives a metadata file's bytes by name, or None where there is none.
        trusted_root: see `read_roots`.

    Returns:
        None where nothing was published yet.

    Raises:
        RepositoryError: a file is missing or malformed, not signed as the root demands, or not
            the one that the others name.
    """
    roots = read_roots(read, trusted_root)
    timestamp_bytes = read(TIMESTAMP_NAME)
    if timestamp_bytes is None:
        return None
    if not roots:
        raise RepositoryError("there is no 1.root.json, though something was published")
    root = verify(Root, list(roots.values())[-1], None)
    timestamp = verify(Timestamp, timestamp_bytes, root)
    snapshot_name, snapshot_bytes = _read_named(read, "snapshot", timestamp.snapshot_meta)
    snapshot = verify(Snapshot, snapshot_bytes, root)
    _check_version(snapshot_name, snapshot, timestamp.snapshot_meta)
    if "targets.json" not in snapshot.meta:
        raise RepositoryError(f"{snapshot_name} does not name the targets metadata")
    targets, files = _read_targets(read, "targets", snapshot, root)
    models: dict[str, Targets] = {}
    for role in list_delegations(targets):
        # A role can be delegated before its model is published.
        if f"{role.name}.json" in snapshot.meta:
            models[role.name], found = _read_targets(read, role.name, snapshot, targets)
            files |= found
    files = {**roots, **files, snapshot_name: snapshot_bytes, TIMESTAMP_NAME: timestamp_bytes}
    return State(root, timestamp, snapshot, targets, models, files)


def verify(
    kind: type[S], data: bytes, delegator: Root | Targets | None, role: str | None = None
) -> S:
    """Parses metadata of a kind, and checks the signatures that are demanded.

    Args:
        kind: the class of the signed part.
        data: the file's bytes.
        delegator: names keys and thresholds; None only parses.
        role: the role that they are of; the kind's own when not given.

    Raises:
        RepositoryError: malformed, of another kind, or not signed as required.
    """
    role = role or kind.type
    try:
        metadata: Metadata[S] = Metadata.from_bytes(data)
        if not isinstance(metadata.signed, kind):
            raise RepositoryError(
                f"expected {kind.type} metadata, found {metadata.signed.type} metadata"
            )
        if delegator is not None:
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (TufError, ValueError) as error:
        raise RepositoryError(f"the {role} metadata are refused: {error}") from None
    return metadata.signed


def _read_targets(
    read: ReadMetadata, role: str, snapshot: Snapshot, delegator: Root | Targets
) -> tuple[Targets, dict[str, bytes]]:
    meta = snapshot.meta[f"{role}.json"]
    name, data = _read_named(read, role, meta)
    signed = verify(Targets, data, delegator, role)
    _check_version(name, signed, meta)
    if role == "targets":
        check_delegating(signed)
    else:
        check_delegated(role, signed)
    return signed, {name: data}


def _read_named(read: ReadMetadata, role: str, meta: MetaFile) -> tuple[str, bytes]:
    name = f"{meta.version}.{role}.json"
    data = read(name)
    if data is None:
        raise RepositoryError(f"{name} is missing, though signed metadata name it")
    try:
        meta.verify_length_and_hashes(data)
    except (TufError, DownloadError) as error:
        raise RepositoryError(f"{name} was changed: {error}") from None
    return name, data


def _check_version(name: str, signed: Signed, meta: MetaFile) -> None:
    if signed.version != meta.version:
        raise RepositoryError(f"{name} says that it is version {signed.version}")
