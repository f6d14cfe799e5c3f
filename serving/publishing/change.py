"""A change of keys or of a release that several people sign: one file that they pass on.

The file holds the metadata as they are published (`before`, which anyone can verify from the first
root on) and as they are to be (`after`), to which each person adds a signature.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer  # type: ignore[attr-defined]
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    Role,
    Root,
    Targets,
    VerificationResult,
)
from tuf.api.serialization.json import JSONSerializer

from mobile_assets.errors import ManifestError
from mobile_assets.reading import check_schema, read_json
from mobile_assets.signing import check_role_name
from serving.errors import CeremonyError
from serving.publishing.delegations import check_delegated, check_delegating, find_delegation
from serving.publishing.repository import MAX_METADATA_BYTES, read_roots, verify
from training.files import sha256_bytes, write_atomic

_SCHEMA = "ghostlens.change/1"
_MAX_ROOTS = 256


@dataclass(frozen=True)
class Change:
    """Metadata that are to replace others, once enough people signed them.

    Attributes:
        roots: bytes of all roots that are published, by name, the newest last.
        before: the published targets metadata that are replaced or name keys, by role.
        after: what replaces them, by role: "root", "targets" and names of models.
    """

    roots: Mapping[str, bytes]
    before: Mapping[str, Metadata[Targets]]
    after: Mapping[str, Metadata[Any]]

    @property
    def old_root(self) -> Root:
        """The root that clients trust now."""
        return verify(Root, list(self.roots.values())[-1], None)

    @property
    def root(self) -> Root:
        """The root that clients trust afterwards."""
        return self.after["root"].signed if "root" in self.after else self.old_root

    @property
    def targets(self) -> Targets | None:
        """The top-level targets afterwards; None where nothing was published."""
        return _signed(self.after.get("targets") or self.before.get("targets"))

    def find_role(self, name: str) -> Role | None:
        """Returns who signs for a role or a model afterwards; None where nobody was named."""
        return (
            self.root.roles[name]
            if name in self.root.roles
            else find_delegation(self.targets, name)
        )

    def verify_part(self, name: str) -> list[VerificationResult]:
        """Returns who signed a part and who did not: for a root by the old keys and by the new."""
        metadata = self.after[name]
        delegators: list[Root | Targets | None] = [self.root]
        if name == "root":
            delegators = [self.old_root, self.root]
        elif name != "targets":
            delegators = [self.targets]
        return [
            delegator.get_verification_result(name, metadata.signed_bytes, metadata.signatures)
            for delegator in delegators
            if delegator is not None
        ]

    def list_missing(self) -> list[str]:
        """Returns, in words, which signatures are missing; empty when it can be published."""
        missing = []
        for name in self.after:
            for whose, result in zip(("present", "new"), self.verify_part(name), strict=False):
                if not result.verified:
                    keys = " or ".join(keyid[:8] for keyid in result.unsigned)
                    words = f" by the {whose} keys" if name == "root" else ""
                    missing.append(f"{name}: {result.missing} more signature(s){words}, of {keys}")
        return missing

    def sign(self, name: str, signer: Signer) -> None:
        """Adds a signature to a part; one of the same key is replaced."""
        self.after[name].sign(signer, append=True)

    def part_bytes(self, name: str) -> bytes:
        """Returns the bytes of a part's metadata file."""
        return self.after[name].to_bytes(JSONSerializer(compact=False))

    def fingerprint(self, name: str) -> str:
        """Returns the SHA-256 of what is signed, which signatures do not change."""
        return sha256_bytes(self.after[name].signed_bytes)

    def write(self, path: Path) -> None:
        """Writes the file that signers pass on, whole or not at all.

        Raises:
            StorageError: the disk is full, or the folder cannot be written.
        """
        value = {
            "schema": _SCHEMA,
            "roots": {name: json.loads(data) for name, data in self.roots.items()},
            "before": {name: metadata.to_dict() for name, metadata in self.before.items()},
            "after": {name: metadata.to_dict() for name, metadata in self.after.items()},
        }
        write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_change(path: Path, trusted_root: bytes | None = None) -> Change:
    """Reads a change, and verifies what it says is published.

    Args:
        path: what `Change.write` wrote.
        trusted_root: root metadata that the reader trusts; the first in the file when not given.

    Raises:
        CeremonyError: no such file, or malformed.
        RepositoryError: what it says is published is not signed as the trusted root demands.
    """
    try:
        document = read_json(path.read_bytes(), str(path), MAX_METADATA_BYTES)
        check_schema(document, _SCHEMA)
        keys = document.table("schema", "roots", "before", "after")
        roots = {
            name: json.dumps(node.plain()).encode()
            for name, node in list(keys["roots"].members().items())[:_MAX_ROOTS]
        }
        before, after = (
            {
                check_role_name(name): _parse(node.plain())
                for name, node in keys[key].members().items()
            }
            for key in ("before", "after")
        )
    except OSError as error:
        raise CeremonyError(f"cannot read {path}: {error.strerror}") from None
    except ManifestError as error:
        raise CeremonyError(f"{path} is damaged: {error}") from None
    change = Change(read_roots(roots.get, trusted_root), before, after)
    if not change.roots:
        raise CeremonyError(f"{path} holds no root metadata")
    _check_before(change)
    _check_after(change)
    return change


def _parse(value: Any) -> Metadata[Any]:
    try:
        return Metadata.from_dict(value)
    except (TufError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"not TUF metadata: {error}") from None


def _check_before(change: Change) -> None:
    for name, metadata in change.before.items():
        delegator: Root | Targets | None = change.old_root
        if name != "targets":
            delegator = change.before["targets"].signed if "targets" in change.before else None
        if delegator is None:
            raise CeremonyError(f"before.{name}: without before.targets nobody can verify it")
        verify(Targets, metadata.to_bytes(), delegator, name)


def _check_after(change: Change) -> None:
    for name, metadata in change.after.items():
        kind = Root if name == "root" else Targets
        if not isinstance(metadata.signed, kind):
            raise CeremonyError(f"after.{name}: it holds {metadata.signed.type} metadata")
        before = change.old_root if name == "root" else _signed(change.before.get(name))
        version, following = metadata.signed.version, before.version + 1 if before else 1
        if version < following or (name == "root" and version > following):
            raise CeremonyError(f"after.{name}: it has version {version}, not {following}")
    if change.targets is not None:
        check_delegating(change.targets)
    for name in change.after:
        if name not in ("root", "targets"):
            if change.find_role(name) is None:
                raise CeremonyError(f"after.{name}: no such model has a role")
            check_delegated(name, change.after[name].signed)


def _signed(metadata: Metadata[Targets] | None) -> Targets | None:
    return metadata.signed if metadata else None
