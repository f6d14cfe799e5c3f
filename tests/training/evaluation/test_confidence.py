"""Thresholds keep what they promise on photos that they were not chosen on."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.answers import Answers
from training.errors import ConfidenceError
from training.evaluation.confidence import (
    COARSE,
    SURE,
    UNKNOWN,
    UNSURE,
    VERDICTS,
    Confidence,
    calibrate,
    compare_scores,
    decide,
    fit_confidence,
    judge,
)
from training.evaluation.decisions import SCORES
from training.hierarchy import Hierarchy
from training.labels import LabelSet

CLASSES = 12
# Four labels below each of three coarse classes.
HIERARCHY = Hierarchy(LabelSet(("apple", "milk", "juice")), tuple(np.arange(CLASSES) // 4))


def draw(photos: int, seed: int, clear: float = 2.0) -> tuple[Answers, np.ndarray]:
    """Answers that are calibrated by construction, siblings being hard to tell apart."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, photos)
    logits = rng.normal(0, 1, (photos, CLASSES)) * clear
    for row, parent in enumerate(coarse):
        logits[row, 4 * parent : 4 * parent + 4] += 3
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(CLASSES, p=row) for row in probabilities])
    scores = rng.normal(-1, 0.5, photos)
    return Answers(probabilities.astype(np.float32), scores.astype(np.float32)), truth


