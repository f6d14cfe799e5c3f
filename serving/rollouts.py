"""What the server holds back of a signed rollout: halts, pauses, and raises that wait for reports.

Every decision is made within the transaction of what caused it, so that it holds in all processes
that share the database, and is written to the audit log in that transaction.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from mobile_assets.deciding import NOTHING_HELD_BACK, Restraint
from mobile_assets.release import Release, Rollout
from serving.errors import StateError
from serving.rule import Counts, Rule
from serving.state.audit import SERVER, append
from serving.state.database import Database, insert_into
from serving.state.tables import holds, offers, stages, verdicts
from serving.state.times import now_ms
from training.files import sha256_bytes

HALTED, PAUSED = "halted", "paused"
_UNKNOWN = Restraint(share_bp=0)
# From the model, the channel and its rollout; see `serving.rollout_history`.
FindFirstShare = Callable[[str, str, Rollout], int]


_NO_DEVICES = Counts(0, 0, 0)


@dataclass(frozen=True)
class Stage:
    """How far a rollout is.

    Attributes:
        share_bp: the share in effect, of 10,000 devices.
        signed_bp: the signed share that was judged last.
        since_ms: since when the share is in effect, in milliseconds since 1970.
    """

    share_bp: int
    signed_bp: int
    since_ms: int


class Rollouts:
    """Holds back what devices report to be bad. Safe to use from several threads and processes."""

    def __init__(
        self,
        database: Database,
        rule: Rule | None = None,
        find_first_share: FindFirstShare | None = None,
    ) -> None:
        """Remembers where to look; nothing is read yet.

        Args:
            database: what all processes of the server share.
            rule: when to halt, and when to go on.
            find_first_share: tells with which share a rollout began that was not seen before; the
                share of now when not given.
        """
        self._database = database
        self.rule = rule or Rule()
        self._find_first_share = find_first_share or _read_share

    def restrain(self, release: Release, channel: str) -> Restraint:
        """Returns what is held back now of a channel's policy.

        Where the database cannot be read, nobody new is offered a rollout's version.
        """
        found = release.channels.get(channel)
        if found is None:
            return NOTHING_HELD_BACK
        try:
            return self._restrain(release.model, channel, found.rollout)
        except StateError as error:
            logging.getLogger("serving").error("rollouts are held: %s", error)
            return _UNKNOWN

    def note_offer(self, model: str, version: str, device_id: str) -> None:
        """Remembers that a device was offered a rollout's version.

        Raises:
            StateError: see `Database.write`.
        """
        key = {"model": model, "version": version, "device": hash_device(device_id)}
        known = select(offers.c.device).filter_by(**key)
        with self._database.read() as connection:
            if connection.execute(known).first() is not None:
                return
        with self._database.write() as connection:
            row = {**key, "offered_ms": now_ms()}
            connection.execute(insert_into(connection, offers).values(row).on_conflict_do_nothing())

    def judge(self, connection: Connection, release: Release, version: str, passed: bool) -> None:
        """Halts a version that is being rolled out, or lets a raise that waits take effect.

        Args:
            connection: of the transaction that changed the counts.
            release: the signed policy.
            version: the one that was reported on.
            passed: the report; one more that passed is no reason to halt, and nothing is counted.
        """
        for channel, found in release.channels.items():
            rollout = found.rollout
            if rollout is None or rollout.version != version:
                continue
            if _read_holds(connection, release.model).get(version) == HALTED:
                return
            counts = _NO_DEVICES if passed else count(connection, release.model, version)
            if self.rule.stops(counts.failing, counts.reported):
                reason = (
                    f"{counts.failing} of {counts.reported} devices failed, more than "
                    f"{self.rule.limit:.1%}"
                )
                _put_hold(connection, release.model, version, HALTED)
                details = {"channel": channel, **vars(counts)}
                append(connection, SERVER, "halt", release.model, version, reason, **details)
                return
            # The first check begins a rollout; what is reported before raises nothing.
            stage = _read_stage(connection, release.model, channel, rollout)
            if stage is not None:
                self._advance(connection, release.model, channel, rollout, stage)

    def hold(self, model: str, version: str, kind: str, actor: str, reason: str) -> None:
        """Halts or pauses a version by a person's command.

        Args:
            model: its name.
            version: one of its versions.
            kind: `HALTED`: nobody should run it; `PAUSED`: nobody new is offered it in a rollout.
            actor: the person.
            reason: in words.

        Raises:
            StateError: see `Database.write`.
        """
        with self._database.write() as connection:
            _put_hold(connection, model, version, kind)
            action = {HALTED: "halt", PAUSED: "pause"}[kind]
            append(connection, actor, action, model, version, reason)

    def resume(
        self, model: str, version: str, actor: str, reason: str, release: Release | None = None
    ) -> None:
        """Ends a halt or a pause, and lets a raise that waits take effect.

        Devices are counted anew, so that the reports that led to a halt do not repeat it.

        Args:
            model: its name.
            version: one of its versions.
            actor: the person.
            reason: in words.
            release: the signed policy, whose share takes effect also where no device asked since
                it was signed; the share that was judged last when not given.

        Raises:
            StateError: see `Database.write`.
        """
        key = {"model": model, "version": version}
        with self._database.write() as connection:
            counts = count(connection, model, version)
            connection.execute(delete(holds).filter_by(**key))
            connection.execute(delete(verdicts).filter_by(**key))
            connection.execute(delete(offers).filter_by(**key))
            changes = {"share_bp": stages.c.signed_bp, "since_ms": now_ms()}
            connection.execute(update(stages).filter_by(**key).values(changes))
            for channel, found in (release.channels if release else {}).items():
                rollout = found.rollout
                if rollout is not None and rollout.version == version:
                    stage = Stage(rollout.share_bp, rollout.share_bp, now_ms())
                    _put_stage(connection, model, channel, rollout, stage)
            append(connection, actor, "resume", model, version, reason, **vars(counts))

    def describe(self, release: Release) -> tuple[dict[str, str], dict[str, Stage]]:
        """Returns kinds of holds by version, and the stage of each channel's rollout.

        Raises:
            StateError: see `Database.read`.
        """
        with self._database.read() as connection:
            found = {
                name: _read_stage(connection, release.model, name, channel.rollout)
                for name, channel in release.channels.items()
                if channel.rollout is not None
            }
            held = _read_holds(connection, release.model)
        return held, {name: stage for name, stage in found.items() if stage is not None}

    def count(self, model: str, version: str) -> Counts:
        """Counts the devices of a version.

        Raises:
            StateError: see `Database.read`.
        """
        with self._database.read() as connection:
            return count(connection, model, version)

    def judge_promotion(
        self, release: Release, channel: str, version: str
    ) -> tuple[Counts, str | None] | None:
        """Returns what is known of a version that is to be for all devices of a channel.

        Returns:
            The devices, and in words why a raise of its rollout would wait, or None where it has
            none or would not. None alone where no server keeps its rollouts in this database.

        Raises:
            StateError: see `Database.read`.
        """
        found = release.channels.get(channel)
        rollout = found.rollout if found else None
        with self._database.read() as connection:
            if connection.execute(select(stages.c.model).limit(1)).first() is None:
                return None
            counts = count(connection, release.model, version)
            if rollout is None or rollout.version != version:
                return counts, None
            stage = _read_stage(connection, release.model, channel, rollout)
            if stage is None:
                return counts, "no device asked since its rollout began"
            since = count(connection, release.model, version, stage.since_ms)
            return counts, self._find_wait(since, stage)

    def _restrain(self, model: str, channel: str, rollout: Rollout | None) -> Restraint:
        with self._database.read() as connection:
            held = _read_holds(connection, model)
            stage = _read_stage(connection, model, channel, rollout)
            judged = rollout is None or self._is_judged(connection, model, rollout, stage)
        halted = frozenset(version for version, kind in held.items() if kind == HALTED)
        if rollout is None:
            return Restraint(halted)
        if stage is None or not judged:
            # Read before the transaction: object storage may be slow, and others wait.
            first_bp = self._find_first_share(model, channel, rollout) if stage is None else 0
            with self._database.write() as connection:
                stage = _read_stage(connection, model, channel, rollout)
                if stage is None:
                    stage = _begin(connection, model, channel, rollout, first_bp)
                stage = self._advance(connection, model, channel, rollout, stage)
        paused = held.get(rollout.version) == PAUSED
        return Restraint(halted, 0 if paused else stage.share_bp)

    def _is_judged(
        self, connection: Connection, model: str, rollout: Rollout, stage: Stage | None
    ) -> bool:
        """Tells whether a stage is what it should be now."""
        if stage is None or stage.signed_bp != rollout.share_bp:
            return False
        # A raise may wait for time alone, which no report tells of.
        if stage.share_bp >= stage.signed_bp or not self._has_settled(stage):
            return True
        counts = count(connection, model, rollout.version, stage.since_ms)
        return self._find_wait(counts, stage) is not None

    def _has_settled(self, stage: Stage) -> bool:
        return now_ms() - stage.since_ms >= 1000 * self.rule.settle_s

    def _advance(
        self, connection: Connection, model: str, channel: str, rollout: Rollout, old: Stage
    ) -> Stage:
        """Brings the share in effect as near to the signed one as the reports allow."""
        signed_bp = rollout.share_bp
        if old.share_bp == old.signed_bp == signed_bp:
            return old
        stage = Stage(signed_bp, signed_bp, now_ms())
        action, reason = "raise", f"from {old.share_bp / 100} %"
        counts = count(connection, model, rollout.version, old.since_ms)
        if signed_bp <= old.share_bp:
            action = "lower"
        elif waits_for := self._find_wait(counts, old):
            stage = Stage(old.share_bp, signed_bp, old.since_ms)
            action, reason = "hold", f"at {old.share_bp / 100} %, as {waits_for}"
        if stage != old:
            _put_stage(connection, model, channel, rollout, stage)
            details = {"channel": channel, "share_bp": signed_bp, **vars(counts)}
            append(connection, SERVER, action, model, rollout.version, reason, **details)
        return stage

    def _find_wait(self, counts: Counts, stage: Stage) -> str | None:
        """Returns, in words, what a raise waits for; None where it need not wait."""
        enough = counts.reported >= self.rule.least_reports
        all_of_them = counts.reported >= counts.offered > 0 and self._has_settled(stage)
        if not enough and not all_of_them:
            return (
                f"{counts.reported} of {counts.offered} devices reported, of "
                f"{self.rule.least_reports} that are needed, or all after {self.rule.settle_s} s"
            )
        if counts.failing > self.rule.limit * counts.reported:
            return f"{counts.failing} of {counts.reported} devices failed, too few to halt it"
        return None


def count(connection: Connection, model: str, version: str, since_ms: int = 0) -> Counts:
    """Counts the devices that were offered a version, and that reported on it, since a time."""
    key = {"model": model, "version": version}
    offered = connection.execute(
        select(func.count())
        .select_from(offers)
        .filter_by(**key)
        .where(offers.c.offered_ms >= since_ms)
    ).scalar_one()
    by_verdict = {
        bool(passed): int(number)
        for passed, number in connection.execute(
            select(verdicts.c.passed, func.count())
            .filter_by(**key)
            .where(verdicts.c.received_ms >= since_ms)
            .group_by(verdicts.c.passed)
        )
    }
    failing = by_verdict.get(False, 0)
    return Counts(int(offered), failing + by_verdict.get(True, 0), failing)


def hash_device(device_id: str) -> str:
    """Returns what a device stands under in the database."""
    return sha256_bytes(device_id.encode())


def _read_holds(connection: Connection, model: str) -> dict[str, str]:
    rows = connection.execute(select(holds).filter_by(model=model))
    return {row.version: row.kind for row in rows}


def _put_hold(connection: Connection, model: str, version: str, kind: str) -> None:
    key = {"model": model, "version": version}
    connection.execute(delete(holds).filter_by(**key))
    connection.execute(insert(holds).values({**key, "kind": kind}))


def _begin(
    connection: Connection, model: str, channel: str, rollout: Rollout, first_bp: int
) -> Stage:
    """Begins a rollout with its first share, which takes effect at once."""
    counts = count(connection, model, rollout.version)
    stage = Stage(first_bp, first_bp, now_ms())
    _put_stage(connection, model, channel, rollout, stage)
    details = {"channel": channel, "share_bp": first_bp, **vars(counts)}
    append(connection, SERVER, "start", model, rollout.version, "a new rollout", **details)
    return stage


def _put_stage(
    connection: Connection, model: str, channel: str, rollout: Rollout, stage: Stage
) -> None:
    key = {"model": model, "channel": channel}
    row = {"salt": rollout.salt, "version": rollout.version, **vars(stage)}
    connection.execute(delete(stages).filter_by(**key))
    connection.execute(insert(stages).values({**key, **row}))


def _read_share(model: str, channel: str, rollout: Rollout) -> int:
    return rollout.share_bp


def _read_stage(
    connection: Connection, model: str, channel: str, rollout: Rollout | None
) -> Stage | None:
    """Returns the stage of this rollout; None where the one that is known is another."""
    row = connection.execute(select(stages).filter_by(model=model, channel=channel)).first()
    if row is None or rollout is None:
        return None
    if (row.salt, row.version) != (rollout.salt, rollout.version):
        return None
    return Stage(row.share_bp, row.signed_bp, row.since_ms)
