"""How far a network's answers can be trusted, fitted on labelled photos. Free of torch.

`fit_confidence` chooses a temperature and three thresholds for a wanted precision. As they are
chosen on few photos, and measured on the same ones, each figure stands beside a cross-fitted
one: every photo judged by what was chosen on the others.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.answers import Answers
from training.errors import ConfidenceError
from training.evaluation.decisions import (
    COARSE,
    SURE,
    UNKNOWN,
    UNSURE,
    VERDICTS,
    Confidence,
    Decision,
    Floats,
    Interval,
    Known,
    Limits,
    Reached,
    Rejection,
    Share,
    Threshold,
    check_answers,
    decide,
    judge,
    sum_coarse,
)
from training.evaluation.metrics import Indices
from training.evaluation.score_choice import ComparedScore, compare_hits
from training.evaluation.temperature import calibrate, fit_temperature
from training.evaluation.unknown import KNOWN_SCORE, SCORES, score_known
from training.hierarchy import Hierarchy

__all__ = [
    "COARSE",
    "SURE",
    "UNKNOWN",
    "UNSURE",
    "VERDICTS",
    "Confidence",
    "Decision",
    "Known",
    "Limits",
    "Reached",
    "Rejection",
    "Share",
    "Threshold",
    "calibrate",
    "choose_score",
    "compare_scores",
    "decide",
    "fit_confidence",
    "fit_temperature",
    "judge",
]

Flags = npt.NDArray[np.bool_]

# Taken where the photos at hand do not show another one to be better; see docs/unknown.md.
DEFAULT_SCORE = KNOWN_SCORE
_FOLDS = 5
_SEED = 0
_LEAST_PHOTOS = 2 * _FOLDS


@dataclass(frozen=True)
class _Asked:
    """Answers on known things with their true classes, and on kinds of unknown things."""

    answers: Answers
    truth: Indices
    unknown: Mapping[str, Answers]

    @classmethod
    def check(
        cls,
        answers: Answers,
        truth: Indices,
        target: float,
        unknown: Mapping[str, Answers] | None,
    ) -> "_Asked":
        """Takes what can be fitted to; kinds without photos are left out."""
        check_answers(answers, truth)
        if not 0 < target < 1:
            raise ConfidenceError(f"target_precision is {target}: allowed are over 0 to below 1")
        kinds = {kind: those for kind, those in (unknown or {}).items() if len(those)}
        for those in kinds.values():
            check_answers(those, None)
        return cls(answers, truth, kinds)

    def take(self, fold: int, kept: bool) -> "_Asked":
        """Returns the photos of one fold, or (`kept` False) those of all others."""
        mine = _folds(len(self.truth)) == fold
        chosen = mine if kept else ~mine
        unknown = {}
        for kind, answers in self.unknown.items():
            theirs = (_folds(len(answers)) == fold) == kept
            unknown[kind] = answers[theirs]
        return _Asked(self.answers[chosen], self.truth[chosen], unknown)


@dataclass(frozen=True)
class _Judged:
    """Verdicts on known things, whether label and coarse class were right, and on unknown ones."""

    verdicts: npt.NDArray[np.str_]
    right: Flags
    coarse_right: Flags
    unknown: dict[str, npt.NDArray[np.str_]]


def fit_confidence(
    answers: Answers,
    truth: Indices,
    target_precision: float,
    hierarchy: Hierarchy | None = None,
    unknown: Mapping[str, Answers] | None = None,
    score: str | None = None,
) -> Confidence:
    """Chooses a temperature and thresholds on labelled photos.

    Args:
        answers: of the network or artifact, on N photos.
        truth: true class of each photo, shape [N], at least one.
        target_precision: wanted share of right answers among those that stand, 0 to below 1.
        hierarchy: the coarse class of each label; None where there are none.
        unknown: kind of unknown things, as in "clutter" -> answers on photos of them.
        score: which one of `SCORES` tells known from unknown things; `choose_score` chooses
            when not given.

    Returns:
        What `decide` takes.

    Raises:
        ConfidenceError: no photo, a value that is no probability or no score, or a target out of
            range.
    """
    if score is not None and score not in SCORES:
        raise ConfidenceError(f"score is {score!r}: allowed are {', '.join(SCORES)}")
    asked = _Asked.check(answers, truth, target_precision, unknown)
    if score is None:
        score = choose_score(_compare_scores(asked, target_precision))
    limits = _choose(asked, target_precision, hierarchy, score)
    judged = _judge(asked, limits, hierarchy)
    others = _cross_fit(asked, target_precision, hierarchy, score)
    coarse = None
    if hierarchy is not None:
        coarse = _make_threshold(COARSE, limits.coarse, target_precision, judged, others)
    return Confidence(
        temperature=limits.temperature,
        sure=_make_threshold(SURE, limits.sure, target_precision, judged, others),
        coarse=coarse,
        known=Known(
            **vars(_measure_rejection(judged)),
            score=score,
            min_score=limits.min_score,
            target_precision=target_precision,
            cross_fitted=None if others is None else _measure_rejection(others),
        ),
    )


def compare_scores(
    answers: Answers,
    truth: Indices,
    target_precision: float,
    unknown: Mapping[str, Answers],
) -> dict[str, ComparedScore]:
    """Compares what `fit_confidence` may choose from, on the photos that it is given.

    Returns:
        Score -> what it is worth; empty where there are too few photos to tell.

    Raises:
        ConfidenceError: as `fit_confidence`.
    """
    asked = _Asked.check(answers, truth, target_precision, unknown)
    return _compare_scores(asked, target_precision)


def choose_score(compared: Mapping[str, ComparedScore]) -> str:
    """Returns the best score of those that are shown to be better than the default, or that.

    Args:
        compared: what `compare_scores` gave.
    """
    better = {name: found for name, found in compared.items() if found.gain_interval_95[0] > 0}
    return max(better, key=lambda name: better[name].gain, default=DEFAULT_SCORE)


def _compare_scores(asked: _Asked, target: float) -> dict[str, ComparedScore]:
    photos = sum(len(those) for those in asked.unknown.values())
    if photos < max(_least_answers(target), _LEAST_PHOTOS):
        return {}
    hits = {}
    for score in SCORES:
        # Coarse classes have no part in whether a thing is known.
        judged = _cross_fit(asked, target, None, score)
        if judged is None:
            return {}
        kept = judged.verdicts != UNKNOWN
        hits[score] = [kept, *(found == UNKNOWN for found in judged.unknown.values())]
    return {score: compare_hits(own, hits[DEFAULT_SCORE]) for score, own in hits.items()}


def _choose(asked: _Asked, target: float, hierarchy: Hierarchy | None, score: str) -> Limits:
    """Chooses in the order in which verdicts are given: unknown, sure, coarse."""
    temperature = fit_temperature(asked.answers.probabilities, asked.truth)
    calibrated = calibrate(asked.answers.probabilities, temperature)
    scores = score_known(score, calibrated, asked.answers.known_scores)
    unknown = [
        score_known(score, calibrate(those.probabilities, temperature), those.known_scores)
        for those in asked.unknown.values()
        if len(those)
    ]
    min_score = _choose_min_score(scores, unknown, target)
    left = np.full(len(scores), True) if min_score is None else scores >= min_score
    best = calibrated.max(axis=1)
    right = calibrated.argmax(axis=1) == asked.truth
    sure = _choose_min(best[left], right[left], target)
    coarse = None
    if hierarchy is not None:
        left &= best < (math.inf if sure is None else sure)
        sums = sum_coarse(hierarchy, calibrated)[left]
        parents = np.array(hierarchy.parents)[asked.truth[left]]
        coarse = _choose_min(sums.max(axis=1), sums.argmax(axis=1) == parents, target)
    return Limits(temperature, score, min_score, sure, coarse)


def _choose_min(probabilities: Floats, right: Flags, target: float) -> float | None:
    """Returns the lowest probability from which on answers are right often enough, if any.

    With fewer answers than one wrong one would spoil, none is enough.
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered = np.append(probabilities[order], -1.0)
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # A threshold takes all photos of equal probability, so only the last of equals may be chosen.
    allowed = (precision >= target) & (ordered[:-1] != ordered[1:])
    allowed[: min(_least_answers(target) - 1, len(order))] = False
    if not allowed.any():
        return None
    last = int(np.flatnonzero(allowed)[-1])
    # Halfway to the next photo: rounding on another machine decides nothing.
    below = float(ordered[last + 1]) if last + 1 < len(order) else float(ordered[last])
    middle = (float(ordered[last]) + below) / 2
    return middle if middle > below else float(ordered[last])


