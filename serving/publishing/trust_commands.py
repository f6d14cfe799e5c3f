"""`python -m serving trust ...`: who signs for what, and ceremonies that change it."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click
from securesystemslib.signer import Key  # type: ignore[attr-defined]
from tuf.api.metadata import Role, Targets  # type: ignore[attr-defined]

from mobile_assets.signing import ROLES, load_public_keys
from serving.errors import CeremonyError
from serving.options import FOLDER, NAME, REPOSITORY, takes_state
from serving.publishing.ceremony import Wishes, propose, publish_change, sign_change
from serving.publishing.change import Change, read_change
from serving.publishing.delegations import find_delegation, list_delegations
from serving.publishing.noting import note_ceremony, read_releases
from serving.publishing.repository import State, read_metadata_in, read_state

_ROOT_COPY_NAME = "root.json"
_CHANGE = click.argument("change_path", metavar="CHANGE", type=FOLDER)
_TRUSTED_ROOT = click.option(
    "--trusted-root", type=FOLDER, help="A root.json that you trust, to check the file with."
)
_SHOWN_FILES = 12


@click.group()
def trust() -> None:
    """Show who signs, and change keys and thresholds together with others.

    A change goes through one file: `propose` writes it where the repository is, each signer runs
    `show` and `sign` on a machine of their own and passes it on, and `publish` ends it.
    """


@trust.command("list")
@REPOSITORY
def list_command(repository: Path | str) -> None:
    """List each role's keys, how many must sign, and until when its signatures count."""
    state = read_state(read_metadata_in(repository))
    if state is None:
        raise CeremonyError(f"nothing is published yet in {repository}")
    expiries = state.expiries()
    for name in (*ROLES, *(role.name for role in list_delegations(state.targets))):
        click.echo(_describe_role(name, _find_role(state, name), expiries.get(name)))


@trust.command("propose")
@_CHANGE
@REPOSITORY
@click.option(
    "--add-key",
    "added",
    multiple=True,
    metavar="ROLE=KEYS.JSON",
    help="The public half of a key that may sign for ROLE, or for a model.",
)
@click.option(
    "--remove-key",
    "removed",
    multiple=True,
    metavar="ROLE=ID",
    help="The id, or its first 8 digits, of a key that may no longer.",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="ROLE=N",
    help="How many signatures ROLE needs.",
)
@click.option(
    "--renew",
    "renewed",
    multiple=True,
    metavar="ROLE",
    help="Only a new expiry, for root, targets or a model.",
)
def propose_command(
    change_path: Path,
    repository: Path | str,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    thresholds: tuple[str, ...],
    renewed: tuple[str, ...],
) -> None:
    """Write CHANGE, a file for others to sign; the repository stays as it is."""
    if change_path.exists():
        raise CeremonyError(f"{change_path} is there already: give the new change another name")
    wishes = Wishes(
        add=[(role, _read_key(role, path)) for role, path in map(_split, added)],
        remove=[_split(text) for text in removed],
        thresholds=[(role, _read_number(text)) for role, text in map(_split, thresholds)],
        renew=renewed,
    )
    change = propose(repository, wishes)
    change.write(change_path)
    _show(change)
    _say_next(change, change_path)


@trust.command("show")
@_CHANGE
@_TRUSTED_ROOT
def show_command(change_path: Path, trusted_root: Path | None) -> None:
    """Say what CHANGE changes, who signed it, and who has not yet."""
    change = read_change(change_path, _read_root(trusted_root))
    _show(change)
    _say_next(change, change_path)


@trust.command("sign")
@_CHANGE
@click.option(
    "--keys", "folders", required=True, multiple=True, type=FOLDER, help="Your key folder."
)
@_TRUSTED_ROOT
def sign_command(change_path: Path, folders: tuple[Path, ...], trusted_root: Path | None) -> None:
    """Add your signatures to CHANGE. Read what `show` says of it first."""
    if trusted_root is None and (folders[0] / _ROOT_COPY_NAME).is_file():
        trusted_root = folders[0] / _ROOT_COPY_NAME
    change = read_change(change_path, _read_root(trusted_root))
    _show(change)
    for words in sign_change(change, folders):
        click.echo(f"signed: {words}")
    change.write(change_path)
    _say_next(change, change_path)


