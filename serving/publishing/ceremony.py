"""Ceremonies: keys, thresholds and expiries change only when enough people signed the change."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Key  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, Role, Root, Targets  # type: ignore[attr-defined]

from mobile_assets.errors import SigningError
from mobile_assets.signing import ROLES, load_signers
from serving.errors import CeremonyError, PublishError, RepositoryError
from serving.publishing.change import Change
from serving.publishing.delegations import add_delegation, find_delegation
from serving.publishing.desk import Desk, load_online, read_tag, taking_back
from serving.publishing.objects import Place, open_objects
from serving.publishing.repository import (
    ReadMetadata,
    State,
    expiry,
    find_incomplete,
    read_metadata_in,
    read_roots,
    read_state,
    verify,
)

# Shorter beginnings of a key's id would be ambiguous by accident.
_LEAST_KEYID_CHARS = 8


@dataclass(frozen=True)
class Wishes:
    """What a ceremony is to change. Roles are the four of TUF and names of models.

    Attributes:
        add: public keys that may sign for a role; a model that has no role yet gets one.
        remove: ids of keys, or their first 8 digits and more, that may no longer.
        thresholds: how many signatures a role needs.
        renew: offline roles that only get a new expiry.
    """

    add: Sequence[tuple[str, Key]] = ()
    remove: Sequence[tuple[str, str]] = ()
    thresholds: Sequence[tuple[str, int]] = ()
    renew: Sequence[str] = field(default=())


def propose(repository: Place, wishes: Wishes) -> Change:
    """Prepares the metadata that a change of keys needs; nobody signed them yet.

    Roles whose metadata the change leaves without enough signatures are among them, so that
    clients find everything signed again when it is published.

    Args:
        repository: where it lies.
        wishes: what is to change.

    Raises:
        CeremonyError: a wish cannot be fulfilled, or changes nothing.
        PublishError: nothing is published yet.
        RepositoryError: what is published is damaged.
    """
    objects = open_objects(repository)
    with objects.lock():
        read = read_metadata_in(objects)
        roots, state = read_roots(read), read_state(read)
        if state is None:
            raise PublishError(f"nothing is published yet in {objects.describe()}")
        desk = Desk(objects, state.root, {}, state)
        root, targets = deepcopy(state.root), deepcopy(state.targets)
        _fulfil(root, targets, wishes)
        after: dict[str, Metadata[Root] | Metadata[Targets]] = {}
        if root != state.root or "root" in wishes.renew:
            root.version, root.expires = root.version + 1, expiry("root")
            after["root"] = Metadata(root)
        renewed = targets != state.targets or "targets" in wishes.renew
        if renewed or not _is_signed(state, "targets", root):
            targets.version, targets.expires = desk.next_version("targets"), expiry("targets")
            after["targets"] = Metadata(targets)
        for model in state.models:
            if model in wishes.renew or not _is_signed(state, model, targets):
                after[model] = Metadata(desk.renew_targets(model))
        if not after:
            raise CeremonyError("nothing would change: all is so already")
        return Change(roots, _collect_before(state, after), after)


def propose_release(desk: Desk, model: str, targets: Targets) -> Change:
    """Prepares a model's new metadata for others to sign, from the desk where files were put."""
    state = desk.published()
    roots = read_roots(read_metadata_in(desk.objects))
    after: dict[str, Metadata[Targets]] = {model: Metadata(targets)}
    return Change(roots, _collect_before(state, after), after)


def sign_change(change: Change, folders: Sequence[Path]) -> list[str]:
    """Signs every part that the keys in these folders may sign.

    Returns:
        What was signed, in words.

    Raises:
        SigningError: none of the keys may sign any part.
    """
    done: list[str] = []
    objections: list[SigningError] = []
    for name in change.after:
        role = change.find_role(name)
        keyids = set(role.keyids if role else ())
        if name == "root":
            keyids |= set(change.old_root.roles["root"].keyids)
        for folder in folders:
            try:
                (signer,) = load_signers([folder], name, keyids, 1)
            except SigningError as error:
                objections.append(error)
                continue
            change.sign(name, signer)
            done.append(f"{name} by the key {signer.public_key.keyid[:8]} of {folder}")
    if not done:
        raise (
            objections[0]
            if len(objections) == 1
            else SigningError(
                "none of these keys may sign any part: " + "; ".join(map(str, objections))
            )
        )
    return done


