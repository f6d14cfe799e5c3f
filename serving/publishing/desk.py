"""The desk: the one place that signs and writes a repository, held by one publisher at a time.

New files first, then the metadata that name them, `timestamp.json` last: clients start there, so
until that one write they see the old release, afterwards the new one. Whatever a killed publisher
leaves behind is named by nothing. Where no lock keeps other publishers out, they meet at those
writes: nothing numbered is ever replaced, and the timestamp only if it is the one that was read.
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
    add_model_key,
    check_publishable,
    key_path,
    load_public_keys,
    load_signer,
    load_signers,
)
from serving.errors import PublishError, RepositoryError, UnknownModelError
from serving.publishing.delegations import add_delegation, check_delegated, find_delegation
from serving.publishing.first_root import FIRST_ROOT_NAME, make_first_root
from serving.publishing.objects import Objects, Place, open_objects
from serving.publishing.repository import (
    MAX_METADATA_BYTES,
    METADATA_FOLDER,
    METADATA_NAME,
    TIMESTAMP_NAME,
    State,
    describe_metadata,
    expiry,
    read_metadata_in,
    read_roots,
    read_sha256,
    read_state,
    read_target,
    release_path,
    sign,
    target_name,
    verify,
)

ONLINE_ROLES = ("snapshot", "timestamp")
_TIMESTAMP = f"{METADATA_FOLDER}/{TIMESTAMP_NAME}"


@dataclass
class Desk:
    """One publisher's work on a repository.

    Attributes:
        objects: the repository's storage.
        root: names the keys of the four roles.
        signers: the private keys of each role that may have to sign.
        state: what is published; None in a new repository.
        tag: of the timestamp as it was when the work began; None where there was none.
        alone: whether other publishers are kept out.
        new_root: bytes of a root that is written with the next commit, and its file's name.
        signed: metadata of roles that change with the next commit, with their signed bytes.
        files: targets of the desk's model that were put.
        written: names of the objects that can be taken back.
        notes: what the person at the desk should know besides.
    """

    objects: Objects
    root: Root
    signers: Mapping[str, Sequence[Signer]]
    state: State | None
    tag: str | None = None
    alone: bool = False
    new_root: tuple[str, bytes] | None = None
    signed: dict[str, tuple[Targets, bytes]] = field(default_factory=dict)
    files: dict[str, TargetFile] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def published(self) -> State:
        """Returns what clients see now.

        Raises:
            PublishError: nothing is published yet.
        """
        if self.state is None:
            raise PublishError(f"nothing is published yet in {self.objects.describe()}")
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
        return Release.from_bytes(read_target(self.objects, target))

    def put_release(self, release: Release) -> None:
        """Puts a model's `release.json`."""
        self.put(release_path(release.model), release.to_bytes())

    def put(self, path: str, data: bytes) -> None:
        """Writes a target file under its hash; clients see it after the next commit."""
        target = TargetFile.from_data(path, data, ["sha256"])
        name = target_name(target)
        self.files[path] = target
        if not self.objects.holds(name, read_sha256(target)):
            self._note(name)
            self.objects.write(name, data)

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
            for name in self.objects.list_sizes(METADATA_FOLDER)
            if (match := METADATA_NAME.fullmatch(name.removeprefix(f"{METADATA_FOLDER}/")))
            and match[2] == role
        ]
        return max(found, default=0) + 1

    def commit(self) -> State:
        """Signs and writes the metadata, `timestamp.json` last.

        Returns:
            What clients see now.

        Raises:
            ConflictError: another publisher was faster.
        """
        self._sign_files()
        for name, data in self._sign_online().items():
            stored = f"{METADATA_FOLDER}/{name}"
            if stored == _TIMESTAMP and self.tag is not None:
                self.objects.replace(stored, data, self.tag)
            else:
                self._note(stored)
                self.objects.create(stored, data)
        state = read_state(read_metadata_in(self.objects))
        if state is None:
            raise RepositoryError(f"{self.objects.describe(_TIMESTAMP)} vanished again")
        return state

    def take_back(self) -> None:
        """Removes what a failed attempt wrote, so that a full disk is not left fuller."""
        old = None if self.state is None else self.state.files[TIMESTAMP_NAME]
        if not self.written or read_metadata_in(self.objects)(TIMESTAMP_NAME) != old:
            return  # clients see the new files already
        for name in self.written:
            self.objects.remove(name)

    def change_files(self) -> tuple[str, Targets] | None:
        """Returns the model whose files were put, and its new metadata, unsigned; or None."""
        if not self.files:
            return None
        model = next(iter(self.files)).split("/")[0]
        targets = self.renew_targets(model)
        targets.targets.update(self.files)
        check_delegated(model, targets)
        return model, targets

    def _note(self, name: str) -> None:
        # Where others may publish too, one of them may have found this object and rely on it.
        if self.alone and self.objects.find_status(name) is None:
            self.written.append(name)

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
    repository: Place,
    keys: Sequence[Path],
    model: str | None = None,
    creating: bool = False,
    proposing: bool = False,
) -> Iterator[Desk]:
    """Takes the repository's lock, and checks every key before anything is written.

    Args:
        repository: where it lies.
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
        ConflictError: another publisher is at work, or was faster.
        StorageError: the disk is full, or the storage cannot be reached.
    """
    objects = open_objects(repository)
    is_new = objects.find_status(f"{METADATA_FOLDER}/{FIRST_ROOT_NAME}") is None
    if is_new and (model is None or not creating or proposing):
        raise PublishError(f"nothing is published yet in {objects.describe()}")
    new_root = make_first_root(keys[0], model or "") if is_new else None
    with objects.lock() as alone:
        tag, read = read_tag(objects), read_metadata_in(objects)
        roots, state = read_roots(read), read_state(read)
        if not roots and new_root is None:
            raise RepositoryError(f"{objects.describe()} lost its {FIRST_ROOT_NAME} just now")
        root = verify(Root, list(roots.values())[-1] if roots else new_root or b"", None)
        if root.expires <= datetime.now(UTC):
            raise PublishError(
                f"the root metadata expired on {root.expires:%Y-%m-%d}: clients refuse whatever "
                "is signed under them; `python -m serving trust propose --renew root` begins a "
                "new one"
            )
        named = None if roots or new_root is None else (FIRST_ROOT_NAME, new_root)
        online = {} if proposing else load_online(keys, root)
        desk = Desk(objects, root, online, state, tag, alone, named)
        if proposing:
            _check_proposable(desk, model or "")
        elif model is not None:
            desk.signers = {**desk.signers, model: _load_model(desk, keys, model, creating)}
        with taking_back(desk):
            yield desk


def read_tag(objects: Objects) -> str | None:
    """Returns the tag of the timestamp, before anything else is read: a later one is noticed."""
    content = objects.read(_TIMESTAMP, MAX_METADATA_BYTES)
    return None if content is None else content.tag


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
    desk.notes.append(
        f"the first version of {model}: the key {key_path(keys[0], model)}, "
        f"{'which was there' if public else 'made just now'}, signs for it from now on; keep it "
        "offline, with a copy elsewhere"
    )
    add_delegation(delegating, model, [public or add_model_key(keys[0], model)])
    data = sign(delegating, "targets", signers, desk.root)
    desk.signed["targets"] = delegating, data
    return [load_signer(keys[0], model)]
