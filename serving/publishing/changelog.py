"""What changed from version to version of a model, out of what is published."""

from collections.abc import Iterator
from dataclasses import dataclass

from mobile_assets.bucketing import WHOLE_SHARE_BP
from mobile_assets.release import PublishedVersion, Release
from mobile_assets.versions import version_key
from serving.storage import Storage

_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"})


@dataclass(frozen=True)
class Entry:
    """One version in a changelog.

    Attributes:
        version: its name.
        published_at: RFC 3339, in UTC.
        deprecated: why nobody new is offered it; None where it is.
        channels: those whose devices run it.
        rollouts: (channel, share) of those that it is on its way to; the share is 0 to 1.
        since: the version that it is compared with: the next lower one of those published before
            it, or else the one published last; None for the first.
        changes: one line each; of the first version what it is.
        warnings: what an app must look at first.
    """

    version: str
    published_at: str
    deprecated: str | None
    channels: tuple[str, ...]
    rollouts: tuple[tuple[str, float], ...]
    since: str | None
    changes: tuple[str, ...]
    warnings: tuple[str, ...]


def read_changelog(storage: Storage, model: str, most: int | None = None) -> tuple[Entry, ...]:
    """Returns the versions of a model, the last published first.

    Args:
        storage: reads the repository, and checks every hash.
        model: its name.
        most: no more than so many; all when None.

    Raises:
        UnknownModelError: no such model.
        RepositoryError: a manifest is missing, changed or malformed.
    """
    release = storage.catalogue.find_release(model)
    places = range(len(release.versions) - 1, -1, -1)[:most]
    return tuple(_describe(storage, release, place) for place in places)


def describe_entry(storage: Storage, model: str, version: str) -> Entry:
    """Returns one version of a model.

    Raises:
        UnknownModelError: no such model.
        UnknownVersionError: the model has no such version.
        RepositoryError: a manifest is missing, changed or malformed.
    """
    storage.catalogue.choose_version(model, version)
    release = storage.catalogue.find_release(model)
    return _describe(storage, release, release.names.index(version))


def list_channels(release: Release, version: str) -> tuple[str, ...]:
    """Returns the channels whose devices run a version."""
    return tuple(name for name, entry in release.channels.items() if entry.current == version)


def list_rollouts(release: Release, version: str) -> tuple[tuple[str, float], ...]:
    """Returns the channels that a version is on its way to, with the share of devices, 0 to 1."""
    return tuple(
        (name, entry.rollout.share_bp / WHOLE_SHARE_BP)
        for name, entry in release.channels.items()
        if entry.rollout is not None and entry.rollout.version == version
    )


def to_markdown(model: str, entries: tuple[Entry, ...]) -> str:
    """Returns the changelog of a model as a document."""
    return (
        "\n".join([f"# {model}", *(line for entry in entries for line in _to_lines(entry))]) + "\n"
    )


def _describe(storage: Storage, release: Release, place: int) -> Entry:
    # A server needs it for this alone.
    from mobile_assets.diff.releases import compare_releases
    from mobile_assets.diff.words import describe_changes, describe_release

    own = release.versions[place]
    since = _find_former(own.version, release.versions[:place])
    new = storage.read_manifest(release.model, own.version)
    changes, warnings = describe_release(new), list[str]()
    if since is not None:
        found = compare_releases(storage.read_manifest(release.model, since), new)
        changes, warnings = describe_changes(found), found.warnings()
    return Entry(
        version=own.version,
        published_at=own.published_at,
        deprecated=own.deprecated,
        channels=list_channels(release, own.version),
        rollouts=list_rollouts(release, own.version),
        since=since,
        changes=tuple(changes),
        warnings=tuple(warnings),
    )


def _find_former(version: str, before: tuple[PublishedVersion, ...]) -> str | None:
    """A correction of an old line is compared with that line, not with what came in between."""
    own = version_key(version)
    lower = [entry.version for entry in before if version_key(entry.version) < own]
    if lower:
        return max(lower, key=version_key)
    return before[-1].version if before else None


def _to_lines(entry: Entry) -> Iterator[str]:
    yield f"\n## {entry.version} ({entry.published_at[:10]})\n"
    state = [f"current in {name}" for name in entry.channels]
    state += [f"on its way to {share:.2%} of {name}" for name, share in entry.rollouts]
    if state:
        yield f"{', '.join(state).capitalize()}.\n"
    if entry.deprecated is not None:
        yield f"**Deprecated:** {entry.deprecated.translate(_MARKDOWN)}\n"
    yield "The first version:\n" if entry.since is None else f"Since {entry.since}:\n"
    for line in entry.changes or ("nothing changed that an app could see",):
        yield f"- {line.translate(_MARKDOWN)}"
    for warning in entry.warnings:
        yield f"- **Look at this first:** {warning.translate(_MARKDOWN)}"
