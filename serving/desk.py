"""The desk: the one place that signs and writes a repository, held by one publisher at a time.

New files first, then the metadata that name them, `timestamp.json` last: clients start there, so
until that one rename they see the old release, afterwards the new one. Whatever a killed publisher
leaves behind is named by nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from mobile_assets.release import Release
from mobile_assets.signing import (
    ROLES,
    add_model_key,
    check_publishable,
    load_public_keys,
    load_signer,
    load_signers,
)
from serving.delegations import add_delegation, check_delegated, find_delegation
from serving.errors import PublishError, RepositoryError, UnknownModelError
from serving.repository import (
    METADATA_FOLDER,
    METADATA_NAME,
    TARGETS_FOLDER,
    TIMESTAMP_NAME,
    State,
    create_root,
    describe_metadata,
    expiry,
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
from training.files import exclusive_lock, sha256_file, write_atomic

FIRST_ROOT_NAME = "1.root.json"
ONLINE_ROLES = ("snapshot", "timestamp")
_LOCK_NAME = ".publish.lock"


@dataclass
class Desk:
    """One publisher's work on a repository, which it holds the lock of.

    Attributes:
        repository: the repository's folder.
        root: names the keys of the four roles.
        signers: the private keys of each role that may have to sign.
        state: what is published; None in a new repository.
        new_root: bytes of a root that is written with the next commit, and its file's name.
        signed: metadata of roles that change with the next commit, with their signed bytes.
        files: targets of the desk's model that were put since the last commit.
    """

    repository: Path
    root: Root
    signers: Mapping[str, Sequence[Signer]]
    state: State | None
    new_root: tuple[str, bytes] | None = None
    signed: dict[str, tuple[Targets, bytes]] = field(default_factory=dict)
    files: dict[str, TargetFile] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    def published(self) -> State:
        """Returns what clients see now.

        Raises:
            PublishError: nothing is published yet.
        """
        if self.state is None:
            raise PublishError(f"nothing is published yet in {self.repository}")
        return self.state

    def list_models(self) -> list[str]:
        """Returns the names of the models that are published."""
        return self.state.list_models() if self.state else []

    def find_target(self, path: str) -> TargetFile | None:
        """Returns the published entry of a target path."""
        return self.state.find_target(path) if self.state else None

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
        self.files[path] = target
        if not stored.is_file():
            self.written.append(stored)
        elif sha256_file(stored) == read_sha256(target):
            return
        write_atomic(stored, data)

    def renew_targets(self, role: str) -> Targets:
        """Returns a copy of a role's metadata to change, with the next version and a new expiry.

        Args:
            role: "targets", or a model's name; new and empty where it published nothing yet.
        """
        old = None
        if self.state is not None:
            old = self.state.targets if role == "targets" else self.state.models.get(role)
        targets = deepcopy(old) if old else Targets()
        targets.version, targets.expires = self.next_version(role), expiry(role)
        return targets

    def top_targets(self) -> Targets | None:
        """Returns the top-level targets metadata as they are after the next commit."""
        if "targets" in self.signed:
            return self.signed["targets"][0]
        return self.state.targets if self.state else None

    def next_version(self, role: str) -> int:
        """Returns the number for a role's next metadata file.

        One more than any file here, a killed publisher's included: caches may keep a numbered
        file for good.
        """
        found = [
            int(match[1])
            for path in (self.repository / METADATA_FOLDER).glob(f"*.{role}.json")
            if (match := METADATA_NAME.fullmatch(path.name))
        ]
        return max(found, default=0) + 1

    def commit(self) -> State:
        """Signs and writes the metadata, `timestamp.json` last.

        Returns:
            What clients see now.
        """
        self._sign_files()
        folder = self.repository / METADATA_FOLDER
        for name, data in self._sign_online().items():
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

    def change_files(self) -> tuple[str, Targets] | None:
        """Returns the model whose files were put, and its new metadata, unsigned; or None."""
        if not self.files:
            return None
        model = next(iter(self.files)).split("/")[0]
        targets = self.renew_targets(model)
        targets.targets.update(self.files)
        check_delegated(model, targets)
        return model, targets

    def _sign_files(self) -> None:
        changed, delegator = self.change_files(), self.top_targets()
        if changed is not None and delegator is not None:
            model, targets = changed
            data = sign(targets, model, self.signers[model], delegator)
            self.signed[model] = targets, data

    def _sign_online(self) -> dict[str, bytes]:
        """Returns the new metadata files in the order in which they may be written."""
        old = self.state
        files: dict[str, bytes] = {}
        snapshot = deepcopy(old.snapshot) if old else Snapshot()
        for role, (targets, data) in self.signed.items():
            files[f"{targets.version}.{role}.json"] = data
            snapshot.meta[f"{role}.json"] = describe_metadata(targets, data)
        snapshot.version, snapshot.expires = self.next_version("snapshot"), expiry("snapshot")
        data = sign(snapshot, "snapshot", self.signers["snapshot"], self.root)
        files[f"{snapshot.version}.snapshot.json"] = data
        if self.new_root is not None:
            # Next to last: a client that finds it needs the timestamp that its keys sign.
            name, root_bytes = self.new_root
            files[name] = root_bytes
        timestamp = Timestamp(
            version=old.timestamp.version + 1 if old else 1,
            expires=expiry("timestamp"),
            snapshot_meta=describe_metadata(snapshot, data),
        )
        signed = sign(timestamp, "timestamp", self.signers["timestamp"], self.root)
        return {**files, TIMESTAMP_NAME: signed}


@contextmanager
def open_desk(
    repository: Path,
    keys: Sequence[Path],
    model: str | None = None,
    creating: bool = False,
    proposing: bool = False,
) -> Iterator[Desk]:
    """Takes the repository's lock, and checks every key before anything is written.

    Args:
        repository: its folder.
        keys: key folders: one, or as many as a role's threshold wants.
        model: the one that is published; its key is needed. None only renews the online
            signatures.
        creating: whether the repository may be made anew, with all keys, and a model that is new
            get a role, with the targets key.
        proposing: whether others sign: no key is needed then, and nothing can be committed.

    Raises:
        SigningError: a key is missing, or is not the one that the repository trusts.
        PublishError: nothing is published yet, or the root is over its time.
        RepositoryError: what is published is damaged.
        StorageError: the disk is full, or another publisher is at work.
    """
    is_new = not (repository / METADATA_FOLDER / FIRST_ROOT_NAME).exists()
    if is_new and (model is None or not creating or proposing):
        raise PublishError(f"nothing is published yet in {repository}")
    new_root = _sign_first_root(keys[0], model or "") if is_new else None
    with lock_repository(repository):
        read = read_metadata_in(repository)
        roots, state = read_roots(read), read_state(read)
        if not roots and new_root is None:
            raise RepositoryError(f"{repository} lost its {FIRST_ROOT_NAME} just now")
        root = verify(Root, list(roots.values())[-1] if roots else new_root or b"", None)
        if root.expires <= datetime.now(UTC):
            raise PublishError(
                f"the root metadata expired on {root.expires:%Y-%m-%d}: clients refuse whatever "
                "is signed under them; `python -m serving trust propose --renew root` begins a "
                "new one"
            )
        named = None if roots or new_root is None else (FIRST_ROOT_NAME, new_root)
        desk = Desk(repository, root, {} if proposing else load_online(keys, root), state, named)
        if proposing:
            _check_proposable(desk, model or "")
        elif model is not None:
            desk.signers = {**desk.signers, model: _load_model(desk, keys, model, creating)}
        with taking_back(desk):
            yield desk


@contextmanager
def lock_repository(repository: Path) -> Iterator[None]:
    """Holds a repository's lock; then sweeps away what killed publishers left unfinished.

    Raises:
        StorageError: the folder cannot be written, or another publisher is at work.
    """
    folder = repository / METADATA_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from error
    with exclusive_lock(repository / _LOCK_NAME):
        for name in (METADATA_FOLDER, TARGETS_FOLDER):
            for path in (repository / name).rglob(".*"):
                if path.is_file():
                    path.unlink(missing_ok=True)
        yield


@contextmanager
def taking_back(desk: Desk) -> Iterator[None]:
    """Takes back what the block wrote, unless it got as far as clients can see."""
    try:
        yield
    except BaseException:
        desk.take_back()
        raise


def load_online(keys: Sequence[Path], root: Root) -> dict[str, Sequence[Signer]]:
    """Loads the keys of the snapshot and the timestamp.

    Raises:
        SigningError: fewer than the root wants are there.
    """
    return {role: _load_role(keys, role, root.roles[role]) for role in ONLINE_ROLES}


def _check_proposable(desk: Desk, model: str) -> None:
    if find_delegation(desk.published().targets, model) is None:
        raise PublishError(
            f"no key signs for {model!r} yet: `python -m serving trust propose --add-key` names "
            "its keys, and then its releases can be proposed"
        )


def _load_role(keys: Sequence[Path], name: str, role: Role) -> Sequence[Signer]:
    return load_signers(keys, name, role.keyids, role.threshold)


def _load_model(desk: Desk, keys: Sequence[Path], model: str, creating: bool) -> Sequence[Signer]:
    """Returns the signers of a model; delegates to it first where it is new."""
    role = find_delegation(desk.top_targets(), model)
    if role is not None:
        return _load_role(keys, model, role)
    if not creating:
        raise UnknownModelError(model, desk.list_models())
    signers = _load_role(keys, "targets", desk.root.roles["targets"])
    delegating = desk.renew_targets("targets")
    public = load_public_keys(keys[0]).get(check_publishable(model))
    add_delegation(delegating, model, [public or add_model_key(keys[0], model)])
    data = sign(delegating, "targets", signers, desk.root)
    desk.signed["targets"] = delegating, data
    return [load_signer(keys[0], model)]


def _sign_first_root(keys: Path, model: str) -> bytes:
    check_publishable(model)
    public = load_public_keys(keys)
    missing = [role for role in ROLES if role not in public]
    if missing:
        raise PublishError(
            f"a new repository needs the keys of all roles: {keys} names none for "
            f"{', '.join(missing)}"
        )
    root = create_root(public)
    for role in ROLES:
        load_signer(keys, role)
    if model in public:
        load_signer(keys, model)
    return sign(root, "root", [load_signer(keys, "root")], root)
