"""What an answer is worth: sure, only coarse, unsure, or not a known thing. Free of torch.

A phone follows the same five steps; `docs/adr/0006-confidence.md` has them in words.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from training.answers import Answers
from training.errors import ConfidenceError
from training.evaluation.metrics import wilson_interval
from training.evaluation.temperature import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibrate,
    check_probabilities,
)
from training.evaluation.unknown import SCORES, score_known
from training.hierarchy import Hierarchy

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

SURE = "sure"
COARSE = "coarse"
UNSURE = "unsure"
UNKNOWN = "unknown"
VERDICTS = (SURE, COARSE, UNSURE, UNKNOWN)

LEAST_SCORE = -1e12  # beyond what the density gives of features that never vary
_MAX_KINDS = 100


@dataclass(frozen=True)
class Share:
    """How often something happened.

    Attributes:
        value: 0 to 1; None of no photos.
        interval_95: Wilson's.
        photos: how often it could have happened.
    """

    value: float | None
    interval_95: Interval
    photos: int

    def __post_init__(self) -> None:
        _check_count("photos", self.photos)
        _check_share("value", self.value, self.interval_95)

    @classmethod
    def of(cls, successes: int, trials: int) -> "Share":
        """Returns the share of some photos among others."""
        value = successes / trials if trials else None
        return cls(value, wilson_interval(successes, trials), trials)


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What a threshold comes to on photos of known things.

    Attributes:
        precision: share of right answers among those with the threshold's verdict; None of none.
        precision_interval_95: Wilson's.
        coverage: share of all photos that get the verdict.
        coverage_interval_95: Wilson's.
        photos: all photos, whatever their verdict.
    """

    precision: float | None
    precision_interval_95: Interval
    coverage: float
    coverage_interval_95: Interval
    photos: int

    def __post_init__(self) -> None:
        _check_count("photos", self.photos)
        _check_share("precision", self.precision, self.precision_interval_95)
        _check_share("coverage", self.coverage, self.coverage_interval_95)