def _choose_min_score(known: Floats, unknown: list[Floats], target: float) -> float | None:
    """Returns the highest score below which to say "not a known thing", if any.

    At least the target's share of known things must stay; and where enough unknown things are at
    hand, they must be that share of what is called unknown, on an equal mix.
    """
    steps = np.unique(np.concatenate([known, *unknown]))
    candidates = (steps[:-1] + steps[1:]) / 2
    lost = _share_below(known, candidates)
    allowed = 1 - lost >= target
    if sum(len(scores) for scores in unknown) >= _least_answers(target):
        rejected = np.mean([_share_below(scores, candidates) for scores in unknown], axis=0)
        allowed &= rejected >= target * (rejected + lost)
    return float(candidates[allowed][-1]) if allowed.any() else None


def _share_below(scores: Floats, candidates: Floats) -> Floats:
    below: Floats = np.searchsorted(np.sort(scores), candidates) / len(scores)
    return below


def _least_answers(target: float) -> int:
    """Returns how many answers must be given for one wrong one to leave the target's precision."""
    return math.ceil(1 / (1 - target) - 1e-9)


def _judge(asked: _Asked, limits: Limits, hierarchy: Hierarchy | None) -> _Judged:
    calibrated, verdicts = judge(asked.answers, limits, hierarchy)
    right = calibrated.argmax(axis=1) == asked.truth
    coarse_right = right
    if hierarchy is not None:
        parents = np.array(hierarchy.parents)[asked.truth]
        coarse_right = sum_coarse(hierarchy, calibrated).argmax(axis=1) == parents
    unknown = {
        kind: judge(those, limits, hierarchy)[1] if len(those) else np.empty(0, "<U7")
        for kind, those in asked.unknown.items()
    }
    return _Judged(verdicts, right, coarse_right, unknown)


