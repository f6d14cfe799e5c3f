"""Rows of the audit log for what was signed and published."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mobile_assets.release import Release
from serving.errors import NotReadyError, SettingsError, StateError
from serving.options import find_actor, find_state_place
from serving.publishing.policy import describe_channels, describe_move, find_moved
from serving.state.audit import append
from serving.state.database import Database
from serving.storage import Storage


def note_published(
    state: Path | str,
    name: str | None,
    action: str,
    model: str,
    version: str,
    reason: str = "",
    **details: Any,
) -> None:
    """Appends a row; one that cannot be written is a warning, as what it tells of is done.

    Args:
        state: the folder or the database of what a server remembers.
        name: who did it; the name that the process runs under where None.
        action: as in "promote".
        model: name of the model.
        version: the version that it is about.
        reason: in words.
        details: figures behind it, as JSON can hold them.
    """
    try:
        with Database(state).write() as connection:
            append(connection, find_actor(name), action, model, version, reason, **details)
    except StateError as error:
        click.echo(f"WARNING: published, but not in the audit log: {error}", err=True)


def read_releases(repository: Path | str) -> Mapping[str, Release]:
    """Returns what is published of each model; nothing where nothing verifies yet."""
    try:
        return Storage(repository).catalogue.releases
    except NotReadyError:
        return {}


def note_ceremony(
    before: Mapping[str, Release],
    repository: Path | str,
    state: Path | str | None,
    name: str | None,
) -> None:
    """Appends a row for each model whose release several people signed and one published.

    Args:
        before: what was published before.
        repository: where the new releases are.
        state: as it was given; see `find_state_place`.
        name: see `note_published`.
    """
    changed = {
        model: release
        for model, release in read_releases(repository).items()
        if before.get(model) != release
    }
    if not before or not changed:  # Where nothing verified before, nobody knows what changed.
        return
    try:
        place = find_state_place(repository, state)
    except SettingsError as error:
        click.echo(f"WARNING: published, but not in the audit log: {error}", err=True)
        return
    for model, release in changed.items():
        old = before.get(model)
        moved = describe_move(old, release)
        new = [version for version in release.names if old is None or version not in old.names]
        version = new[-1] if new else moved.get("current", "")
        if not new and old is not None:
            version = find_moved(old, release) or version
        details = {**moved, "channels": describe_channels(release)}
        note_published(place, name, "trust publish", model, version, **details)
