"""`python -m serving releases list|show|log`: what is published, held back, and was decided."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from mobile_assets.manifest import Manifest
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release
from mobile_assets.versions import compare_versions
from serving.errors import AuditError
from serving.options import REPOSITORY, find_state_place, print_expiries, takes_state
from serving.rollout_history import find_first_share
from serving.rollouts import Rollouts, Stage
from serving.rule import Counts
from serving.state.audit import Entry, find_break, list_entries
from serving.state.database import Database
from serving.storage import Storage


@click.command("list")
@REPOSITORY
def list_command(repository: Path | str) -> None:
    """List models and versions; `*` marks the current one of `stable`."""
    storage = Storage(repository)
    _tell_problems(storage)
    for model, release in storage.catalogue.releases.items():
        for entry in release.versions:
            manifest = storage.read_manifest(model, entry.version)
            runtimes = ", ".join(artifact.runtime for artifact in manifest.artifacts)
            mark = "*" if entry.version == release.current else " "
            click.echo(
                f"{mark} {model} {entry.version}  top-1 {100 * manifest.metrics.top1:.1f} % on "
                f"{manifest.metrics.photos} photos, {len(manifest.labels)} labels, {runtimes}"
                + _describe_cloud(manifest)
                + "".join(f"; {words}" for words in _describe_place(release, entry))
            )
    print_expiries(storage.catalogue.state)


@click.command("show")
@click.argument("model")
@REPOSITORY
@takes_state
def show_command(model: str, repository: Path | str, state: Path | str | None) -> None:
    """Show the channels and versions of MODEL, how far rollouts are, and what devices reported."""
    storage = Storage(repository)
    _tell_problems(storage)
    release = storage.catalogue.find_release(model)
    database = Database(find_state_place(repository, state))
    rollouts = Rollouts(database)
    known = database.exists()
    held, stages = rollouts.describe(release) if known else ({}, {})
    channels = release.channels.values()
    for name, channel in release.channels.items():
        click.echo(f"{name}: {channel.current}{', pinned' if channel.pinned else ''}")
        first_bp = channel.rollout and find_first_share(storage, model, name, channel.rollout)
        for words in _describe_rollout(channel, stages.get(name), first_bp or 0):
            click.echo(f"  {words}")
    for entry in release.versions:
        click.echo(f"{entry.version}  published {entry.published_at}")
        for words in _describe_place(release, entry):
            click.echo(f"  {words}")
        if unoffered := describe_unoffered(release, entry.version):
            click.echo(f"  {unoffered}")
        if entry.version in held:
            click.echo(f"  {held[entry.version].upper()}: `releases resume` ends it")
        counts = rollouts.count(model, entry.version) if known else None
        on_its_way = any(x.rollout and x.rollout.version == entry.version for x in channels)
        if counts is not None and (on_its_way or counts.offered or counts.reported):
            click.echo(f"  {describe_counts(counts)}")


@click.command("log")
@click.argument("model", required=False)
@REPOSITORY
@takes_state
def log_command(model: str | None, repository: Path | str, state: Path | str | None) -> None:
    """Show every decision about MODEL, or about all models, and check that none was changed."""
    database = Database(find_state_place(repository, state))
    if not database.exists():
        _check_known(repository, model)
        click.echo(f"nothing was decided yet: there is no {database.name}")
        return
    with database.read() as connection:
        entries = list_entries(connection)
    if model not in {entry.model for entry in entries}:
        _check_known(repository, model)
    for entry in entries:
        if model in (None, entry.model):
            click.echo(_describe_entry(entry))
    broken = find_break(entries)
    if broken is not None:
        raise AuditError(f"row {broken} of the audit log in {database.name} was changed")
    if entries:
        click.echo(f"{len(entries)} rows, none changed; the last one's hash: {entries[-1].sha256}")


def describe_counts(counts: Counts) -> str:
    """Returns in words how many devices were offered a version, and what they reported."""
    # Also a device reports that was offered it before a `resume`, or outside of a rollout.
    outside = counts.reported > counts.offered
    return (
        f"offered to {counts.offered} devices{' in the rollout' if outside else ''}; "
        f"{counts.reported} reported{', also others,' if outside else ','} of which "
        f"{counts.failing} failed"
    )


def describe_unoffered(release: Release, version: str, channel: str = STABLE) -> str | None:
    """Returns in words how to offer a version that is newer than any on a channel, or None.

    Args:
        release: the signed policy.
        version: one of its versions.
        channel: where it could go.
    """
    entry, found = release.find(version), release.channels.get(channel)
    offered = {x.current for x in release.channels.values()}
    offered |= {x.rollout.version for x in release.channels.values() if x.rollout}
    if entry is None or found is None or entry.deprecated is not None or version in offered:
        return None
    if compare_versions(version, found.current) <= 0:
        return None
    more = "" if channel == STABLE else f" --channel {channel}"
    return (
        f"on no channel: `releases rollout {release.model} {version} --share 1%{more}` offers it"
        f"{', after `unpin`' if found.pinned else ''}"
    )


def _check_known(repository: Path | str, model: str | None) -> None:
    if model is not None:
        Storage(repository).catalogue.find_release(model)


def _describe_entry(entry: Entry) -> str:
    figures = {name: value for name, value in entry.details.items() if name != "channels"}
    about = " ".join(part for part in (entry.action, entry.model, entry.version) if part)
    reason = f": {entry.reason}" if entry.reason else ""
    more = f"  {json.dumps(figures, sort_keys=True)}" if figures else ""
    return f"{entry.id:>5} {entry.at} {entry.actor}  {about}{reason}{more}"


def _describe_rollout(channel: Channel, stage: Stage | None, first_bp: int) -> Iterator[str]:
    """Says how far a rollout is; `first_bp` is in effect until a device asks."""
    rollout = channel.rollout
    if rollout is None:
        return
    yield (
        f"{rollout.version} is on its way to {rollout.share_bp / 100:g} % since "
        f"{rollout.started_at}"
    )
    if stage is None:
        yield f"no device asked yet, as far as is known here; it begins at {first_bp / 100:g} %"
    elif stage.share_bp < rollout.share_bp:
        yield (
            f"held at {stage.share_bp / 100:g} % until enough devices reported; `releases log` "
            "tells what it waits for, `releases resume` lets it go on"
        )
    else:
        yield f"{rollout.share_bp / 100:g} % is in effect"


def _describe_place(release: Release, entry: PublishedVersion) -> Iterator[str]:
    for name, channel in release.channels.items():
        if channel.current == entry.version and name != STABLE:
            yield f"current in {name}"
        if channel.rollout and channel.rollout.version == entry.version:
            yield f"for {channel.rollout.share_bp / 100:g} % of the devices of {name}"
    if entry.conditions is not None:
        yield f"only where {json.dumps(entry.conditions.to_json(), sort_keys=True)}"
    if entry.deprecated is not None:
        yield f"deprecated: {entry.deprecated}"


def _describe_cloud(manifest: Manifest) -> str:
    cloud = manifest.cloud
    if cloud is None:
        return ""
    return (
        f"; the server answers with {cloud.architecture}, "
        f"top-1 {100 * cloud.metrics.top1:.1f} % on {cloud.metrics.photos} photos"
    )


def _tell_problems(storage: Storage) -> None:
    for problem in storage.find_problems():
        click.echo(f"problem: {problem}", err=True)
