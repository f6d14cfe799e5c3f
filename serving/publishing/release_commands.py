"""`python -m serving publish`, and `releases ...`: which devices are offered which version.

What the policy says is changed and signed with the model's key; a halt or a pause only holds back,
needs no key, and takes effect at the server at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mobile_assets.conditions import Conditions
from mobile_assets.platforms import PLATFORMS
from mobile_assets.release import STABLE, Release
from mobile_assets.versions import VersionRange, system_key
from serving.errors import PublishError
from serving.hold_commands import HOLD_COMMANDS
from serving.options import (
    FOLDER,
    KEYS,
    NAME,
    PROPOSAL,
    REPOSITORY,
    check_signers,
    find_state_place,
    print_expiries,
    read_share,
    takes_state,
)
from serving.publishing.noting import note_published
from serving.publishing.policy import (
    Change,
    Plan,
    check_channel_name,
    deprecate,
    describe_channel,
    describe_channels,
    describe_move,
    find_moved,
    find_on_its_way,
    pin,
    promote,
    roll_back,
    roll_out,
    unpin,
)
from serving.publishing.publish import change_release, publish
from serving.publishing.publishing_again import check_met
from serving.publishing.release_listing import (
    describe_counts,
    describe_unoffered,
    list_command,
    log_command,
    show_command,
)
from serving.rollouts import HALTED, Rollouts
from serving.rule import Rule
from serving.settings import Settings
from serving.state.database import Database
from serving.storage import Storage

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
_CHANNEL = click.option(
    "--channel",
    default=STABLE,
    show_default=True,
    type=check_channel_name,
    metavar="NAME",
    help="Whose devices it is about.",
)
_MODEL, _VERSION = click.argument("model"), click.argument("version")
_ANY_VERSION = click.argument("version", required=False)
_REASON = click.option("--reason", default="", help="Why, for the audit log.")


@dataclass(frozen=True)
class _Place:
    """Where a command works, and who gave it."""

    repository: Path | str
    keys: tuple[Path, ...]
    proposal: Path | None
    state: Path | str
    name: str | None
    reason: str

    def note(self, action: str, model: str, version: str, **details: Any) -> None:
        """Tells the audit log of what was signed and published."""
        note_published(self.state, self.name, action, model, version, self.reason, **details)

    def change(
        self, model: str, change: Change, action: str, version: str | None, **details: Any
    ) -> Release:
        """Changes a release, signed, and notes it; returns the release that clients now see."""
        check_signers(self.keys, self.proposal)
        made: list[Release] = []
        before: list[Release] = []

        def keep(release: Release) -> Release:
            before.append(release)
            made.append(change(release))
            return made[-1]

        changed, _ = change_release(model, self.repository, self.keys, keep, self.proposal)
        if self.proposal is not None:
            click.echo(
                f"{self.proposal} is to be signed: `python -m serving trust show {self.proposal}`"
            )
        elif not changed:
            click.echo(f"{model} is so already")
        else:
            about = version or find_moved(before[0], made[0])
            moved = describe_move(before[0], made[0])
            channels = describe_channels(made[0])
            self.note(action, model, about, **moved, **details, channels=channels)
        return made[0]


def _takes_place(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `_Place`, and gives it as the first argument."""

    def call(**given: Any) -> None:
        names = ("repository", "keys", "proposal", "name", "reason")
        state = find_state_place(given["repository"], given.pop("state"))
        place = _Place(**{name: given.pop(name) for name in names}, state=state)
        command(place, **given)

    call.__doc__ = command.__doc__
    call.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (_REASON, NAME, takes_state, PROPOSAL, KEYS, REPOSITORY):
        call = option(call)
    return call