@dataclass(frozen=True, kw_only=True)
class Threshold(Reached):
    """From which probability on an answer stands.

    The figures are of the photos that it was chosen on, and so a little too good.

    Attributes:
        min_probability: calibrated, over 0 to 1; None where no value reaches the target on
            enough photos: then no answer stands.
        target_precision: share of right answers that it was chosen for.
        cross_fitted: the same where each photo is judged by a threshold chosen on others; None
            where there are too few photos.
    """

    min_probability: float | None
    target_precision: float
    cross_fitted: Reached | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_target(self.target_precision)
        if self.min_probability is not None:
            _check_number("min_probability", self.min_probability, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """How things that are none of the labels are told from those that are.

    Attributes:
        kept: share of photos of known things that are not called unknown.
        rejected: kind of unknown things -> share of its photos that are called unknown.
        named: kind -> share of its photos that are given a name, sure or coarse.
        precision: share of unknown things among what is called unknown, on an equal mix of known
            and unknown, with each kind alike; None where nothing was rejected, or no unknown
            things were at hand.
        precision_interval_95: from the outer ends of the shares' intervals, and so rather wide.
    """

    kept: Share
    rejected: dict[str, Share]
    named: dict[str, Share]
    precision: float | None
    precision_interval_95: Interval

    def __post_init__(self) -> None:
        _check_share("precision", self.precision, self.precision_interval_95)


@dataclass(frozen=True, kw_only=True)
class Known(Rejection):
    """From which score on a photo shows a known thing.

    Attributes:
        score: one of `SCORES`.
        min_score: below it is "not a known thing"; None where that is never said.
        target_precision: what it was chosen for, on either side: at least this share of known
            things is kept, and, where unknown things were at hand, `precision` reaches it.
        cross_fitted: as in `Threshold`.
    """

    score: str
    min_score: float | None
    target_precision: float
    cross_fitted: Rejection | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_target(self.target_precision)
        if self.score not in SCORES:
            raise ConfidenceError(f"score is {self.score!r}: allowed are {', '.join(SCORES)}")
        if self.min_score is not None:
            _check_number("min_score", self.min_score, LEAST_SCORE, 1)


@dataclass(frozen=True)
class Limits:
    """The numbers that verdicts follow from; None for a verdict that is never given."""

    temperature: float
    score: str
    min_score: float | None
    sure: float | None
    coarse: float | None


@dataclass(frozen=True)
class Confidence:
    """How far the answers of one network, or of one artifact, can be trusted.

    Attributes:
        temperature: see `training.evaluation.temperature`.
        sure: threshold of the best label's probability.
        coarse: threshold of the best coarse class's probability, among photos that are not sure;
            None without coarse classes.
        known: threshold of "not a known thing".
    """

    temperature: float
    sure: Threshold
    coarse: Threshold | None
    known: Known

    def __post_init__(self) -> None:
        _check_number("temperature", self.temperature, MIN_TEMPERATURE, MAX_TEMPERATURE)

    @property
    def limits(self) -> Limits:
        """The numbers alone."""
        coarse = None if self.coarse is None else self.coarse.min_probability
        known = self.known
        return Limits(
            self.temperature, known.score, known.min_score, self.sure.min_probability, coarse
        )

    def score(self, answers: Answers) -> Floats:
        """Returns how much each photo looks like a known thing, float64 [N]: see `known.score`."""
        calibrated = calibrate(answers.probabilities, self.temperature)
        return score_known(self.known.score, calibrated, answers.known_scores)

    def to_json(self) -> dict[str, Any]:
        """Returns what `from_json` takes back, also after a way through JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "Confidence":
        """Reads what `to_json` gave.

        Raises:
            ConfidenceError: a key is missing or unknown, or its value not allowed.
        """
        keys = _read_table(value, cls, "confidence")
        coarse = keys["coarse"]
        return cls(
            temperature=keys["temperature"],
            sure=_read_threshold(keys["sure"], "sure"),
            coarse=None if coarse is None else _read_threshold(coarse, "coarse"),
            known=_read_known(keys["known"]),
        )


@dataclass(frozen=True)
class Decision:
    """What to say of one photo.

    Attributes:
        verdict: "sure" (the label stands), "coarse" (only the coarse class does), "unsure" (ask
            a better network, or a person) or "unknown" (none of the labels).
        index: the likeliest label.
        probability: its calibrated probability.
        coarse_index: the likeliest coarse class; None without coarse classes.
        coarse_probability: its calibrated probability, the sum over its labels.
        probabilities: of all labels, calibrated, float64 [classes].
    """

    verdict: str
    index: int
    probability: float
    coarse_index: int | None
    coarse_probability: float | None
    probabilities: Floats


def decide(answers: Answers, confidence: Confidence, hierarchy: Hierarchy | None) -> Decision:
    """Judges one photo's answer.

    Args:
        answers: as the network or artifact gives them, of one photo.
        confidence: fitted on the answers of the same network or artifact.
        hierarchy: the coarse class of each label; None where there are none.

    Raises:
        ConfidenceError: more than one photo, no probabilities, or a known score that is no number.
    """
    if len(answers) != 1:
        raise ConfidenceError(f"answers on {len(answers)} photos: one is judged at a time")
    calibrated, verdicts = judge(answers, confidence.limits, hierarchy)
    index = int(calibrated[0].argmax())
    coarse_index = coarse_probability = None
    if hierarchy is not None:
        coarse = sum_coarse(hierarchy, calibrated)[0]
        coarse_index = int(coarse.argmax())
        coarse_probability = float(coarse[coarse_index])
    return Decision(
        str(verdicts[0]),
        index,
        float(calibrated[0, index]),
        coarse_index,
        coarse_probability,
        calibrated[0],
    )


def judge(
    answers: Answers, limits: Limits, hierarchy: Hierarchy | None
) -> tuple[Floats, npt.NDArray[np.str_]]:
    """Judges the answers on many photos.

    Args:
        answers: as the network or artifact gives them, of N photos.
        limits: of the same network or artifact.
        hierarchy: see `decide`.

    Returns:
        The calibrated probabilities, float64 [N, classes], and a verdict each, shape [N].

    Raises:
        ConfidenceError: no probabilities, or a known score that is no number.
    """
    check_answers(answers, None)
    calibrated = calibrate(answers.probabilities, limits.temperature)
    verdicts = np.full(len(calibrated), UNSURE, dtype="<U7")
    # The last to speak is heard: what is no known thing has no name, however sure.
    if hierarchy is not None and limits.coarse is not None:
        verdicts[sum_coarse(hierarchy, calibrated).max(axis=1) >= limits.coarse] = COARSE
    if limits.sure is not None:
        verdicts[calibrated.max(axis=1) >= limits.sure] = SURE
    if limits.min_score is not None:
        scores = score_known(limits.score, calibrated, answers.known_scores)
        verdicts[scores < limits.min_score] = UNKNOWN
    return calibrated, verdicts


def check_answers(answers: Answers, truth: npt.NDArray[np.int64] | None) -> None:
    """Raises `ConfidenceError` unless these are answers on photos with their true classes.

    Args:
        answers: should hold probabilities, and known scores that are finite.
        truth: see `training.evaluation.temperature.check_probabilities`.
    """
    check_probabilities(answers.probabilities, truth)
    if not np.isfinite(answers.known_scores).all():
        raise ConfidenceError("the answers hold a known score that is no number")


def sum_coarse(hierarchy: Hierarchy, calibrated: Floats) -> Floats:
    """Returns the probability of each coarse class, float64 [N, coarse classes], at most 1."""
    return np.minimum(hierarchy.sum_coarse(calibrated.astype(np.float32)), 1).astype(np.float64)


def _read_threshold(value: object, where: str) -> Threshold:
    keys = _read_table(value, Threshold, where)
    inner = keys.pop("cross_fitted")
    return Threshold(
        **_read_reached(keys),
        cross_fitted=None
        if inner is None
        else Reached(**_read_reached(_read_table(inner, Reached, f"{where}.cross_fitted"))),
    )


def _read_reached(keys: dict[str, Any]) -> dict[str, Any]:
    pairs = ("precision_interval_95", "coverage_interval_95")
    return keys | {name: _read_interval(keys[name]) for name in pairs}


def _read_known(value: object) -> Known:
    keys = _read_table(value, Known, "known")
    inner = keys.pop("cross_fitted")
    return Known(
        **_read_rejection(keys),
        cross_fitted=None
        if inner is None
        else Rejection(**_read_rejection(_read_table(inner, Rejection, "known.cross_fitted"))),
    )


def _read_rejection(keys: dict[str, Any]) -> dict[str, Any]:
    kinds = {name: _read_kinds(keys[name], name) for name in ("rejected", "named")}
    interval = _read_interval(keys["precision_interval_95"])
    kept = _read_share(keys["kept"], "kept")
    return keys | kinds | {"kept": kept, "precision_interval_95": interval}


def _read_kinds(value: object, where: str) -> dict[str, Share]:
    if not isinstance(value, dict) or len(value) > _MAX_KINDS:
        raise ConfidenceError(f"{where} is no object of at most {_MAX_KINDS} kinds")
    return {str(kind): _read_share(share, f"{where}.{kind}") for kind, share in value.items()}


def _read_share(value: object, where: str) -> Share:
    keys = _read_table(value, Share, where)
    return Share(keys["value"], _read_interval(keys["interval_95"]), keys["photos"])


def _read_interval(value: object) -> Interval:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ConfidenceError(f"an interval is {value!r}: it must be a list of two numbers")
    return value[0], value[1]


def _read_table(value: object, kind: type, where: str) -> dict[str, Any]:
    names = [entry.name for entry in fields(kind)]
    if not isinstance(value, dict) or set(value) != set(names):
        raise ConfidenceError(f"{where} must be an object with exactly {', '.join(names)}")
    return dict(value)


def _check_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfidenceError(f"{name} is {value!r}: it must be a number")
    if not least <= value <= most:
        raise ConfidenceError(f"{name} is {value}: allowed are {least} to {most}")


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfidenceError(f"{name} is {value!r}: allowed are whole numbers from 0")


def _check_target(value: object) -> None:
    _check_number("target_precision", value, 0, 1)


def _check_share(name: str, value: float | None, interval: Interval) -> None:
    low, high = interval
    for end in interval:
        _check_number(f"{name}: an end of its interval", end, 0, 1)
    if value is None:
        return
    _check_number(name, value, 0, 1)
    if not low <= value <= high:
        raise ConfidenceError(f"{name} is {value}, outside of its interval {low} to {high}")
