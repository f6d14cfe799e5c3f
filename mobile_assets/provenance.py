"""Where a bundle comes from: a signed statement beside it, in the forms that other tools read.

An in-toto statement (v1) with the SLSA provenance predicate (v1) in a DSSE envelope (v1), signed by
an ed25519 key. Clients do not need it: they trust what TUF signs. It is for whoever asks later
which training result a file was made from, without this repository and its metadata.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SignatureError
from securesystemslib.signer import Key, Signer  # type: ignore[attr-defined]

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.parts import File
from mobile_assets.reading import canonical_json, read_json
from mobile_assets.released import ReleasedModel
from training.errors import StorageError
from training.files import sha256_file, write_atomic

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SUFFIX = ".provenance.json"
_BUILD_TYPE = "urn:ghostlens:bundle:1"
_BUILDER_ID = "urn:ghostlens:mobile_assets"
_MAX_BYTES = 4 << 20


def provenance_path(bundle_path: Path) -> Path:
    """Returns where the statement of a bundle lies: beside it."""
    return bundle_path.with_name(bundle_path.name + SUFFIX)


def describe_provenance(bundle: Bundle) -> dict[str, Any]:
    """Returns the statement: the bundle and each of its artifacts, and what they were made from.

    The same bundle gives the same statement; it holds no time and no place.
    """
    manifest = bundle.manifest
    subjects = {bundle.path.name: sha256_file(bundle.path)}
    subjects |= {file.path: file.sha256 for model in manifest.models for file in _files(model)}
    materials = [
        {
            "name": f"checkpoint of the {model.place} network",
            "digest": {"sha256": model.checkpoint_sha256},
            "annotations": {"architecture": model.architecture, "photos": model.photos_source},
        }
        for model in manifest.models
    ]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"model": manifest.model, "version": manifest.version},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": _BUILDER_ID}},
        },
    }


def write_provenance(bundle: Bundle, signer: Signer) -> Path:
    """Signs the statement of a bundle and writes it beside the bundle.

    Returns:
        The statement's file.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    envelope = Envelope(canonical_json(describe_provenance(bundle)), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    path = provenance_path(bundle.path)
    write_atomic(path, json.dumps(envelope.to_dict(), indent=1) + "\n")
    return path


def verify_provenance(bundle: Bundle, keys: Collection[Key]) -> dict[str, Any]:
    """Reads the statement beside a bundle, and checks who signed it and that it is about it.

    Args:
        bundle: an opened bundle.
        keys: public keys of which one must have signed.

    Returns:
        The statement.

    Raises:
        BundleError: malformed, signed by none of the keys, or about another bundle.
        StorageError: there is none.
    """
    path = provenance_path(bundle.path)
    try:
        value = read_json(path.read_bytes(), str(path), _MAX_BYTES).plain()
        envelope = Envelope.from_dict(value)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise BundleError(f"{path} holds {envelope.payload_type!r}: allowed is {PAYLOAD_TYPE}")
        envelope.verify(list(keys), 1)
        statement: dict[str, Any] = read_json(envelope.payload, str(path), _MAX_BYTES).plain()
    except FileNotFoundError:
        raise StorageError(
            f"there is no {path}: {bundle.path.name} was made without --provenance, or its "
            "statement was left behind"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except SignatureError as error:
        raise BundleError(f"{path} is not signed by the keys given: {error}") from None
    except (ManifestError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is damaged: {error}") from None
    if statement != describe_provenance(bundle):
        raise BundleError(f"{path} is signed, but it is not about {bundle.path} as it is")
    return statement


def _files(model: ReleasedModel) -> list[File]:
    return [artifact.file for artifact in model.artifacts]