@click.command("publish")
@click.argument("bundle", type=FOLDER)
@_CHANNEL
@click.option(
    "--share",
    type=read_share,
    metavar="PERCENT",
    help="Only for so many devices at first, as in 1%.",
)
@click.option("--no-promote", "promoted", flag_value=False, default=True, help="For nobody yet.")
@click.option(
    "--min-os", multiple=True, metavar="PLATFORM=VERSION", help="As in ios=16.0; may repeat."
)
@click.option("--app-version", metavar="RANGE", help="As in '>=1.2.0 <3.0.0'.")
@click.option("--min-memory", metavar="SIZE", help="As in 2GB.")
@click.option("--unmetered", is_flag=True, help="Download it over an unmetered network only.")
@_takes_place
def publish_command(
    place: _Place,
    bundle: Path,
    channel: str,
    share: int | None,
    promoted: bool,
    min_os: tuple[str, ...],
    app_version: str | None,
    min_memory: str | None,
    unmetered: bool,
) -> None:
    """Sign a bundle and publish it, by default as the current version of `stable`.

    The conditions that devices must meet to be offered it never change afterwards.
    """
    check_signers(place.keys, place.proposal)
    conditions = _read_conditions(min_os, app_version, min_memory, unmetered)
    plan = Plan(channel, share, promoted, conditions)
    done = publish(bundle, place.repository, place.keys, place.proposal, plan)
    for note in done.notes:
        click.echo(note)
    if not done.changed:
        click.echo(f"{done.model} {done.version} is published already, with the same content")
        check_met(place.repository, done.model, done.version, plan)
    elif place.proposal is not None:
        click.echo(
            f"{place.proposal} is to be signed: `python -m serving trust show {place.proposal}`"
        )
    else:
        release = Storage(place.repository).catalogue.find_release(done.model)
        words = _describe_offer(release, done.version)
        click.echo(f"{done.model} {done.version} is published in {place.repository} and {words}")
        click.echo(f"apps ship with {place.keys[0] / 'root.json'} as trusted root")
        print_expiries(done.state)
        offered = release.channels.get(channel) if promoted else None
        moved = describe_channel(channel, offered) if offered else {}
        place.note(
            "publish", done.model, done.version, **moved, channels=describe_channels(release)
        )


@click.group()
def releases() -> None:
    """List and show what is published, and change which devices are offered which version."""


for _command in (list_command, show_command, log_command, *HOLD_COMMANDS):
    releases.add_command(_command)


@releases.command("promote")
@_MODEL
@_ANY_VERSION
@_CHANNEL
@click.option("--anyway", is_flag=True, help="Also where a raise would wait for reports.")
@_takes_place
def promote_command(
    place: _Place, model: str, version: str | None, channel: str, anyway: bool
) -> None:
    """Make VERSION, or the rollout's, the current one of a channel, which is made if missing.

    Refused while too few devices reported on its rollout, as a raise of it would wait; nothing
    waits afterwards, and nothing is halted by itself.
    """
    check_signers(place.keys, place.proposal)
    release = _refuse_halted(place, model, channel, version)
    promote(channel, version)(release)  # What cannot be is told before what should not.
    details = {"anyway": True} if _overrules(place, release, channel, version, anyway) else {}
    release = place.change(model, promote(channel, version), "promote", version, **details)
    click.echo(f"{model} {release.channels[channel].current} is current in {channel}")


def _overrules(
    place: _Place, release: Release, channel: str, version: str | None, anyway: bool
) -> bool:
    """Says what devices reported, and refuses a promotion that should wait unless told not to."""
    wanted = version or find_on_its_way(release, channel)
    database, judged = Database(place.state), None
    if wanted and database.exists():
        rollouts = Rollouts(database, Rule.from_settings(Settings.from_environment()))
        judged = rollouts.judge_promotion(release, channel, wanted)
    if judged is None:
        click.echo(
            f"what devices reported is not known here: no server keeps it in {database.name}; "
            "look at `releases show` where it does"
        )
        return False
    counts, wait = judged
    click.echo(f"{release.model} {wanted}: {describe_counts(counts)}")
    if wait and not anyway:
        raise PublishError(
            f"all devices of {channel} would get {release.model} {wanted}, though {wait}: "
            "wait for them, or add --anyway"
        )
    return wait is not None