@trust.command("publish")
@_CHANGE
@REPOSITORY
@click.option(
    "--keys",
    "folders",
    required=True,
    multiple=True,
    type=FOLDER,
    help="A folder with snapshot.pem and timestamp.pem: the new ones, if they change.",
)
@takes_state
@NAME
def publish_command(
    change_path: Path,
    repository: Path | str,
    folders: tuple[Path, ...],
    state: Path | str | None,
    name: str | None,
) -> None:
    """Publish CHANGE once enough people signed it; run it again if it was interrupted."""
    before = read_releases(repository)
    signed = publish_change(read_change(change_path), repository, folders)
    click.echo(
        f"published in {repository}: root version {signed.root.version}, targets version "
        f"{signed.targets.version}, timestamp version {signed.timestamp.version}"
    )
    note_ceremony(before, repository, state, name)


def _show(change: Change) -> None:
    for name in change.after:
        metadata = change.after[name]
        click.echo(
            f"{name}, version {metadata.signed.version}, counts until "
            f"{metadata.signed.expires:%Y-%m-%d}"
        )
        click.echo(f"  content {change.fingerprint(name)}")
        for line in _describe_part(change, name):
            click.echo(f"  {line}")
        for whose, result in zip(("present", "new"), change.verify_part(name), strict=False):
            words = f" by the {whose} root keys" if name == "root" else ""
            signed = ", ".join(keyid[:8] for keyid in result.signed) or "none"
            click.echo(
                f"  signatures{words}: {len(result.signed)} of {result.threshold} ({signed})"
            )


def _describe_part(change: Change, name: str) -> Iterable[str]:
    """Says what a part changes: keys and thresholds, or files."""
    if name == "root":
        for role in ROLES:
            yield from _compare_roles(role, change.old_root.roles[role], change.root.roles[role])
        return
    before = change.before[name].signed if name in change.before else None
    after: Targets = change.after[name].signed
    for model in sorted({role.name for role in list_delegations(after)}):
        yield from _compare_roles(
            f"model {model}",
            find_delegation(before, model),
            find_delegation(after, model),
        )
    old = before.targets if before else {}
    changed = [path for path, target in after.targets.items() if old.get(path) != target]
    gone = [path for path in old if path not in after.targets]
    for word, paths in (("new or changed", changed), ("removed", gone)):
        for path in paths[:_SHOWN_FILES]:
            yield f"{word}: {path}"
        if len(paths) > _SHOWN_FILES:
            yield f"{word}: and {len(paths) - _SHOWN_FILES} more files"


def _compare_roles(name: str, old: Role | None, new: Role | None) -> Iterable[str]:
    before, after = (set(role.keyids) if role else set() for role in (old, new))
    for keyid in sorted(after - before):
        yield f"{name}: the key {keyid} is added"
    for keyid in sorted(before - after):
        yield f"{name}: the key {keyid} is REMOVED"
    if new is not None and (old is None or old.threshold != new.threshold):
        was = f"{old.threshold} -> " if old else ""
        yield f"{name}: signatures needed {was}{new.threshold}, of {len(new.keyids)} keys"


def _say_next(change: Change, path: Path) -> None:
    missing = change.list_missing()
    for words in missing:
        click.echo(f"missing: {words}")
    if missing:
        click.echo(
            f"Next: send {path.name} to a signer, who compares the content above with you "
            f"and runs `python -m serving trust sign {path.name} --keys FOLDER`."
        )
    else:
        click.echo(
            f"Next: `python -m serving trust publish {path.name} --repository REPOSITORY "
            "--keys FOLDER`, with the online keys."
        )


def _describe_role(name: str, role: Role | None, expires: datetime | None) -> str:
    if role is None:
        return f"{name:<12} no keys"
    until = f"until {expires:%Y-%m-%d}" if expires else "nothing signed yet"
    keys = "".join(f"\n    {keyid}" for keyid in role.keyids)
    return f"{name:<12} {role.threshold} of {len(role.keyids)} key(s), {until}{keys}"


def _find_role(state: State, name: str) -> Role | None:
    return state.root.roles[name] if name in ROLES else find_delegation(state.targets, name)


def _split(text: str) -> tuple[str, str]:
    role, sign, value = text.partition("=")
    if not sign or not role or not value:
        raise CeremonyError(f"{text!r}: it must be a role or a model, '=', and a value")
    return role, value


def _read_key(role: str, path: str) -> Key:
    public = load_public_keys(Path(path))
    if role not in public:
        raise CeremonyError(f"{path} has no key for {role!r}: it has {', '.join(public)}")
    return public[role]


def _read_number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise CeremonyError(f"{text!r}: it must be a number of signatures")
    return int(text)


def _read_root(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise CeremonyError(f"cannot read the trusted root {path}: {error.strerror}") from None
