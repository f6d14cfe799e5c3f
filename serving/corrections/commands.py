"""`python -m serving corrections ...`: review what staff said, and export it for training."""

from pathlib import Path

import click

from serving.corrections.deciding import Review
from serving.corrections.export import Exported, Wanted, export
from serving.corrections.keeping import KeptPhotos
from serving.corrections.store import (
    Decision,
    Found,
    find,
    forget_device,
    format_ms,
    list_some,
)
from serving.corrections.tables import ACCEPTED, LABEL, NOT_AN_ITEM, OTHER, REJECTED, STATES
from serving.options import FOLDER, NAME, find_actor, find_state_place, takes_served_state
from serving.settings import Settings
from serving.state.database import Database
from serving.storage import Storage
from training.errors import StorageError
from training.words import count_words


@click.group("corrections")
def corrections_group() -> None:
    """What staff said of wrong answers."""


def _open(
    repository: Path | str | None, state: Path | str | None
) -> tuple[Settings, Database, KeptPhotos]:
    settings = Settings.from_environment(
        None, repository=repository, state=state if isinstance(state, Path) else None
    )
    database = Database(find_state_place(settings.repository, state))
    return settings, database, KeptPhotos.from_settings(database, settings)


def _open_review(repository: Path | str | None, state: Path | str | None) -> Review:
    settings, database, kept = _open(repository, state)
    return Review(Storage(settings.repository, settings.trusted_root), database, kept)