@releases.command("rollout")
@_MODEL
@_VERSION
@click.option("--share", type=read_share, metavar="PERCENT", required=True, help="As in 10%.")
@_CHANNEL
@_takes_place
def rollout_command(place: _Place, model: str, version: str, share: int, channel: str) -> None:
    """Offer VERSION to a share of a channel's devices, or raise or lower the share."""
    before = _refuse_halted(place, model, channel, version).channels.get(channel)
    place.change(model, roll_out(channel, version, share), "rollout", version)
    click.echo(f"{model} {version} is for {share / 100:g} % of the devices of {channel}")
    if before and before.rollout and share > before.rollout.share_bp:
        click.echo("a raise takes effect once enough devices reported; `releases show` tells")


@releases.command("rollback")
@_MODEL
@_ANY_VERSION
@_CHANNEL
@_takes_place
def rollback_command(place: _Place, model: str, version: str | None, channel: str) -> None:
    """End the rollout, and make the older VERSION the current one if it is named."""
    release = place.change(model, roll_back(channel, version), "rollback", version)
    click.echo(f"{model} {release.channels[channel].current} is current in {channel}")


@releases.command("pin")
@_MODEL
@_ANY_VERSION
@_CHANNEL
@_takes_place
def pin_command(place: _Place, model: str, version: str | None, channel: str) -> None:
    """Fix a channel to VERSION, or to the current one, whatever is published."""
    release = place.change(model, pin(channel, version), "pin", version)
    click.echo(f"{channel} is pinned to {model} {release.channels[channel].current}")


@releases.command("unpin")
@_MODEL
@_CHANNEL
@_takes_place
def unpin_command(place: _Place, model: str, channel: str) -> None:
    """Let publishing and rollouts move a channel again."""
    release = place.change(model, unpin(channel), "unpin", None)
    click.echo(f"{channel} of {model} is not pinned")
    for version in release.names:
        if words := describe_unoffered(release, version, channel):
            click.echo(f"{version} is {words}")


@releases.command("deprecate")
@_MODEL
@_VERSION
@_takes_place
def deprecate_command(place: _Place, model: str, version: str) -> None:
    """Offer VERSION to nobody any more who does not run it; --reason is shown to developers."""
    if not place.reason:
        raise click.UsageError("Missing option '--reason'.")
    place.change(model, deprecate(version, place.reason), "deprecate", version)
    click.echo(f"{model} {version} is deprecated: {place.reason}")


def _refuse_halted(place: _Place, model: str, channel: str, version: str | None) -> Release:
    """Refuses to offer what was halted, which the server would hold back anyway.

    Returns:
        The release as it is published.
    """
    release = Storage(place.repository).catalogue.find_release(model)
    wanted = version or find_on_its_way(release, channel)
    database = Database(place.state)
    if database.exists() and Rollouts(database).describe(release)[0].get(wanted) == HALTED:
        raise PublishError(f"{model} {wanted} was halted: `releases resume` it first")
    return release


def _describe_offer(release: Release, version: str) -> str:
    for name, channel in release.channels.items():
        if channel.current == version:
            return f"is current in {name}"
        if channel.rollout and channel.rollout.version == version:
            return f"is for {channel.rollout.share_bp / 100:g} % of the devices of {name}"
    pinned = [name for name, channel in release.channels.items() if channel.pinned]
    return "is for nobody yet" + (f" ({', '.join(pinned)} is pinned)" if pinned else "")


def _read_conditions(
    min_os: tuple[str, ...], app_version: str | None, min_memory: str | None, unmetered: bool
) -> Conditions | None:
    systems = {}
    for given in min_os:
        platform, _, version = given.partition("=")
        if platform not in PLATFORMS:
            raise PublishError(f"--min-os {given}: allowed are {', '.join(PLATFORMS)}")
        system_key(version)
        systems[platform] = version
    conditions = Conditions(
        systems,
        None if app_version is None else VersionRange(app_version),
        None if min_memory is None else _read_size(min_memory),
        "unmetered" if unmetered else "any",
    )
    return conditions if conditions != Conditions() else None


def _read_size(text: str) -> int:
    for unit, factor in _UNITS.items():
        number = text.strip().upper().removesuffix(unit).strip()
        if number != text.strip().upper() and number.isdecimal() and int(number):
            return int(number) * factor
    raise PublishError(f"--min-memory {text}: allowed are whole KB, MB or GB, as in 2GB")
