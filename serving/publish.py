"""Publishing: new files first, then the metadata that name them, `timestamp.json` last.

Clients start at `timestamp.json`. Until the one rename that replaces it they see the old release,
afterwards the new one; whatever a killed publisher leaves behind is named by nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import Signer  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.manifest import MANIFEST_NAME
from mobile_assets.release import Release
from mobile_assets.signing import load_public_keys, load_signer
from serving.errors import (
    PublishError,
    RepositoryError,
    UnknownModelError,
    UnknownVersionError,
)
from serving.repository import (
    METADATA_FOLDER,
    METADATA_NAME,
    TARGETS_FOLDER,
    TIMESTAMP_NAME,
    State,
    create_root,
    describe_metadata,
    expiry,
    file_path,
    list_models,
    read_metadata_in,
    read_roots,
    read_sha256,
    read_state,
    read_target,
    release_path,
    sign,
    stored_path,
    verify,
)
from training.errors import StorageError
from training.files import exclusive_lock, sha256_bytes, sha256_file, write_atomic

ROOT_COPY_NAME = "root.json"
_FIRST_ROOT_NAME = "1.root.json"
_LOCK_NAME = ".publish.lock"
_CONTENT_ROLES = ("targets", "snapshot", "timestamp")
_ONLINE_ROLES = ("snapshot", "timestamp")


@dataclass(frozen=True)
class Publication:
    """What a command changed.

    Attributes:
        model: name of the model.
        version: the version that was published or made current.
        changed: False where all was so already.
        state: the metadata that clients now see.
    """

    model: str
    version: str
    changed: bool
    state: State


def publish(bundle_path: Path, repository: Path, keys: Path) -> Publication:
    """Publishes a bundle and makes its version the current one; creates a new repository.

    Publishing the same bundle again changes nothing, but puts back files that went missing.

    Args:
        bundle_path: what `python -m mobile_assets bundle` wrote.
        repository: the repository's folder.
        keys: folder with the private keys; a copy of the first root, which clients are shipped
            with, is left there as `root.json`.

    Raises:
        BundleError: the bundle is damaged.
        SigningError: a key is missing, or is not the one that the repository trusts.
        PublishError: the version is published with other content.
        RepositoryError: what is published already is damaged.
        StorageError: the disk is full, or another publisher is at work.
    """
    bundle = open_bundle(bundle_path)
    model, version = bundle.manifest.model, bundle.manifest.version
    with _open_desk(repository, keys, _CONTENT_ROLES) as desk:
        _copy_root(desk, keys)
        release = desk.find_release(model)
        changed = release is None or version not in release.versions
        if not changed:
            _check_same_content(desk, bundle)
        for path in [*(file.path for file in bundle.manifest.files), MANIFEST_NAME]:
            desk.put(file_path(model, version, path), bundle.read(path))
        if changed:
            versions = (*(release.versions if release else ()), version)
            desk.put_release(Release(model, version, versions))
        return Publication(model, version, changed, desk.commit() if changed else desk.published())


def set_current(model: str, version: str, repository: Path, keys: Path) -> Publication:
    """Makes a published version the current one: newer metadata name the older version.

    Raises:
        UnknownModelError: no such model.
        UnknownVersionError: no such version.
        SigningError: see `publish`; likewise RepositoryError and StorageError.
    """
    with _open_desk(repository, keys, _CONTENT_ROLES) as desk:
        release = desk.find_release(model)
        if release is None:
            raise UnknownModelError(model, desk.list_models())
        if version not in release.versions:
            raise UnknownVersionError(model, version, release.versions)
        if release.current == version:
            return Publication(model, version, False, desk.published())
        desk.put_release(Release(model, version, release.versions))
        return Publication(model, version, True, desk.commit())


def resign(repository: Path, keys: Path) -> State:
    """Renews the snapshot and the timestamp, so that clients keep trusting what is published.

    Needs only the two online keys.

    Raises:
        PublishError: nothing is published yet.
        SigningError: see `publish`; likewise RepositoryError and StorageError.
    """
    with _open_desk(repository, keys, _ONLINE_ROLES) as desk:
        desk.published()
        return desk.commit()


@dataclass
class _Desk:
    """One publisher's work on a repository, which it holds the lock of."""

    repository: Path
    root: Root
    signers: Mapping[str, Signer]
    state: State | None
    new_root: bytes | None
    targets: dict[str, TargetFile] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    def published(self) -> State:
        """Returns what clients see now."""
        if self.state is None:
            raise PublishError(f"nothing is published yet in {self.repository}")
        return self.state

    def list_models(self) -> list[str]:
        """Returns the names of the models that are published."""
        return list_models(self.state.targets) if self.state else []

    def find_target(self, path: str) -> TargetFile | None:
        """Returns the published entry of a target path."""
        return self.state.targets.targets.get(path) if self.state else None

    def find_release(self, model: str) -> Release | None:
        """Returns what is published of a model."""
        target = self.find_target(release_path(model))
        if target is None:
            return None
        return Release.from_bytes(read_target(self.repository, target))

    def put_release(self, release: Release) -> None:
        """Puts a model's `release.json`."""
        self.put(release_path(release.model), release.to_bytes())

    def put(self, path: str, data: bytes) -> None:
        """Writes a target file under its hash; clients see it after the next commit."""
        target = TargetFile.from_data(path, data, ["sha256"])
        stored = self.repository / TARGETS_FOLDER / stored_path(target)
        self.targets[path] = target
        if not stored.is_file():
            self.written.append(stored)
        elif sha256_file(stored) == read_sha256(target):
            return
        write_atomic(stored, data)

    def commit(self) -> State:
        """Signs and writes the metadata, `timestamp.json` last.

        Returns:
            What clients see now.
        """
        folder = self.repository / METADATA_FOLDER
        files = self._sign_all()
        for name, data in files.items():
            if name != TIMESTAMP_NAME:
                self.written.append(folder / name)
            write_atomic(folder / name, data)
        state = read_state(read_metadata_in(self.repository))
        if state is None:
            raise RepositoryError(f"{folder / TIMESTAMP_NAME} vanished after it was written")
        return state

    def take_back(self) -> None:
        """Removes what a failed attempt wrote, so that a full disk is not left fuller."""
        old = None if self.state is None else self.state.files[TIMESTAMP_NAME]
        if read_metadata_in(self.repository)(TIMESTAMP_NAME) != old:
            return  # clients see the new files already
        for path in self.written:
            path.unlink(missing_ok=True)

    def _sign_all(self) -> dict[str, bytes]:
        """Returns the new metadata files in the order in which they may be written."""
        old = self.state
        files: dict[str, bytes] = {} if self.new_root is None else {_FIRST_ROOT_NAME: self.new_root}
        snapshot = deepcopy(old.snapshot) if old else Snapshot()
        if self.targets or old is None:
            targets = deepcopy(old.targets) if old else Targets()
            targets.version, targets.expires = self._next_version("targets"), expiry("targets")
            targets.targets.update(self.targets)
            data = sign(targets, self.signers["targets"], self.root)
            files[f"{targets.version}.targets.json"] = data
            snapshot.meta["targets.json"] = describe_metadata(targets, data)
        snapshot.version, snapshot.expires = self._next_version("snapshot"), expiry("snapshot")
        data = sign(snapshot, self.signers["snapshot"], self.root)
        files[f"{snapshot.version}.snapshot.json"] = data
        timestamp = Timestamp(
            version=old.timestamp.version + 1 if old else 1,
            expires=expiry("timestamp"),
            snapshot_meta=describe_metadata(snapshot, data),
        )
        return {**files, TIMESTAMP_NAME: sign(timestamp, self.signers["timestamp"], self.root)}

    def _next_version(self, role: str) -> int:
        # One more than any file here, a killed publisher's included: caches may keep a numbered
        # file for good.
        found = [
            int(match[1])
            for path in (self.repository / METADATA_FOLDER).glob(f"*.{role}.json")
            if (match := METADATA_NAME.fullmatch(path.name))
        ]
        return max(found, default=0) + 1