def draw_unknown(photos: int, seed: int) -> Answers:
    """Answers that are spread over many classes, with known scores that are lower on the whole."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(CLASSES, 3.0), photos).astype(np.float32)
    return Answers(rows, rng.normal(-3, 0.7, photos).astype(np.float32))


def answer(rows: np.ndarray, known_score: float = 0.0) -> Answers:
    """Answers whose known scores are all the same: shape [classes] or [N, classes]."""
    rows = np.atleast_2d(rows).astype(np.float32)
    return Answers(rows, np.full(len(rows), known_score, np.float32))


@pytest.mark.parametrize("score", sorted(SCORES))
def test_thresholds_reach_the_target_on_photos_that_chose_nothing(score):
    answers, truth = draw(3000, 1)
    unknown = {"clutter": draw_unknown(500, 2)}
    confidence = fit_confidence(answers, truth, 0.9, HIERARCHY, unknown, score)
    assert confidence.sure.precision >= 0.9
    assert confidence.coarse.precision >= 0.9
    assert confidence.known.kept.value >= 0.9
    assert confidence.known.precision >= 0.9

    other, other_truth = draw(3000, 3)
    calibrated, verdicts = judge(other, confidence.limits, HIERARCHY)
    right = calibrated.argmax(axis=1) == other_truth
    assert right[verdicts == SURE].mean() == pytest.approx(0.9, abs=0.02)
    parents = np.array(HIERARCHY.parents)
    coarse_right = parents[calibrated.argmax(axis=1)] == parents[other_truth]
    assert coarse_right[verdicts == COARSE].mean() >= 0.85
    assert (verdicts == UNSURE).any()
    assert (verdicts != UNKNOWN).mean() >= 0.88
    rejected = judge(draw_unknown(500, 4), confidence.limits, HIERARCHY)[1] == UNKNOWN
    assert rejected.mean() == pytest.approx(confidence.known.rejected["clutter"].value, abs=0.08)


def test_cross_fitted_figures_do_not_promise_too_much():
    # What is chosen on few photos promises more than it keeps on others.
    promised, cross_fitted, kept = [], [], []
    for seed in range(30):
        answers, truth = draw(200, 100 + seed)
        sure = (confidence := fit_confidence(answers, truth, 0.9)).sure
        if sure.min_probability is None or sure.cross_fitted.precision is None:
            continue
        other, other_truth = draw(1000, 500 + seed)
        calibrated, verdicts = judge(other, confidence.limits, None)
        right = calibrated.argmax(axis=1) == other_truth
        promised.append(sure.precision)
        cross_fitted.append(sure.cross_fitted.precision)
        kept.append(right[verdicts == SURE].mean())
    assert len(kept) > 20 and np.mean(promised) >= 0.9
    assert np.mean(kept) < np.mean(promised) - 0.01
    assert np.mean(cross_fitted) == pytest.approx(np.mean(kept), abs=0.04)
    assert np.mean(cross_fitted) < np.mean(promised) - 0.01


def test_shares_of_verdicts_are_counted_over_all_photos():
    answers, truth = draw(500, 5)
    confidence = fit_confidence(answers, truth, 0.9, HIERARCHY)
    verdicts = judge(answers, confidence.limits, HIERARCHY)[1]
    assert confidence.sure.coverage == (verdicts == SURE).mean()
    assert confidence.coarse.coverage == (verdicts == COARSE).mean()
    assert confidence.known.kept.value == (verdicts != UNKNOWN).mean()
    assert confidence.sure.photos == confidence.coarse.photos == 500


def test_nothing_is_sure_of_an_answer_drawn_by_chance():
    rng = np.random.default_rng(0)
    answers = answer(rng.dirichlet(np.ones(CLASSES), 400))
    confidence = fit_confidence(answers, rng.integers(0, CLASSES, 400), 0.95, HIERARCHY)
    assert confidence.sure.min_probability is None
    assert confidence.sure.precision is None and confidence.sure.coverage == 0
    assert confidence.coarse.min_probability is None
    assert set(judge(answers, confidence.limits, HIERARCHY)[1]) <= {UNSURE, UNKNOWN}


def test_a_handful_of_right_answers_is_not_enough_to_be_sure_with():
    probabilities = np.full((19, 3), 0.1)
    probabilities[:, 0] = 0.8
    truth = np.zeros(19, np.int64)
    assert fit_confidence(answer(probabilities), truth, 0.95).sure.min_probability is None
    twenty = np.vstack([probabilities, probabilities[:1]])
    assert fit_confidence(answer(twenty), np.zeros(20, np.int64), 0.95).sure.coverage == 1


def test_unknown_things_that_look_like_known_ones_are_not_called_unknown():
    # The rule must not reject known things to catch what cannot be caught.
    answers, truth = draw(1000, 7)
    confidence = fit_confidence(answers, truth, 0.95, None, {"look-alike": draw(500, 8)[0]})
    known = confidence.known
    assert known.min_score is None or known.kept.value > 0.99


def test_few_unknown_photos_choose_nothing_but_are_counted():
    answers, truth = draw(500, 9)
    without = fit_confidence(answers, truth, 0.95)
    few = fit_confidence(answers, truth, 0.95, None, {"clutter": draw_unknown(5, 1)})
    assert few.known.min_score == without.known.min_score
    assert few.known.rejected["clutter"].photos == 5
    assert without.known.precision is None


@given(st.integers(0, 10_000), st.sampled_from(sorted(SCORES)), st.booleans())
@settings(deadline=None, max_examples=30)
def test_json_round_trip(seed, score, nested):
    answers, truth = draw(40, seed)
    unknown = {"clutter": draw_unknown(20, seed)}
    confidence = fit_confidence(answers, truth, 0.8, HIERARCHY if nested else None, unknown, score)
    assert Confidence.from_json(json.loads(json.dumps(confidence.to_json()))) == confidence


@given(st.integers(0, 10_000), st.floats(0, 0.99))
@settings(deadline=None, max_examples=60)
def test_a_clearer_answer_never_has_a_lower_verdict(seed, towards):
    confidence = _FITTED
    row = np.random.default_rng(seed).dirichlet(np.full(CLASSES, 0.5))
    clearer = (1 - towards) * row
    clearer[row.argmax()] += towards
    rank = {UNKNOWN: 0, UNSURE: 1, COARSE: 2, SURE: 3}
    # Without coarse classes: the sum of siblings may lead elsewhere than the best label.
    first, second = (decide(answer(given), confidence, None) for given in (row, clearer))
    assert rank[second.verdict] >= rank[first.verdict]
    assert second.index == first.index and second.probability >= first.probability - 1e-6


_FITTED = fit_confidence(*draw(1000, 11), 0.9, HIERARCHY, {"clutter": draw_unknown(300, 12)})


def test_decisions_name_label_and_coarse_class():
    sure = np.full(CLASSES, 0.001)
    sure[5] = 1 - 0.011
    split = np.full(CLASSES, 0.001)
    split[4:8] = 0.248
    decision = decide(answer(sure), _FITTED, HIERARCHY)
    assert (decision.verdict, decision.index, decision.coarse_index) == (SURE, 5, 1)
    assert decision.probabilities.sum() == pytest.approx(1)
    decision = decide(answer(split), _FITTED, HIERARCHY)
    assert decision.coarse_index == 1
    assert decision.coarse_probability > 0.9 > decision.probability
    assert decide(answer(split), _FITTED, None).coarse_index is None


def test_one_photo_is_judged_as_among_many():
    answers, _ = draw(200, 13)
    calibrated, verdicts = judge(answers, _FITTED.limits, HIERARCHY)
    for place, (expected, verdict) in enumerate(zip(calibrated, verdicts, strict=True)):
        decision = decide(answers[place : place + 1], _FITTED, HIERARCHY)
        assert decision.verdict == verdict
        np.testing.assert_allclose(decision.probabilities, expected, rtol=1e-12)
    assert set(verdicts) == set(VERDICTS)


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (np.empty((0, 3)), np.empty(0, np.int64), "at least one photo"),
        (np.array([[0.5, np.nan]]), np.zeros(1, np.int64), "no probability"),
        (np.array([[0.5, -0.5]]), np.zeros(1, np.int64), "no probability"),
        (np.array([[0.0, 0.0]]), np.zeros(1, np.int64), "0 for every class"),
        (np.array([[0.5, 0.5]]), np.array([2]), "outside of 0 to 1"),
        (np.array([[0.5, 0.5]]), np.array([-1]), "outside of 0 to 1"),
    ],
)
def test_what_are_no_answers_is_refused(probabilities, truth, message):
    with pytest.raises(ConfidenceError, match=message):
        fit_confidence(answer(probabilities) if len(truth) else draw(0, 0)[0], truth, 0.95)


def test_a_known_score_that_is_no_number_is_refused():
    answers = answer(np.eye(CLASSES), np.nan)
    with pytest.raises(ConfidenceError, match="known score"):
        fit_confidence(answers, np.arange(CLASSES), 0.95)
    with pytest.raises(ConfidenceError, match="known score"):
        decide(answers[:1], _FITTED, HIERARCHY)


def test_one_photo_at_a_time_is_decided():
    with pytest.raises(ConfidenceError, match="answers on 2 photos"):
        decide(answer(np.eye(2)), _FITTED, None)


def test_a_low_known_score_vetoes_a_sure_answer():
    unknown = {"clutter": draw_unknown(300, 12)}
    fitted = fit_confidence(*draw(1000, 11), 0.9, HIERARCHY, unknown, "known_score")
    sure = np.full(CLASSES, 0.001)
    sure[5] = 1 - 0.011
    assert decide(answer(sure, fitted.known.min_score - 0.1), fitted, None).verdict == UNKNOWN
    assert decide(answer(sure, fitted.known.min_score + 0.1), fitted, None).verdict == SURE


def spread_scores(answers: Answers, seed: int) -> Answers:
    """The same probabilities with known scores that say nothing."""
    scores = np.random.default_rng(seed).normal(-1, 0.5, len(answers))
    return Answers(answers.probabilities, scores.astype(np.float32))


def test_the_score_that_is_shown_to_be_better_is_chosen():
    known, truth = draw(400, 21)
    clutter = spread_scores(draw_unknown(200, 22), 23)
    assert fit_confidence(known, truth, 0.9, None, {"clutter": clutter}).known.score == "gen"
    # Unknown things that are answered like known ones, but do not look like them.
    boasting = Answers(draw(200, 24)[0].probabilities, draw_unknown(200, 25).known_scores)
    found = fit_confidence(known, truth, 0.9, None, {"clutter": boasting}).known
    assert found.score == "known_score"
    assert found.cross_fitted.rejected["clutter"].value > 0.5


def test_without_proof_the_known_score_is_taken():
    known, truth = draw(400, 21)
    known = spread_scores(known, 26)
    for unknown in (
        {},
        {"clutter": draw_unknown(5, 27)},  # GEN would do better, but five photos tell nothing
        {"look-alike": spread_scores(draw(200, 28)[0], 29)},  # which no score tells apart
    ):
        assert fit_confidence(known, truth, 0.9, None, unknown).known.score == "known_score"


def test_scores_are_compared_on_photos_that_their_thresholds_did_not_see():
    known, truth = draw(400, 21)
    unknown = {"clutter": draw_unknown(200, 22)}
    compared = compare_scores(known, truth, 0.9, unknown)
    assert set(compared) == set(SCORES)
    assert compared["known_score"].gain == 0
    for score, found in compared.items():
        others = fit_confidence(known, truth, 0.9, None, unknown, score).known.cross_fitted
        assert found.kept == others.kept.value
        assert found.rejected == others.rejected["clutter"].value
    assert compare_scores(known, truth, 0.9, {}) == {}
    assert compare_scores(known[:5], truth[:5], 0.9, unknown) == {}


@pytest.mark.parametrize("score", ["max_probability", "gen"])
def test_other_scores_do_not_look_at_the_known_score(score):
    answers, truth = draw(500, 31)
    blind = Answers(answers.probabilities, np.zeros(500, np.float32))
    unknown = draw_unknown(200, 32)
    blind_unknown = Answers(unknown.probabilities, np.zeros(200, np.float32))
    seeing, other = (
        fit_confidence(known, truth, 0.9, None, {"clutter": those}, score)
        for known, those in ((answers, unknown), (blind, blind_unknown))
    )
    assert seeing == other


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, float("nan")])
def test_a_target_out_of_range_is_refused(target):
    with pytest.raises(ConfidenceError, match="target_precision"):
        fit_confidence(*draw(20, 0), target)


def test_a_score_that_is_none_is_refused():
    with pytest.raises(ConfidenceError, match="allowed are known_score, max_probability, gen"):
        fit_confidence(*draw(20, 0), 0.9, score="energy")


def _with(value: dict, path: str, replacement: object) -> dict:
    copy = json.loads(json.dumps(value))
    *parents, last = path.split(".")
    table = copy
    for name in parents:
        table = table[name]
    table[last] = replacement
    return copy


@pytest.mark.parametrize(
    ("path", "replacement", "message"),
    [
        ("temperature", 0, "temperature"),
        ("temperature", "1", "must be a number"),
        ("temperature", True, "must be a number"),
        ("sure.min_probability", 1.5, "min_probability"),
        ("sure.precision", 0.1, "outside of its interval"),
        ("sure.precision_interval_95", [0.5], "two numbers"),
        ("sure.photos", -1, "whole numbers"),
        ("sure.surprise", 1, "exactly"),
        ("known.score", "energy", "allowed are"),
        ("known.min_score", float("nan"), "must be a number"),
        ("known.rejected", [], "no object"),
        ("known.kept.value", 2, "allowed are 0"),
        ("coarse", 3, "must be an object"),
    ],
)
def test_json_out_of_range_is_refused(path, replacement, message):
    with pytest.raises(ConfidenceError, match=message):
        Confidence.from_json(_with(_FITTED.to_json(), path, replacement))


def test_calibration_is_part_of_the_decision():
    rng = np.random.default_rng(0)
    answers, truth = draw(3000, 21)
    probabilities = answers.probabilities
    boastful = answer(calibrate(probabilities, 0.4))
    confidence = fit_confidence(boastful, truth, 0.9)
    assert confidence.temperature == pytest.approx(2.5, rel=0.1)
    photo = int(rng.integers(len(truth)))
    decision = decide(boastful[photo : photo + 1], confidence, None)
    assert decision.probability == pytest.approx(float(probabilities[photo].max()), abs=0.05)
