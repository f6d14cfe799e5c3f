"""How far releases are: what each channel runs, and how its rollout goes."""

from collections.abc import Iterator
from dataclasses import dataclass

from mobile_assets.release import Channel, Release
from serving.rollouts import HALTED, PAUSED, Rollouts, Stage
from serving.rule import Counts
from serving.state.audit import Entry, list_entries
from serving.state.database import Database

GOOD, BAD, WAITING = "good", "bad", "warn"
_WHY = {HALTED: "halt", PAUSED: "pause"}


@dataclass(frozen=True)
class Progress:
    """One channel.

    Attributes:
        channel: its name.
        current: the version that it runs.
        pinned: whether nobody is offered another one.
        coming: the version on its way; None where there is none.
        signed: the share of devices that it is signed for, 0 to 1.
        in_effect: the share that it is offered to; None where no device asked yet.
        counts: devices of the version on its way, or else of the current one.
        state: in a word.
        mood: `GOOD`, `BAD` or `WAITING`.
        why: in a sentence; may be empty.
    """

    channel: str
    current: str
    pinned: bool
    coming: str | None
    signed: float
    in_effect: float | None
    counts: Counts
    state: str
    mood: str
    why: str


def list_progress(rollouts: Rollouts, database: Database, release: Release) -> list[Progress]:
    """Returns how far each channel is.

    Raises:
        StateError: the database cannot be read.
    """
    held, stages = rollouts.describe(release)
    entries: list[Entry] = []
    if held:  # all that the log is asked is why
        with database.read() as connection:
            entries = list_entries(connection, release.model)
    return list(_list(rollouts, release, held, stages, entries))


def _list(
    rollouts: Rollouts,
    release: Release,
    held: dict[str, str],
    stages: dict[str, Stage],
    entries: list[Entry],
) -> Iterator[Progress]:
    for name, channel in release.channels.items():
        rollout, stage = channel.rollout, stages.get(name)
        version = rollout.version if rollout else channel.current
        state, mood, why = _judge(rollouts, release, name, channel, held, stage, entries)
        yield Progress(
            channel=name,
            current=channel.current,
            pinned=channel.pinned,
            coming=rollout.version if rollout else None,
            signed=rollout.share_bp / 10_000 if rollout else 1.0,
            in_effect=(stage.share_bp / 10_000 if stage else None) if rollout else 1.0,
            counts=rollouts.count(release.model, version),
            state=state,
            mood=mood,
            why=why,
        )


def _judge(
    rollouts: Rollouts,
    release: Release,
    name: str,
    channel: Channel,
    held: dict[str, str],
    stage: Stage | None,
    entries: list[Entry],
) -> tuple[str, str, str]:
    rollout = channel.rollout
    version = rollout.version if rollout else channel.current
    if kind := held.get(version):
        return kind, BAD if kind == HALTED else WAITING, _find_reason(entries, version, _WHY[kind])
    if rollout is None:
        return "for all", GOOD, ""
    if stage is None:
        return "waiting", WAITING, "no device asked since it was signed"
    if stage.share_bp < stage.signed_bp or stage.signed_bp != rollout.share_bp:
        judged = rollouts.judge_promotion(release, name, version)
        why = judged[1] if judged else None
        return "waiting", WAITING, why or "it goes on when a device asks next"
    return "on its way", GOOD, ""


def _find_reason(entries: list[Entry], version: str, action: str) -> str:
    for entry in reversed(entries):
        if entry.version == version and entry.action == action:
            return f"{entry.reason} ({entry.actor}, {entry.at[:16].replace('T', ' ')} UTC)"
    return ""
