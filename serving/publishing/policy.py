"""What the model owner can do to a release: pure changes, which `publish` signs."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mobile_assets.bucketing import WHOLE_SHARE_BP
from mobile_assets.conditions import Conditions
from mobile_assets.release import (
    CHANNEL,
    CHANNEL_ALLOWED,
    STABLE,
    Channel,
    PublishedVersion,
    Release,
    Rollout,
    format_time,
)
from mobile_assets.versions import compare_versions
from serving.errors import PublishError, UnknownVersionError

_SALT_BYTES = 16
Change = Callable[[Release], Release]


@dataclass(frozen=True)
class Plan:
    """What becomes of a version that is published.

    Attributes:
        channel: the channel that it goes to.
        share_bp: how many of 10,000 devices get it at first; None for all of them.
        promoted: False leaves all channels as they are.
        conditions: what a device must be like; they never change afterwards.
    """

    channel: str = STABLE
    share_bp: int | None = None
    promoted: bool = True
    conditions: Conditions | None = None


FOR_ALL = Plan()


def add_version(release: Release | None, model: str, version: str, plan: Plan) -> Release:
    """Returns a release with one more version, which goes where the plan says.

    A pinned channel is left alone unless the plan names a share for it.

    Raises:
        PublishError: it is the model's first version and shall not be for all on `stable`, or
            its channel has a rollout, or cannot have one.
    """
    entry = PublishedVersion(version, format_time(), plan.conditions)
    if release is None:
        if (plan.channel, plan.share_bp, plan.promoted) != (STABLE, None, True):
            raise PublishError(
                f"{version} is the first version of {model}: it must be for all devices of the "
                f"channel {STABLE!r}, as there is no other that they could stay on"
            )
        return Release(model, (entry,), {STABLE: Channel(version)})
    added = replace(release, versions=(*release.versions, entry))
    if not plan.promoted:
        return added
    if plan.share_bp is not None:
        return roll_out(plan.channel, version, plan.share_bp)(added)
    found = release.channels.get(plan.channel)
    return added if found and found.pinned else promote(plan.channel, version)(added)


def promote(channel: str, version: str | None = None) -> Change:
    """Makes a version the current one of a channel, which is made where it is missing.

    Args:
        channel: its name.
        version: any published one that is not deprecated; the rollout's when not given.
    """

    def change(release: Release) -> Release:
        if version is not None:
            _check_known(release, version)
        found = release.channels.get(channel)
        rollout = found and found.rollout
        if rollout and version not in (None, rollout.version):
            raise PublishError(
                f"{release.model} {rollout.version} is on its way in {channel}: promote it, or "
                "roll it back, before another version"
            )
        chosen = version or (rollout.version if rollout else None)
        if chosen is None:
            raise PublishError(f"name a version: no rollout is on its way in {channel}")
        _check_offered(release, chosen)
        if found is not None:
            _check_unpinned(release, channel, found)
        return _with_channel(release, channel, Channel(chosen))

    return change


def roll_out(channel: str, version: str, share_bp: int) -> Change:
    """Offers a version to a share of a channel's devices, or raises or lowers the share.

    Raising it keeps the salt, and so only ever adds devices.
    """

    def change(release: Release) -> Release:
        found = _find_channel(release, channel)
        _check_unpinned(release, channel, found)
        _check_offered(release, version)
        if not 0 <= share_bp <= WHOLE_SHARE_BP:
            raise PublishError(f"the share is {share_bp / 100} %: allowed are 0 to 100 %")
        rollout = found.rollout
        if rollout is not None and rollout.version != version:
            raise PublishError(
                f"{release.model} {rollout.version} is on its way in {channel}: promote it, or "
                "roll it back, before another version"
            )
        if rollout is None:
            if compare_versions(version, found.current) <= 0:
                raise PublishError(
                    f"{version} does not come after {found.current}, which is current in "
                    f"{channel}: `rollback` goes to an older version, for all at once"
                )
            salt = secrets.token_hex(_SALT_BYTES)
            rollout = Rollout(version, share_bp, salt, format_time())
        following = replace(rollout, share_bp=share_bp)
        return _with_channel(release, channel, replace(found, rollout=following))

    return change


def pin(channel: str, version: str | None = None) -> Change:
    """Fixes a channel to a version, the current one when none is named, until it is unpinned."""

    def change(release: Release) -> Release:
        chosen = version or _find_channel(release, channel).current
        _check_offered(release, chosen)
        return _with_channel(release, channel, Channel(chosen, pinned=True))

    return change


def unpin(channel: str) -> Change:
    """Lets publishing and rollouts move a channel again."""

    def change(release: Release) -> Release:
        found = _find_channel(release, channel)
        return _with_channel(release, channel, replace(found, pinned=False))

    return change


def roll_back(channel: str, version: str | None = None) -> Change:
    """Ends a rollout, and makes an older version the current one where one is named."""

    def change(release: Release) -> Release:
        found = _find_channel(release, channel)
        _check_unpinned(release, channel, found)
        if version is None and found.rollout is None:
            raise PublishError(
                f"no rollout is on its way in {channel}: name the version to go back to, of "
                f"{', '.join(release.names)}"
            )
        chosen = version or found.current
        _check_offered(release, chosen)
        if compare_versions(chosen, found.current) > 0:
            raise PublishError(
                f"{chosen} comes after {found.current}, which is current in {channel}: "
                "`promote` and `rollout` go to a newer version"
            )
        return _with_channel(release, channel, Channel(chosen))

    return change


def deprecate(version: str, reason: str) -> Change:
    """Offers a version to nobody any more who does not run it; it stays published."""

    def change(release: Release) -> Release:
        _check_known(release, version)
        for name, channel in release.channels.items():
            if version == channel.current or (
                channel.rollout and version == channel.rollout.version
            ):
                raise PublishError(
                    f"{release.model} {version} is offered in {name}: promote or roll back to "
                    "another version first"
                )
        versions = tuple(
            replace(entry, deprecated=reason) if entry.version == version else entry
            for entry in release.versions
        )
        return replace(release, versions=versions)

    return change


def _with_channel(release: Release, name: str, channel: Channel) -> Release:
    return replace(release, channels={**release.channels, name: channel})


def _find_channel(release: Release, name: str) -> Channel:
    if name not in release.channels:
        raise PublishError(
            f"{release.model} has no channel {name!r}; there are {', '.join(release.channels)}, "
            "and `promote` makes another"
        )
    return release.channels[name]


def _check_known(release: Release, version: str) -> PublishedVersion:
    entry = release.find(version)
    if entry is None:
        raise UnknownVersionError(release.model, version, release.names)
    return entry


def _check_offered(release: Release, version: str) -> None:
    entry = _check_known(release, version)
    if entry.deprecated is not None:
        raise PublishError(f"{release.model} {version} is deprecated: {entry.deprecated}")


def _check_unpinned(release: Release, name: str, channel: Channel) -> None:
    if channel.pinned:
        raise PublishError(
            f"the channel {name} is pinned to {release.model} {channel.current}: unpin it first"
        )


def check_channel_name(name: str) -> str:
    """Returns the name of a channel if it is allowed.

    Raises:
        PublishError: it is not.
    """
    if not CHANNEL.fullmatch(name):
        raise PublishError(f"the channel {name!r}: allowed are {CHANNEL_ALLOWED}")
    return name


def find_moved(before: Release, after: Release) -> str:
    """Returns the version that was on its way where a change ended that, or else nothing."""
    for name, channel in before.channels.items():
        if channel.rollout is not None and after.channels[name].rollout is None:
            return channel.rollout.version
    return ""


def describe_move(before: Release | None, after: Release) -> dict[str, Any]:
    """Returns, for the audit log, the channel that a change moved, as it is now."""
    for name, channel in after.channels.items():
        if before is None or before.channels.get(name) != channel:
            return describe_channel(name, channel)
    return {}


def describe_channel(name: str, channel: Channel) -> dict[str, Any]:
    """Returns, for the audit log, what a channel's devices run now."""
    share = {"share_bp": channel.rollout.share_bp} if channel.rollout else {}
    pinned = {"pinned": True} if channel.pinned else {}
    return {"channel": name, "current": channel.current, **share, **pinned}


def find_on_its_way(release: Release, channel: str) -> str:
    """Returns the version that is rolled out in a channel, or else nothing."""
    found = release.channels.get(channel)
    return found.rollout.version if found and found.rollout else ""


def describe_channels(release: Release) -> dict[str, Any]:
    """Returns, for the audit log, all channels."""
    return {name: channel.to_json() for name, channel in release.channels.items()}
