"""How an artifact differs from the trained model, photo by photo. Free of torch."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError, ParityError
from conversion.parity.gate import (
    PROBABILITY_FLOOR,
    Estimate,
    Gate,
    Indices,
    Probabilities,
    bootstrap_loss,
    smoothed_loss,
    union,
)
from training.answers import Answers
from training.evaluation.metrics import wilson_interval

BINS = 15  # as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017
MAX_FLIPS = 200
# What a photo's answer may have become; a report shows the first kinds first.
_KINDS = ("lost", "won", "other")

_Hits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bin:
    """Photos whose first answer has a probability in one range.

    Attributes:
        photos: how many.
        confidence: mean probability of their first answers; 0 where there is no photo.
        accuracy: share that is right; 0 where there is no photo.
    """

    photos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say.

    Attributes:
        error: expected calibration error, 0 to 1: over the bins, the mean of the distance
            between confidence and accuracy, weighted by photos.
        bins: of equal width from 0 to 1; each holds its upper end.
    """

    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class ClassFlips:
    """What changed on the photos of one class.

    Attributes:
        label: the class.
        photos: how many show it.
        lost: those that only the trained model names rightly.
        won: those that only the artifact names rightly.
        other: those that both name wrongly, and differently.
    """

    label: str
    photos: int
    lost: int
    won: int
    other: int


@dataclass(frozen=True)
class Flip:
    """A photo with another first answer.

    Attributes:
        photo: its name in its source.
        kind: "lost", "won" or "other"; see `ClassFlips`.
        truth: the class that it shows.
        reference: the trained model's first answer.
        reference_probability: of that answer, 0 to 1.
        artifact: the artifact's first answer.
        artifact_probability: of that answer, 0 to 1.
    """

    photo: str
    kind: str
    truth: str
    reference: str
    reference_probability: float
    artifact: str
    artifact_probability: float


@dataclass(frozen=True)
class CrossCheck:
    """The same file in a second runtime.

    Attributes:
        evaluator: what ran it.
        photos: on how many.
        agreement: share of photos with the same first answer in both runtimes.
        max_probability_difference: over photos and classes.
        min_agreement: smallest agreement that passes.
        max_difference_allowed: largest difference that passes.
        failure: why it could not be run; empty where it could.
    """

    evaluator: str
    photos: int
    agreement: float
    max_probability_difference: float
    min_agreement: float
    max_difference_allowed: float
    failure: str = ""

    def faults(self) -> list[str]:
        """Returns why the two runtimes do not confirm each other; empty where they do."""
        if self.failure:
            return [f"{self.evaluator} cannot run it: {self.failure}"]
        found = []
        if self.agreement < self.min_agreement:
            found.append(
                f"{self.evaluator} gives the same answer on {self.agreement:.2%} of {self.photos} "
                f"photos; at least {self.min_agreement:.2%} is required"
            )
        if self.max_probability_difference > self.max_difference_allowed:
            found.append(
                f"a probability in {self.evaluator} differs by "
                f"{self.max_probability_difference:.2g}; at most {self.max_difference_allowed:.2g} "
                "is allowed"
            )
        return found


