"""The first root of a repository: the file that apps are shipped with, signed once for its keys.

A copy of it is kept in the key folder. Apps may trust that copy from then on, so it is never
overwritten: what else is begun with the same keys begins with the same file.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Root  # type: ignore[attr-defined]

from mobile_assets.signing import ROLES, check_publishable, load_public_keys, load_signer
from serving.errors import PublishError, RepositoryError
from serving.publishing.repository import create_root, sign, verify
from training.files import storage_error, write_atomic

FIRST_ROOT_NAME = "1.root.json"
ROOT_COPY_NAME = "root.json"


def make_first_root(keys: Path, model: str) -> bytes:
    """Returns the first root for a new repository, after checking that all its keys are there.

    Args:
        keys: a key folder with the private keys of all roles. Where it holds the root of a
            repository that was begun with these keys, that one is the first root here too.
        model: name of the first model.

    Raises:
        SigningError: a key is missing, or is not the one that the folder names.
        PublishError: the folder names no key for a role, or its `root.json` is of other keys.
    """
    check_publishable(model)
    public = load_public_keys(keys)
    missing = [role for role in ROLES if role not in public]
    if missing:
        raise PublishError(
            f"a new repository needs the keys of all roles: {keys} names none for "
            f"{', '.join(missing)}"
        )
    root = create_root(public)
    for role in (*ROLES, *([model] if model in public else [])):
        load_signer(keys, role)
    kept = read_copy(keys)
    if kept is None:
        return sign(root, "root", [load_signer(keys, "root")], root)
    objection = _find_objection(kept, root)
    if objection:
        raise PublishError(
            f"nothing is published there yet, and no new repository can begin with "
            f"{keys / ROOT_COPY_NAME}, which is there already: {objection}. It is never "
            "overwritten, since apps may ship with it. Check --repository; for a new repository "
            "take a new key folder (`python -m mobile_assets keys`), or move that file away if no "
            "app trusts it"
        )
    return kept


def read_copy(keys: Path) -> bytes | None:
    """Returns the root that a key folder keeps for apps, or None."""
    path = keys / ROOT_COPY_NAME
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", path, error) from error


def check_copy(keys: Path, roots: Collection[bytes], where: str) -> None:
    """Checks that the root that a key folder keeps is one of a repository's, if it keeps any.

    Raises:
        PublishError: it belongs to another repository.
    """
    kept = read_copy(keys)
    if kept is not None and kept not in roots:
        raise PublishError(
            f"{keys / ROOT_COPY_NAME} is no root of {where}: these keys began another repository "
            "as well, and apps that ship with that file may find nothing here that they trust. "
            "Check --repository; if it is right, move the file away, and this one's own root "
            "takes its place"
        )


def keep_copy(keys: Path, first_root: bytes) -> None:
    """Leaves the first root in a key folder that keeps none."""
    if read_copy(keys) is None:
        write_atomic(keys / ROOT_COPY_NAME, first_root)


def _find_objection(data: bytes, wanted: Root) -> str:
    """Returns why a root cannot be the first one for certain keys, or nothing."""
    try:
        root = verify(Root, data, None)
        verify(Root, data, root)
    except RepositoryError as error:
        return str(error)
    if root.version != 1:
        return f"it is version {root.version} of another repository's root"
    if (root.keys, root.roles) != (wanted.keys, wanted.roles) or not root.consistent_snapshot:
        return "it began another repository, with other keys"
    if root.expires <= datetime.now(UTC):
        return f"it began another repository, and expired on {root.expires:%Y-%m-%d}"
    return ""