def _cross_fit(
    asked: _Asked, target: float, hierarchy: Hierarchy | None, score: str
) -> _Judged | None:
    """Judges each photo by limits chosen on the other folds; None of too few photos."""
    if len(asked.truth) < _LEAST_PHOTOS:
        return None
    parts = []
    for fold in range(_FOLDS):
        limits = _choose(asked.take(fold, kept=False), target, hierarchy, score)
        parts.append(_judge(asked.take(fold, kept=True), limits, hierarchy))
    return _Judged(
        np.concatenate([part.verdicts for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.coarse_right for part in parts]),
        {kind: np.concatenate([part.unknown[kind] for part in parts]) for kind in asked.unknown},
    )


def _folds(count: int) -> Indices:
    """Returns the fold of each of some photos, by chance, the same every time."""
    shuffled = np.random.default_rng(_SEED).permutation(count)
    folds: Indices = shuffled % _FOLDS
    return folds


def _make_threshold(
    verdict: str, limit: float | None, target: float, judged: _Judged, others: _Judged | None
) -> Threshold:
    return Threshold(
        **vars(_measure(verdict, judged)),
        min_probability=limit,
        target_precision=target,
        cross_fitted=None if others is None else _measure(verdict, others),
    )


def _measure(verdict: str, judged: _Judged) -> Reached:
    given = judged.verdicts == verdict
    right = judged.coarse_right if verdict == COARSE else judged.right
    precision = Share.of(int(right[given].sum()), int(given.sum()))
    coverage = Share.of(int(given.sum()), len(given))
    return Reached(
        precision=precision.value,
        precision_interval_95=precision.interval_95,
        coverage=coverage.value or 0.0,
        coverage_interval_95=coverage.interval_95,
        photos=len(given),
    )


def _measure_rejection(judged: _Judged) -> Rejection:
    rejected = {kind: _count(found, UNKNOWN) for kind, found in judged.unknown.items()}
    lost = _count(judged.verdicts, UNKNOWN)
    precision, interval = _measure_mix(list(rejected.values()), lost)
    return Rejection(
        kept=Share.of(int((judged.verdicts != UNKNOWN).sum()), len(judged.verdicts)),
        rejected=rejected,
        named={kind: _count(found, SURE, COARSE) for kind, found in judged.unknown.items()},
        precision=precision,
        precision_interval_95=interval,
    )


def _count(verdicts: npt.NDArray[np.str_], *wanted: str) -> Share:
    return Share.of(int(np.isin(verdicts, wanted).sum()), len(verdicts))


def _measure_mix(rejected: list[Share], lost: Share) -> tuple[float | None, Interval]:
    """Returns the share of unknown things among those called so, on an equal mix."""
    if not rejected:
        return None, (0.0, 1.0)
    unknown = float(np.mean([share.value or 0.0 for share in rejected]))
    known = lost.value or 0.0
    if unknown + known == 0:
        return None, (0.0, 1.0)
    low, high = (float(np.mean([share.interval_95[end] for share in rejected])) for end in (0, 1))
    known_low, known_high = lost.interval_95
    return unknown / (unknown + known), (low / (low + known_high), high / (high + known_low))