@dataclass(frozen=True)
class Statistics:
    """The paired comparison of one artifact with the trained model. Shares are 0 to 1.

    Attributes:
        artifact: file name.
        photos: how many both answered.
        reference_top1: share that the trained model names rightly.
        artifact_top1: share that the artifact names rightly.
        lost: photos that only the trained model names rightly.
        won: photos that only the artifact names rightly.
        other: photos that both name wrongly, and differently.
        loss: reference less artifact top-1, with the interval of a bootstrap over photos.
        smoothed_loss: the same by the continuous evidence; see `conversion.parity.gate`.
        mcnemar_p: two-sided p-value of McNemar's exact test.
        agreement: share of photos with the same first answer, with its Wilson interval.
        mean_divergence: mean over photos of KL(reference || artifact), in nats.
        max_divergence: its largest.
        max_probability_difference: of one probability, over photos and classes.
        mean_probability_difference: over photos and classes.
        max_known_score_difference: of one known score, over photos.
        same_known: share of photos whose known score lies on one side of the artifact's
            threshold of "not a known thing" in both; 1 where the threshold is of another score.
        reference_calibration: of the trained model.
        artifact_calibration: of the artifact.
        class_flips: for each class on which something changed.
        flips: the photos with another answer, lost ones first, `MAX_FLIPS` at most.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        cross_check: the same file in a second runtime; None where there was none.
    """

    artifact: str
    photos: int
    reference_top1: float
    artifact_top1: float
    lost: int
    won: int
    other: int
    loss: Estimate
    smoothed_loss: Estimate
    mcnemar_p: float
    agreement: Estimate
    mean_divergence: float
    max_divergence: float
    max_probability_difference: float
    mean_probability_difference: float
    max_known_score_difference: float
    same_known: float
    reference_calibration: Calibration
    artifact_calibration: Calibration
    class_flips: tuple[ClassFlips, ...]
    flips: tuple[Flip, ...]
    resamples: int
    seed: int
    cross_check: CrossCheck | None = None

    @property
    def gate_interval(self) -> tuple[float, float]:
        """The interval of the loss that the gate judges by: it holds both intervals."""
        return union(self.loss, self.smoothed_loss)

    def to_json(self) -> dict[str, Any]:
        """Returns what a JSON file holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Statistics":
        """Reads what `to_json` gave.

        Raises:
            ArtifactError: a key is missing, unknown, or of another form.
        """
        try:
            check = value["cross_check"]
            return cls(
                **value
                | {name: Estimate(**value[name]) for name in ("loss", "smoothed_loss", "agreement")}
                | {
                    name: _read_calibration(value[name])
                    for name in ("reference_calibration", "artifact_calibration")
                }
                | {
                    "class_flips": tuple(ClassFlips(**entry) for entry in value["class_flips"]),
                    "flips": tuple(Flip(**entry) for entry in value["flips"]),
                    "cross_check": None if check is None else CrossCheck(**check),
                }
            )
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"not statistics of an artifact: {error}") from error


@dataclass(frozen=True)
class Photos:
    """The photos that everyone answered.

    Attributes:
        names: of the photos, in order.
        truth: true class of each, int64 [N].
        labels: names of the classes.
    """

    names: tuple[str, ...]
    truth: Indices
    labels: tuple[str, ...]


def compare(
    artifact: str,
    photos: Photos,
    reference: Answers,
    own: Answers,
    gate: Gate,
    min_known_score: float | None = None,
) -> Statistics:
    """Compares an artifact's answers with the trained model's, photo by photo.

    Args:
        artifact: file name.
        photos: at least one.
        reference: the trained model's answers, of at least 2 classes.
        own: the artifact's.
        gate: how intervals are made.
        min_known_score: the artifact's threshold of "not a known thing"; None where there is
            none, or it is of another score.

    Raises:
        ParityError: the shapes do not fit, or there is no photo.
    """
    rows, own_rows = reference.probabilities, own.probabilities
    _check_shapes(artifact, photos, rows, own_rows)
    known, own_known = reference.known_scores, own.known_scores
    return replace(
        _compare_probabilities(artifact, photos, rows, own_rows, gate),
        max_known_score_difference=float(np.abs(own_known - known).max()),
        same_known=1.0
        if min_known_score is None
        else float(((known < min_known_score) == (own_known < min_known_score)).mean()),
    )


def _check_shapes(
    artifact: str, photos: Photos, reference: Probabilities, own: Probabilities
) -> None:
    shape = (len(photos.names), len(photos.labels))
    if not shape[0] or not reference.shape == own.shape == shape or len(photos.truth) != shape[0]:
        raise ParityError(
            f"{artifact}: probabilities {own.shape} and {reference.shape} of {shape[0]} photos "
            f"and {shape[1]} classes: all must be of the same photos and classes, at least one"
        )


def _compare_probabilities(
    artifact: str, photos: Photos, reference: Probabilities, own: Probabilities, gate: Gate
) -> Statistics:
    """Compares all but the known scores."""
    count = len(photos.names)
    before, after = reference.argmax(axis=1), own.argmax(axis=1)
    right, right_after = before == photos.truth, after == photos.truth
    masks = {
        "lost": right & ~right_after,
        "won": ~right & right_after,
        "other": (before != after) & ~right & ~right_after,
    }
    counts = {kind: int(mask.sum()) for kind, mask in masks.items()}
    same = int((before == after).sum())
    difference = np.abs(own - reference)
    divergence = diverge(reference, own)
    return Statistics(
        artifact=artifact,
        photos=count,
        reference_top1=float(right.mean()),
        artifact_top1=float(right_after.mean()),
        lost=counts["lost"],
        won=counts["won"],
        other=counts["other"],
        loss=bootstrap_loss(counts["lost"], counts["won"], count, gate),
        smoothed_loss=smoothed_loss(reference, own, photos.truth),
        mcnemar_p=mcnemar(counts["lost"], counts["won"]),
        agreement=Estimate(same / count, *wilson_interval(same, count)),
        mean_divergence=float(divergence.mean()),
        max_divergence=float(divergence.max()),
        max_probability_difference=float(difference.max()),
        mean_probability_difference=float(difference.mean()),
        max_known_score_difference=0.0,
        same_known=1.0,
        reference_calibration=calibrate(reference, photos.truth),
        artifact_calibration=calibrate(own, photos.truth),
        class_flips=tuple(_count_by_class(photos, masks)),
        flips=tuple(_list_flips(photos, reference, own, masks)),
        resamples=gate.resamples,
        seed=gate.seed,
    )


def mcnemar(lost: int, won: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test: are the flips a fair coin's?

    Twice the smaller tail of the binomial distribution, at most 1 (McNemar, Psychometrika 12,
    1947; as "exact conditional" in Fagerland et al., BMC Medical Research Methodology 13, 2013).
    """
    flips = lost + won
    term, tail = 1, 0
    for count in range(min(lost, won) + 1):
        tail += term
        term = term * (flips - count) // (count + 1)
    return min(1.0, float(2 * tail / 2**flips))