@contextmanager
def _open_desk(repository: Path, keys: Path, roles: tuple[str, ...]) -> Iterator[_Desk]:
    """Takes the repository's lock, and checks every key before anything is written."""
    is_new = not (repository / METADATA_FOLDER / _FIRST_ROOT_NAME).exists()
    new_root = _sign_first_root(keys, repository, roles) if is_new else None
    _create_folder(repository / METADATA_FOLDER)
    with exclusive_lock(repository / _LOCK_NAME):
        read = read_metadata_in(repository)
        roots = read_roots(read)
        state = read_state(read)
        if roots:
            new_root = None
        elif new_root is None:
            raise RepositoryError(f"{repository} lost its {_FIRST_ROOT_NAME} just now")
        root = verify(Root, new_root or list(roots.values())[-1], None)
        signers = {
            role: load_signer(keys, role, root.get_delegated_role(role).keyids) for role in roles
        }
        if root.is_expired():
            raise PublishError(
                f"the root metadata expired on {root.expires:%Y-%m-%d}: clients refuse whatever "
                "is signed under them"
            )
        _sweep(repository)
        desk = _Desk(repository, root, signers, state, new_root)
        try:
            yield desk
        except BaseException:
            desk.take_back()
            raise


def _sign_first_root(keys: Path, repository: Path, roles: tuple[str, ...]) -> bytes:
    if roles != _CONTENT_ROLES:
        raise PublishError(f"nothing is published yet in {repository}")
    root = create_root(load_public_keys(keys))
    for role in roles:
        load_signer(keys, role)
    return sign(root, load_signer(keys, "root"), root)


def _copy_root(desk: _Desk, keys: Path) -> None:
    first = desk.new_root or read_metadata_in(desk.repository)(_FIRST_ROOT_NAME)
    copy = keys / ROOT_COPY_NAME
    if first is not None and (not copy.is_file() or copy.read_bytes() != first):
        write_atomic(copy, first)


def _check_same_content(desk: _Desk, bundle: Bundle) -> None:
    model, version = bundle.manifest.model, bundle.manifest.version
    target = desk.find_target(file_path(model, version, MANIFEST_NAME))
    if target is None or read_sha256(target) != sha256_bytes(bundle.manifest_bytes):
        raise PublishError(
            f"{model} {version} is published with other content, and versions never change: "
            "give the new content a new version"
        )


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from error


def _sweep(repository: Path) -> None:
    """Removes the unfinished files of killed publishers; the lock says that none is at work."""
    for folder in (METADATA_FOLDER, TARGETS_FOLDER):
        for path in (repository / folder).rglob(".*"):
            if path.is_file():
                path.unlink(missing_ok=True)
