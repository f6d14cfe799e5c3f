"""What parity found out about one artifact, and the verdict that follows. Free of torch."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from conversion.errors import ArtifactError

PASSED = "passed"
FAILED = "failed"
INCONCLUSIVE = "inconclusive"
NOT_EXECUTED = "not executed"
VERDICTS = (PASSED, INCONCLUSIVE, FAILED, NOT_EXECUTED)

_SHARES = (
    "reference_top1",
    "artifact_top1",
    "agreement",
    "same_known",
    "min_accuracy_share",
    "loss_margin",
)
_DIFFERENCES = (
    "max_probability_difference",
    "mean_probability_difference",
    "max_known_score_difference",
)
_LISTS = ("structure_faults", "cross_check_faults", "disagreements")
# The loss is a difference of two shares, its interval was made of whole photos.
_ROUNDING = 1e-9


def points(share: float) -> str:
    """Returns a difference of two shares in points of 100; never a negative nothing."""
    return f"{round(100 * share, 2) + 0:.2f}"


@dataclass(frozen=True)
class ParityReport:
    """How an artifact's answers compare with the checkpoint's, photo by photo.

    The verdict is derived from the figures, never stored. docs/adr/0005-the-gate.md explains it.

    Attributes:
        artifact: file name.
        artifact_sha256: of `artifact_bytes`.
        checkpoint_sha256: what the artifact was compared with.
        evaluator: what ran the artifact, e.g. "LiteRT runtime" or "MIL reference evaluation".
        photos: number of photos that both answered.
        reference_top1: share of photos that the checkpoint names rightly.
        artifact_top1: share of photos that the artifact names rightly.
        loss_low: lower end of the 95 % interval of `loss`, -1 to 1.
        loss_high: upper end.
        loss_margin: `loss_high` must lie below it, a share.
        min_accuracy_share: smallest `artifact_top1` that passes, as a share of `reference_top1`.
        min_photos: with fewer, nothing passes.
        agreement: share of photos on which both name the same class first.
        max_probability_difference: largest difference of one probability over photos and classes.
        mean_probability_difference: mean of the same, over photos and classes.
        max_known_score_difference: largest difference of one known score over photos.
        same_known: share of photos that lie on one side of the artifact's threshold of "not a
            known thing" in both; 1 where the threshold is of another score.
        min_agreement: smallest agreement that passes; None for any.
        max_difference_allowed: largest probability difference that passes; None for any.
        max_known_score_difference_allowed: likewise of a known score.
        labels_match: whether the file's labels are the checkpoint's; True for a format that
            holds none.
        tool_versions: package name -> version.
        source: where the photos came from.
        structure_faults: how the file breaks what its precision promises.
        cross_check_faults: how a second runtime answers differently with the same file.
        disagreements: names of the first photos on which the two differ.
        executed: whether it was run; False for delegates that only a phone has.
        failure: why the artifact could not be run to the end; empty when it could. The figures
            are then of no photos.
    """

    artifact: str
    artifact_sha256: str
    checkpoint_sha256: str
    evaluator: str
    photos: int
    reference_top1: float
    artifact_top1: float
    loss_low: float
    loss_high: float
    loss_margin: float
    min_accuracy_share: float
    min_photos: int
    agreement: float
    max_probability_difference: float
    mean_probability_difference: float
    max_known_score_difference: float
    same_known: float
    min_agreement: float | None
    max_difference_allowed: float | None
    max_known_score_difference_allowed: float | None
    labels_match: bool
    tool_versions: dict[str, str]
    source: str
    structure_faults: tuple[str, ...] = ()
    cross_check_faults: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()
    executed: bool = True
    failure: str = ""

    def __post_init__(self) -> None:
        for name in (*_SHARES, *(("min_agreement",) if self.min_agreement is not None else ())):
            if not 0 <= getattr(self, name) <= 1:
                raise ArtifactError(f"{name} is {getattr(self, name)}: allowed are 0 to 1")
        for name in _DIFFERENCES:
            if not math.isfinite(getattr(self, name)):
                raise ArtifactError(f"{name} is {getattr(self, name)}: it must be finite")
        low, high = self.loss_low, self.loss_high
        if not -1 <= low <= self.loss + _ROUNDING or not self.loss - _ROUNDING <= high <= 1:
            raise ArtifactError(
                f"loss_low and loss_high are {low} and {high}: allowed are -1 to 1, and the loss, "
                f"which is {self.loss}, between them"
            )

    @property
    def loss(self) -> float:
        """The accuracy loss: reference less artifact top-1, a share; negative for a gain."""
        return self.reference_top1 - self.artifact_top1

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if not self.executed:
            return NOT_EXECUTED
        if self._faults():
            return FAILED
        return INCONCLUSIVE if self._doubts() else PASSED

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return self.verdict == PASSED

    @property
    def photos_needed(self) -> int | None:
        """About how many photos would decide an inconclusive verdict; None where none would.

        An interval narrows with the root of the number of photos.
        """
        enough = self.min_photos
        if self.loss_high < self.loss_margin:
            return enough
        if self.loss >= self.loss_margin:
            return None
        ratio = (self.loss_high - self.loss) / (self.loss_margin - self.loss)
        return max(enough, self.photos + 1, math.ceil(self.photos * ratio**2))

    def reasons(self) -> list[str]:
        """Returns why the artifact does not pass, in words; empty when it does."""
        if not self.executed:
            return [f"not executed: {self.failure}", *self.structure_faults]
        return self._faults() or self._doubts()

    def to_json(self) -> dict[str, Any]:
        """Returns what a JSON file holds: the figures, no verdict."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ParityReport":
        """Reads what `to_json` gave.

        Raises:
            ArtifactError: a key is missing, unknown, or its value not allowed.
        """
        try:
            given = {entry.name: value[entry.name] for entry in fields(cls)}
            return cls(**value | given | {name: tuple(value[name]) for name in _LISTS})
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"not a parity report: {error}") from error

    def _faults(self) -> list[str]:
        """What shows that the artifact is not good enough, whatever more photos would show."""
        if self.failure:
            return [self.failure]
        if self.photos < 1:
            return ["it was compared on no photo"]
        found = [*self.structure_faults, *self.cross_check_faults]
        if not self.labels_match:
            found.append("the labels inside are not the checkpoint's, in the checkpoint's order")
        if self.loss_low >= self.loss_margin:
            found.append(
                f"it loses {points(self.loss)} points of accuracy, surely "
                f"{points(self.loss_low)} (95 % interval of {self.photos} photos); less than "
                f"{points(self.loss_margin)} is required"
            )
        allowed = self.max_difference_allowed
        if allowed is not None and self.max_probability_difference > allowed:
            found.append(
                f"a probability differs by {self.max_probability_difference:.2g}; "
                f"at most {allowed:.2g} is allowed"
            )
        allowed = self.max_known_score_difference_allowed
        if allowed is not None and self.max_known_score_difference > allowed:
            found.append(
                f"a known score differs by {self.max_known_score_difference:.2g}; "
                f"at most {allowed:.2g} is allowed"
            )
        return found + (self._shortfalls() if self.photos >= self.min_photos else [])

    def _shortfalls(self) -> list[str]:
        """Shares below their limits; among few photos one photo would decide."""
        found = []
        if self.min_agreement is not None and self.agreement < self.min_agreement:
            found.append(
                f"names the same class as the checkpoint on {self.agreement:.2%} of "
                f"{self.photos} photos; at least {self.min_agreement:.2%} is required"
            )
        if self.artifact_top1 < self.min_accuracy_share * self.reference_top1 - _ROUNDING:
            found.append(
                f"names {self.artifact_top1:.2%} of photos rightly, less than "
                f"{self.min_accuracy_share:.0%} of the checkpoint's {self.reference_top1:.2%}"
            )
        return found

    def _doubts(self) -> list[str]:
        """Why these photos do not decide."""
        found = []
        if self.photos < self.min_photos:
            found.append(
                f"inconclusive: {self.photos} photos are too few; at least {self.min_photos} "
                "are needed"
            )
        if self.loss_low < self.loss_margin <= self.loss_high:
            needed = self.photos_needed
            found.append(
                f"inconclusive: the accuracy loss is {points(self.loss)} points, and may be "
                f"{points(self.loss_high)} (95 % interval of {self.photos} photos); less than "
                f"{points(self.loss_margin)} is required; "
                + (
                    "more photos are unlikely to help"
                    if needed is None
                    else f"about {needed} photos would be needed"
                )
            )
        return found