@corrections_group.command("list")
@click.option("--model", help="Only of this one.")
@click.option("--status", type=click.Choice(STATES), help="Only in this state.")
@click.option("--conflicts", is_flag=True, help="Only where another says otherwise of the photo.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@takes_served_state
def list_command(
    model: str | None,
    status: str | None,
    conflicts: bool,
    limit: int,
    repository: Path | str | None,
    state: Path | str | None,
) -> None:
    """List corrections, the newest first."""
    _, database, _ = _open(repository, state)
    with database.read() as connection:
        found = list_some(connection, model, status, conflicts, limit=limit)
    for one in found:
        click.echo(_describe(one))
    if not found:
        click.echo("none")


@corrections_group.command("show")
@click.argument("correction_id", metavar="ID")
@click.option("--photo", type=FOLDER, help="Write the photo there.")
@takes_served_state
def show_command(
    correction_id: str,
    photo: Path | None,
    repository: Path | str | None,
    state: Path | str | None,
) -> None:
    """Show a correction, and its photo."""
    _, database, kept = _open(repository, state)
    with database.read() as connection:
        found = find(connection, correction_id)
    for column, value in found._mapping.items():
        if value is not None and column not in ("request_sha256", "look"):
            shown = format_ms(value) if column.endswith("_ms") else value
            click.echo(f"{column.removesuffix('_ms')}: {shown}")
    if photo is not None:
        photo.write_bytes(kept.read(found.photo_name))


@corrections_group.command("reject")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for the audit log.")
@NAME
@takes_served_state
def reject_command(
    ids: tuple[str, ...],
    reason: str,
    name: str | None,
    repository: Path | str | None,
    state: Path | str | None,
) -> None:
    """Reject corrections; their photos are deleted."""
    decision = Decision(REJECTED, find_actor(name), reason)
    review = _open_review(repository, state)
    for one in ids:
        review.decide(one, decision)
        click.echo(f"{one} is rejected")


@corrections_group.command("accept")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--label", help="Accept this label in place of what was said.")
@click.option("--new-label", help="Accept this name of an item that the model does not know.")
@click.option("--not-an-item", is_flag=True, help="Accept that it is no item.")
@click.option("--reason", default="", help="Why, for the audit log.")
@NAME
@takes_served_state
def accept_command(
    ids: tuple[str, ...],
    label: str | None,
    new_label: str | None,
    not_an_item: bool,
    reason: str,
    name: str | None,
    repository: Path | str | None,
    state: Path | str | None,
) -> None:
    """Accept corrections, so that they are exported."""
    right = _choose_right(label, new_label, not_an_item)
    decision = Decision(ACCEPTED, find_actor(name), reason, right)
    review = _open_review(repository, state)
    for one in ids:
        review.decide(one, decision)
        click.echo(f"{one} is accepted")


@corrections_group.command("forget")
@click.option("--device", required=True, metavar="ID", help="As the device calls itself.")
@NAME
@takes_served_state
def forget_command(
    device: str, name: str | None, repository: Path | str | None, state: Path | str | None
) -> None:
    """Delete all that a device sent, photos included.

    What was exported before is to be exported again, and the older folders deleted.
    """
    _, database, kept = _open(repository, state)
    with database.write() as connection:
        count, photos = forget_device(connection, device, find_actor(name))
    removed = kept.remove(*photos)
    click.echo(f"deleted: {count_words(count, 'correction')}, {count_words(removed, 'photo')}")
    if removed < len(photos):
        missing = count_words(len(photos) - removed, "photo")
        raise StorageError(
            f"{missing} of this device not found in {kept.name}: where the server keeps photos "
            "elsewhere, they are still there; look for these names: " + ", ".join(photos)
        )


@corrections_group.command("export")
@click.argument("model")
@click.option("--out", required=True, type=FOLDER, help="A folder that does not exist.")
@click.option("--version", help="Whose labels count as known. Default: the current one.")
@click.option(
    "--new-label",
    "new_labels",
    multiple=True,
    metavar="NAME[=COARSE]",
    help="Let this name, which is no label, become a new class; can be given several times.",
)
@click.option("--open-too", is_flag=True, help="Also what nobody has reviewed yet.")
@takes_served_state
def export_command(
    model: str,
    out: Path,
    version: str | None,
    new_labels: tuple[str, ...],
    open_too: bool,
    repository: Path | str | None,
    state: Path | str | None,
) -> None:
    """Write what was accepted as photos and a manifest, which `training fit --data` takes."""
    settings, database, kept = _open(repository, state)
    storage = Storage(settings.repository, settings.trusted_root)
    version = storage.catalogue.choose_version(model, version)
    parents = {name.strip(): coarse.strip() for name, _, coarse in _split(new_labels)}
    wanted = Wanted(storage.read_manifest(model, version), parents, open_too)
    exported = export(database, kept, wanted, out)
    for line in _describe_exported(exported, out):
        click.echo(line)


def _split(new_labels: tuple[str, ...]) -> list[tuple[str, str, str]]:
    return [text.partition("=") for text in new_labels]


def _choose_right(
    label: str | None, new_label: str | None, not_an_item: bool
) -> tuple[str, str | None] | None:
    chosen = [(LABEL, label)] if label is not None else []
    chosen += [(OTHER, new_label)] if new_label is not None else []
    given: list[tuple[str, str | None]] = [*chosen, *([(NOT_AN_ITEM, None)] if not_an_item else [])]
    if len(given) > 1:
        raise click.UsageError("allowed is one of --label, --new-label and --not-an-item")
    return given[0] if given else None


def _describe(found: Found) -> str:
    said = found.right_label if found.right_label is not None else "not an item"
    said += " (new)" if found.right_kind == OTHER else ""
    notes = [
        f"photo {found.photo}",
        *([f"conflict with {found.conflict_with}"] if found.conflict_with else []),
        *([found.note] if found.note else []),
    ]
    return (
        f"{found.correction_id} {format_ms(found.received_ms)} {found.state}: {found.model} "
        f"{found.version} said {found.answered_label or 'nothing'} ({found.answered_verdict}), it "
        f"is {said}; {'; '.join(notes)}"
    )


def _describe_exported(exported: Exported, out: Path) -> list[str]:
    total = sum(exported.photos.values())
    by_label = ", ".join(f"{name} {count}" for name, count in sorted(exported.photos.items()))
    lines = [f"{out}: {count_words(total, 'photo')}{f' ({by_label})' if by_label else ''}"]
    lines += [f"left out: {count}, {why}" for why, count in sorted(exported.left_out.items())]
    if exported.unknown_labels:
        names = ", ".join(f"{name} {count}" for name, count in exported.unknown_labels.items())
        lines.append(f"new labels, for --new-label: {names}")
    return lines
