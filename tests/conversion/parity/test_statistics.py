import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.errors import ArtifactError, ParityError
from conversion.parity.gate import Gate, bootstrap_loss
from conversion.parity.statistics import (
    BINS,
    MAX_FLIPS,
    CrossCheck,
    Photos,
    Statistics,
    calibrate,
    compare,
    diverge,
    mcnemar,
)
from training.answers import Answers

GATE = Gate()


def photos_of(truth, classes: int) -> Photos:
    truth = np.asarray(truth, np.int64)
    names = tuple(f"{index}.jpg" for index in range(len(truth)))
    return Photos(names, truth, tuple(f"class {index}" for index in range(classes)))


def unscored(rows: np.ndarray) -> Answers:
    return Answers(rows, np.zeros(len(rows), np.float32))


def softmax(logits) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def draw_case(seed: int, count: int, classes: int = 4, noise: float = 0.5):
    """A model that is right on about 80 %, and an artifact with noisy logits."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, count)
    logits = random.normal(0, 1.5, (count, classes))
    logits[np.arange(count), truth] += 3
    own = softmax(logits + random.normal(0, noise, logits.shape))
    scores = random.normal(-1, 0.3, count).astype(np.float32)
    moved = scores + random.normal(0, 0.1 * noise, count).astype(np.float32)
    return photos_of(truth, classes), Answers(softmax(logits), scores), Answers(own, moved)


cases = st.builds(
    draw_case,
    st.integers(0, 2**32),
    st.integers(1, 150),
    st.integers(2, 6),
    st.floats(0, 4),
)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_intervals_hold_their_estimates_and_figures_agree_with_each_other(case):
    photos, reference, own = case
    found = compare("a", photos, reference, own, GATE)
    for estimate in (found.loss, found.smoothed_loss, found.agreement):
        assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    low, high = found.gate_interval
    assert low <= found.loss.low and found.smoothed_loss.high <= high
    assert found.loss.value == pytest.approx(found.reference_top1 - found.artifact_top1)
    assert found.loss.value == (found.lost - found.won) / found.photos
    changed = found.lost + found.won + found.other
    assert found.agreement.value <= 1 - (found.lost + found.won) / found.photos + 1e-12
    assert sum(entry.lost + entry.won + entry.other for entry in found.class_flips) == changed
    assert len(found.flips) == min(changed, MAX_FLIPS)
    assert 0 <= found.mean_divergence <= found.max_divergence
    assert found.mean_probability_difference <= found.max_probability_difference


@settings(max_examples=60, deadline=None)
@given(cases)
def test_swapping_the_two_models_turns_the_loss_into_a_gain(case):
    photos, reference, own = case
    there = compare("a", photos, reference, own, GATE)
    back = compare("a", photos, own, reference, GATE)
    assert (there.lost, there.won, there.other) == (back.won, back.lost, back.other)
    assert there.mcnemar_p == back.mcnemar_p
    assert there.agreement == back.agreement
    assert there.max_probability_difference == back.max_probability_difference
    assert there.reference_calibration == back.artifact_calibration
    # The draws are not mirrored, so an end may lie a few photos elsewhere.
    close = 1e-9 + 3 / there.photos * max(1.0, math.sqrt(there.lost + there.won) / 10)
    assert there.loss.low == pytest.approx(-back.loss.high, abs=close)


@settings(max_examples=40, deadline=None)
@given(cases)
def test_statistics_read_back_from_json_as_they_were(case):
    found = compare("a", *case, GATE)
    check = CrossCheck("TensorFlow interpreter", 64, 1.0, 1e-7, 0.98, 1e-3)
    for value in (found, replace(found, cross_check=check)):
        assert Statistics.from_json(json.loads(json.dumps(value.to_json()))) == value


@pytest.mark.parametrize("key", ["loss", "flips", "photos", "cross_check", "reference_calibration"])
def test_statistics_without_one_of_their_parts_are_refused(key):
    value = compare("a", *draw_case(0, 20), GATE).to_json()
    del value[key]
    with pytest.raises(ArtifactError, match="not statistics"):
        Statistics.from_json(value)


@settings(max_examples=60, deadline=None)
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(case, random):
    photos, reference, own = case
    order = list(range(len(photos.names)))
    random.shuffle(order)
    shuffled = Photos(
        tuple(photos.names[index] for index in order), photos.truth[order], photos.labels
    )
    one = compare("a", photos, reference, own, GATE)
    two = compare("a", shuffled, reference[order], own[order], GATE)
    assert one.loss == two.loss
    assert one.class_flips == two.class_flips
    assert {flip.photo for flip in one.flips} == {flip.photo for flip in two.flips}
    # Equally near photos are taken by index, which moves the smoothed figure a little.
    assert one.smoothed_loss.value == pytest.approx(two.smoothed_loss.value, abs=0.02)


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # 2 * (1/2)
        (5, 0, 2 / 32),
        (6, 1, 2 * (1 + 7) / 128),
        (1, 6, 2 * (1 + 7) / 128),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
        (4, 4, 1.0),  # twice the half with the middle is more than 1
    ],
)
def test_mcnemar_against_values_by_hand(lost, won, expected):
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-12)


def test_mcnemar_of_thousands_of_flips_is_finite_and_near_its_normal_approximation():
    lost, won = 2600, 2400
    z = (abs(lost - won) - 1) / math.sqrt(lost + won)
    assert mcnemar(lost, won) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.01)
    assert 0 <= mcnemar(20_000, 0) < 1e-300


def test_the_bootstrap_meets_the_normal_approximation_for_many_photos():
    photos, lost, won = 20_000, 900, 600
    found = bootstrap_loss(lost, won, photos, GATE)
    value = (lost - won) / photos
    deviation = math.sqrt(((lost + won) / photos - value**2) / photos)
    assert found.value == value
    assert found.low == pytest.approx(value - 1.96 * deviation, abs=0.06 * deviation)
    assert found.high == pytest.approx(value + 1.96 * deviation, abs=0.06 * deviation)


def test_the_bootstrap_is_the_same_for_the_same_seed_only():
    wide = [bootstrap_loss(40, 30, 999, Gate(seed=seed)) for seed in (0, 0, 1)]
    assert wide[0] == wide[1]
    assert wide[0].low == pytest.approx(wide[2].low, abs=0.003)


def test_calibration_error_of_an_example_by_hand():
    # Bins are 1/15 wide: 0.62 lies in the tenth, 0.95 in the fifteenth.
    probabilities = np.array([[0.62, 0.38], [0.38, 0.62], [0.95, 0.05], [0.95, 0.05]], np.float32)
    found = calibrate(probabilities, np.array([0, 0, 0, 1]))
    assert [entry.photos for entry in found.bins] == [0] * 9 + [2] + [0] * 4 + [2]
    assert found.bins[9].accuracy == 0.5
    assert found.bins[9].confidence == pytest.approx(0.62)
    assert found.error == pytest.approx((2 * abs(0.62 - 0.5) + 2 * abs(0.95 - 0.5)) / 4, abs=1e-6)


def test_a_bin_holds_its_upper_end_as_in_the_paper():
    for place in range(7, BINS):
        end = np.float32((place + 1) / BINS)
        bins = calibrate(np.array([[end, 1 - end]], np.float32), np.array([0])).bins
        # The nearest float32 may lie a hair above the end.
        assert place <= next(i for i, entry in enumerate(bins) if entry.photos) <= place + 1
    assert calibrate(np.array([[1.0, 0.0]], np.float32), np.array([0])).bins[14].photos == 1


def test_a_model_that_knows_how_sure_it_is_has_a_small_calibration_error():
    random = np.random.default_rng(3)
    confidence = random.uniform(0.5, 1, 50_000)
    probabilities = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    truth = (random.uniform(size=50_000) > confidence).astype(np.int64)
    assert calibrate(probabilities, truth).error < 0.01
    assert calibrate(probabilities, np.zeros_like(truth)).error > 0.2


def test_divergence_against_a_value_by_hand_and_with_zeros():
    half = np.array([[0.5, 0.5]], np.float32)
    skewed = np.array([[0.25, 0.75]], np.float32)
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert diverge(half, skewed)[0] == pytest.approx(expected, rel=1e-6)
    assert diverge(half, half)[0] == 0
    zero = diverge(half, np.array([[0.0, 1.0]], np.float32))[0]
    assert 0.5 < zero < 20, "a probability of zero has no logarithm"


def test_flips_are_named_with_both_answers_the_lost_ones_first():
    sure, other = [0.9, 0.06, 0.04], [0.1, 0.7, 0.2]
    reference = np.array([sure, other, other, [0.2, 0.3, 0.5], sure], np.float32)
    own = np.array([sure, sure, [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], other], np.float32)
    found = compare("a", photos_of([0, 0, 0, 0, 0], 3), unscored(reference), unscored(own), GATE)
    assert (found.lost, found.won, found.other) == (1, 1, 2)
    assert [(flip.kind, flip.photo) for flip in found.flips] == [
        ("lost", "4.jpg"),
        ("won", "1.jpg"),
        ("other", "2.jpg"),
        ("other", "3.jpg"),
    ]
    first = found.flips[0]
    assert (first.truth, first.reference, first.artifact) == ("class 0", "class 0", "class 1")
    assert first.reference_probability == pytest.approx(0.9)
    assert first.artifact_probability == pytest.approx(0.7)
    [entry] = found.class_flips
    assert (entry.label, entry.photos, entry.lost, entry.won, entry.other) == (
        "class 0",
        5,
        1,
        1,
        2,
    )


def test_known_scores_are_compared_at_the_artifacts_own_threshold():
    rows = np.full((4, 2), 0.5, np.float32)
    reference = Answers(rows, np.array([-0.5, -0.9, -1.1, -2.0], np.float32))
    own = Answers(rows, np.array([-0.5, -1.2, -1.1, -1.75], np.float32))
    found = compare("a", photos_of([0] * 4, 2), reference, own, GATE, -1.0)
    assert found.max_known_score_difference == pytest.approx(0.3)
    assert found.same_known == 0.75
    assert compare("a", photos_of([0] * 4, 2), reference, own, GATE).same_known == 1


@pytest.mark.parametrize(
    ("count", "rows", "classes"), [(3, 2, 2), (0, 0, 2), (3, 3, 3)], ids=["few", "none", "classes"]
)
def test_probabilities_of_other_photos_or_classes_are_refused(count, rows, classes):
    reference = np.full((rows, 2), 0.5, np.float32)
    own = np.full((rows, classes), 0.5, np.float32)
    with pytest.raises(ParityError, match="of the same photos and classes"):
        compare("a", photos_of([0] * count, 2), unscored(reference), unscored(own), GATE)


def test_a_cross_check_says_what_differs():
    check = CrossCheck("TensorFlow interpreter", 64, 1.0, 1e-7, 0.98, 1e-3)
    assert check.faults() == []
    assert "same answer on 50.00% of 64" in replace(check, agreement=0.5).faults()[0]
    assert "differs by 0.5" in replace(check, max_probability_difference=0.5).faults()[0]
    assert "cannot run it: cut" in replace(check, failure="cut").faults()[0]