def publish_change(change: Change, repository: Place, keys: Sequence[Path]) -> State:
    """Publishes a change that enough people signed; run again, it goes on after a kill.

    The new root is written next to last and `timestamp.json` last. A client that comes between
    these two writes refuses the metadata, and goes on with what it has.

    Args:
        change: what `propose` prepared, signed.
        repository: where it lies.
        keys: key folders with the two online keys, the new ones where they are replaced.

    Returns:
        What clients see now.

    Raises:
        CeremonyError: signatures are missing, or something was published since it was proposed.
        SigningError: an online key is missing, or is not the one that the root names.
        RepositoryError: what is published is damaged.
        ConflictError: another publisher is at work, or was faster.
        StorageError: the disk is full, or the storage cannot be reached.
    """
    missing = change.list_missing()
    if missing:
        raise CeremonyError(f"it cannot be published yet: {'; '.join(missing)}")
    if change.root.expires <= datetime.now(UTC):
        raise CeremonyError(f"its root expired on {change.root.expires:%Y-%m-%d}: propose it again")
    objects = open_objects(repository)
    with objects.lock() as alone:
        tag, read = read_tag(objects), read_metadata_in(objects)
        online = load_online(keys, change.root)
        if _is_published(change, read):
            state = read_state(read)
            if state is not None:
                return state
        state = _read_before(change, read)
        desk = Desk(objects, change.root, online, state, tag, alone)
        for name in change.after:
            if name == "root":
                desk.new_root = f"{change.root.version}.root.json", change.part_bytes(name)
            else:
                signed = change.after[name].signed
                place = find_incomplete(objects, signed.targets.values())
                if place is not None:
                    raise CeremonyError(
                        f"{place} is missing or incomplete: publish from where it was put"
                    )
                desk.signed[name] = signed, change.part_bytes(name)
        with taking_back(desk):
            return desk.commit()


def _fulfil(root: Root, targets: Targets, wishes: Wishes) -> None:
    names = {name for name, _ in (*wishes.add, *wishes.remove, *wishes.thresholds)}
    for name in sorted(names - set(ROLES)):
        if find_delegation(targets, name) is None:
            if name not in {model for model, _ in wishes.add}:
                raise CeremonyError(f"no key signs for {name!r}: --add-key names the first one")
            add_delegation(targets, name, [])
    for name, key in wishes.add:
        (root if name in ROLES else targets).add_key(key, name)
    for name, keyid in wishes.remove:
        delegator = root if name in ROLES else targets
        delegator.revoke_key(_find_keyid(delegator.get_delegated_role(name), name, keyid), name)
    for name, threshold in wishes.thresholds:
        (root if name in ROLES else targets).get_delegated_role(name).threshold = threshold
    for name in names:
        _check_role(name, (root if name in ROLES else targets).get_delegated_role(name))
    allowed = {"root", "targets", *(targets.delegations.roles or {} if targets.delegations else ())}
    for name in wishes.renew:
        if name not in allowed:
            raise CeremonyError(
                f"cannot renew {name!r}: allowed are {', '.join(sorted(allowed))}; `resign` renews "
                "the snapshot and the timestamp"
            )


def _find_keyid(role: Role, name: str, beginning: str) -> str:
    found = [keyid for keyid in role.keyids if keyid.startswith(beginning)]
    if len(beginning) < _LEAST_KEYID_CHARS or len(found) != 1:
        raise CeremonyError(
            f"no key {beginning!r} signs for {name}: allowed are the ids, or their first "
            f"{_LEAST_KEYID_CHARS} digits and more, of {', '.join(role.keyids)}"
        )
    return found[0]


def _check_role(name: str, role: Role) -> None:
    if not 1 <= role.threshold <= len(role.keyids):
        raise CeremonyError(
            f"{name} would need {role.threshold} signatures of {len(role.keyids)} keys: allowed "
            "is 1 to the number of its keys"
        )


def _is_signed(state: State, name: str, delegator: Root | Targets) -> bool:
    """Returns whether a role's published metadata count under another delegator too."""
    signed = state.targets if name == "targets" else state.models[name]
    try:
        verify(Targets, state.files[f"{signed.version}.{name}.json"], delegator, name)
    except RepositoryError:
        return False
    return True


def _collect_before(state: State, names: Iterable[str]) -> dict[str, Metadata[Targets]]:
    before = {"targets": state.targets}
    before |= {name: state.models[name] for name in names if name in state.models}
    return {
        name: Metadata.from_bytes(state.files[f"{signed.version}.{name}.json"])
        for name, signed in before.items()
    }


def _is_published(change: Change, read: ReadMetadata) -> bool:
    try:
        state = read_state(read)
    except RepositoryError:
        return False
    if state is None or state.root != change.root:
        return False
    published = {"root": state.root, "targets": state.targets, **state.models}
    return all(published.get(name) == metadata.signed for name, metadata in change.after.items())


def _read_before(change: Change, read: ReadMetadata) -> State:
    """Reads what is published, as it was before a killed attempt to publish this change."""
    own = f"{change.root.version}.root.json" if "root" in change.after else ""
    hidden = own if own and read(own) == change.part_bytes("root") else ""
    state = read_state(lambda name: None if name == hidden else read(name))
    if state is None:
        raise CeremonyError("the change belongs to another repository: nothing is published here")
    published = {"targets": state.targets, **state.models}
    changed = [
        name
        for name in (*change.before, *change.after)
        if name != "root"
        and published.get(name) != (change.before[name].signed if name in change.before else None)
    ]
    if state.root != change.old_root or changed:
        raise CeremonyError(
            f"{', '.join(changed) or 'root'} was published anew after this was proposed: propose "
            "and sign it again"
        )
    return state
