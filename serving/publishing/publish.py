"""Publishing: a bundle becomes a version that never changes, and a release names it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.manifest import MANIFEST_NAME
from mobile_assets.release import Release
from serving.errors import PublishError, UnknownModelError
from serving.publishing.ceremony import propose_release
from serving.publishing.deltas import put_deltas
from serving.publishing.desk import Desk, open_desk
from serving.publishing.first_root import (
    FIRST_ROOT_NAME,
    ROOT_COPY_NAME,
    check_copy,
    keep_copy,
    read_copy,
)
from serving.publishing.objects import Place
from serving.publishing.policy import FOR_ALL, Plan, add_version
from serving.publishing.repository import (
    State,
    file_path,
    read_metadata_in,
    read_roots,
    read_sha256,
)
from training.files import sha256_bytes

# One key folder, or the folders of as many people as must sign.
Keys = Path | Sequence[Path]


@dataclass(frozen=True)
class Publication:
    """What a command changed.

    Attributes:
        model: name of the model.
        version: the version that was published or made current.
        changed: False where all was so already.
        state: the metadata that clients now see.
        notes: what else whoever published should know.
    """

    model: str
    version: str
    changed: bool
    state: State
    notes: tuple[str, ...] = ()


def publish(
    bundle_path: Path,
    repository: Place,
    keys: Keys = (),
    proposal: Path | None = None,
    plan: Plan = FOR_ALL,
) -> Publication:
    """Publishes a bundle, by default as the current version; creates a new repository.

    Publishing the same bundle again changes nothing, but puts back files that went missing. The
    first version of a model needs the targets key, which then names the model's own key (made in
    the first key folder where there is none); a further one needs only the model's key and the
    two online ones.

    Args:
        bundle_path: what `python -m mobile_assets bundle` wrote.
        repository: where it lies: a folder, or an address of object storage.
        keys: folders with the private keys; a copy of the first root, which clients are shipped
            with, is left in the first one as `root.json`. One that is there is never overwritten,
            and begins a new repository of the same keys too.
        proposal: where the model's new metadata go for others to sign (see
            `serving.publishing.ceremony`); clients see nothing of it, and no keys are needed. None
            signs and publishes at once.
        plan: which devices get the version.

    Raises:
        BundleError: the bundle is damaged.
        SigningError: a key is missing, or is not the one that the repository trusts.
        PublishError: the version is published with other content, or cannot go where it should;
            or `root.json` in the key folder is of another repository.
        RepositoryError: what is published already is damaged.
        ConflictError: another publisher is at work, or was faster.
        StorageError: the disk is full, or the storage cannot be reached.
    """
    bundle = open_bundle(bundle_path)
    model, version = bundle.manifest.model, bundle.manifest.version
    proposing = proposal is not None
    with open_desk(repository, _folders(keys), model, creating=True, proposing=proposing) as desk:
        if not proposing:
            _check_root(desk, _folders(keys)[0])
        release = desk.find_release(model)
        changed = release is None or version not in release.names
        if not changed:
            _check_same_content(desk, bundle)
        for path in [*(file.path for file in bundle.manifest.files), MANIFEST_NAME]:
            desk.put(file_path(model, version, path), bundle.read(path))
        put_deltas(desk, bundle, release)
        if changed:
            desk.put_release(add_version(release, model, version, plan))
        state = _finish(desk, proposal) if changed else desk.published()
        if not proposing:
            first = read_metadata_in(desk.objects)(FIRST_ROOT_NAME)
            keep_copy(_folders(keys)[0], first or b"")
        return Publication(model, version, changed, state, tuple(desk.notes))


def change_release(
    model: str,
    repository: Place,
    keys: Keys,
    change: Callable[[Release], Release],
    proposal: Path | None = None,
) -> tuple[bool, State]:
    """Signs and publishes another `release.json` of a model; its versions stay as they are.

    Args:
        model: its name.
        repository: where it lies.
        keys: folders with the model's key and the online ones.
        change: gives the new release from the one that is published; what it raises ends the
            change, and nothing is written.
        proposal: see `publish`.

    Returns:
        Whether anything changed, and what clients see now.

    Raises:
        UnknownModelError: no such model.
        SigningError: see `publish`; likewise RepositoryError, ConflictError and StorageError.
    """
    proposing = proposal is not None
    with open_desk(repository, _folders(keys), model, proposing=proposing) as desk:
        release = desk.find_release(model)
        if release is None:
            raise UnknownModelError(model, desk.list_models())
        changed = change(release)
        if changed == release:
            return False, desk.published()
        desk.put_release(changed)
        return True, _finish(desk, proposal)


def resign(repository: Place, keys: Keys) -> State:
    """Renews the snapshot and the timestamp, so that clients keep trusting what is published.

    Needs only the two online keys.

    Raises:
        PublishError: nothing is published yet.
        SigningError: see `publish`; likewise RepositoryError, ConflictError and StorageError.
    """
    with open_desk(repository, _folders(keys)) as desk:
        desk.published()
        return desk.commit()


def _finish(desk: Desk, proposal: Path | None) -> State:
    if proposal is None:
        return desk.commit()
    changed = desk.change_files()
    if changed is None:
        raise PublishError("nothing was put that could be proposed")
    propose_release(desk, *changed).write(proposal)
    return desk.published()


def _folders(keys: Keys) -> tuple[Path, ...]:
    return (keys,) if isinstance(keys, Path) else tuple(keys)


def _check_root(desk: Desk, keys: Path) -> None:
    """Checks the key folder's `root.json` before anything is written; notes a new beginning."""
    where = desk.objects.describe()
    if desk.new_root is None:
        check_copy(keys, read_roots(read_metadata_in(desk.objects)).values(), where)
    if desk.state is None:
        words = f"this begins a NEW repository: nothing was published before in {where}"
        if read_copy(keys) is not None:
            words += (
                f". These keys began another one, which has the same {keys / ROOT_COPY_NAME}: if "
                "you meant that one, check --repository, and remove this one"
            )
        desk.notes.insert(0, words)


def _check_same_content(desk: Desk, bundle: Bundle) -> None:
    model, version = bundle.manifest.model, bundle.manifest.version
    target = desk.find_target(file_path(model, version, MANIFEST_NAME))
    if target is None or read_sha256(target) != sha256_bytes(bundle.manifest_bytes):
        raise PublishError(
            f"{model} {version} is published with other content, and versions never change: "
            "give the new content a new version"
        )