def diverge(reference: Probabilities, own: Probabilities) -> npt.NDArray[np.float64]:
    """Returns KL(reference || own) of each photo in nats; zeros count as `PROBABILITY_FLOOR`."""
    p, q = (np.maximum(rows.astype(np.float64), PROBABILITY_FLOOR) for rows in (reference, own))
    p, q = (rows / rows.sum(axis=1, keepdims=True) for rows in (p, q))
    divergence: npt.NDArray[np.float64] = (p * np.log(p / q)).sum(axis=1)
    return divergence.clip(min=0)  # rounding can leave it just below


def calibrate(probabilities: Probabilities, truth: Indices) -> Calibration:
    """Returns the calibration of first answers in `BINS` bins; see `Calibration`."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    inner_ends = np.linspace(0, 1, BINS + 1)[1:-1]
    place = np.digitize(confidence, inner_ends, right=True)
    bins = tuple(_describe_bin(confidence[place == n], right[place == n]) for n in range(BINS))
    distances = [entry.photos * abs(entry.confidence - entry.accuracy) for entry in bins]
    return Calibration(math.fsum(distances) / len(truth), bins)


def _describe_bin(confidence: npt.NDArray[np.float64], right: _Hits) -> Bin:
    if not len(right):
        return Bin(0, 0.0, 0.0)
    return Bin(len(right), float(confidence.mean()), float(right.mean()))


def _count_by_class(photos: Photos, masks: dict[str, _Hits]) -> Iterator[ClassFlips]:
    totals = np.bincount(photos.truth, minlength=len(photos.labels))
    counts = {
        kind: np.bincount(photos.truth[mask], minlength=len(photos.labels))
        for kind, mask in masks.items()
    }
    for index in np.flatnonzero(sum(counts.values())):
        own = {kind: int(counts[kind][index]) for kind in _KINDS}
        yield ClassFlips(photos.labels[index], int(totals[index]), **own)


def _list_flips(
    photos: Photos, reference: Probabilities, own: Probabilities, masks: dict[str, _Hits]
) -> Iterator[Flip]:
    order = [(kind, index) for kind in _KINDS for index in np.flatnonzero(masks[kind])]
    for kind, index in order[:MAX_FLIPS]:
        before, after = int(reference[index].argmax()), int(own[index].argmax())
        yield Flip(
            photo=photos.names[index],
            kind=kind,
            truth=photos.labels[photos.truth[index]],
            reference=photos.labels[before],
            reference_probability=float(reference[index, before]),
            artifact=photos.labels[after],
            artifact_probability=float(own[index, after]),
        )


def _read_calibration(value: dict[str, Any]) -> Calibration:
    return Calibration(value["error"], tuple(Bin(**entry) for entry in value["bins"]))
