"""The gate's intervals, and how often it passes an artifact that is just not good enough."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.errors import ParityError
from conversion.parity.gate import (
    Gate,
    bootstrap_loss,
    find_nearest,
    margins,
    smoothed_loss,
    union,
)

GATE = Gate()


def to_probabilities(margin: np.ndarray) -> np.ndarray:
    """Two classes, the first of which leads by a margin in logs: all that the gate looks at."""
    first = 1 / (1 + np.exp(-margin))
    return np.stack([first, 1 - first], axis=1).astype(np.float32)


def judge(margin: np.ndarray, change: np.ndarray) -> tuple[float, float]:
    """Returns the gate's interval for photos of these margins and changes."""
    truth = np.zeros(len(margin), np.int64)
    before, after = margin > 0, margin + change > 0
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    smoothed = smoothed_loss(to_probabilities(margin), to_probabilities(margin + change), truth)
    return union(bootstrap_loss(lost, won, len(margin), GATE), smoothed)


# Margins of models with about 52, 80 and 95 % top-1, and changes that int8 and faults make:
# noise that grows with the margin, a shift against the truth, heavy tails, one bad class in 20.
TOP1 = {"52%": (0.15, 3.0), "80%": (3.0, 3.5), "95%": (6.0, 3.6)}
CHANGES = {
    "noise": lambda random, m, scale: (
        random.normal(0, 1, len(m)) * scale * (0.5 + 0.15 * np.abs(m))
    ),
    "shift": lambda random, m, scale: scale * random.normal(-0.6, 0.6, len(m)),
    "tails": lambda random, m, scale: (
        random.standard_t(3, len(m)) * scale * (0.5 + 0.15 * np.abs(m))
    ),
    "class": lambda random, m, scale: (
        np.where(random.random(len(m)) < 0.05, -6 * scale, 0) + random.normal(0, 0.1, len(m))
    ),
}


def draw(random, top1: str, change: str, scale: float, photos: int):
    margin = random.normal(*TOP1[top1], photos)
    return margin, CHANGES[change](random, margin, scale)


def find_scale(top1: str, change: str, loss: float) -> float:
    """Finds by halving which strength of a change costs this much accuracy in the long run."""
    low, high = 0.0, 20.0
    for _ in range(18):
        middle = (low + high) / 2
        margin, moved = draw(np.random.default_rng(1), top1, change, middle, 400_000)
        true_loss = (margin > 0).mean() - (margin + moved > 0).mean()
        low, high = (middle, high) if true_loss < loss else (low, middle)
    return high


def count_passes(top1: str, change: str, loss: float, photos: int, trials: int, bar: float):
    random = np.random.default_rng(7)
    scale = find_scale(top1, change, loss)
    return sum(judge(*draw(random, top1, change, scale, photos))[1] < bar for _ in range(trials))


@pytest.mark.parametrize("photos", [300, 1000])
@pytest.mark.parametrize("bar", [0.005, 0.015])
@pytest.mark.parametrize(
    ("top1", "change"),
    [(t, c) for t in TOP1 for c in CHANGES if t != "52%" or c in ("shift", "class")],
)
def test_an_artifact_that_loses_just_the_margin_rarely_passes(top1, change, bar, photos):
    trials = 80
    passes = count_passes(top1, change, bar, photos, trials, bar)
    # Wanted are 2.5 %. One of 95 % right with a bad class shows among 300 photos by 1.5 lost ones:
    # that passes in 6 %, see docs/adr/0005. 7 of 80 is above 2.5 % with 99.3 %, 12 above 6 %.
    allowed = 12 if (change, bar, photos) == ("class", 0.005, 300) else 7
    assert passes < allowed, f"{passes} of {trials}"


def test_an_artifact_that_loses_nothing_passes():
    random = np.random.default_rng(0)
    margin = random.normal(3, 3.5, 300)
    for noise, bar in ((1e-6, 0.005), (0.02, 0.005), (0.2, 0.015)):
        low, high = judge(margin, random.normal(0, noise, 300))
        assert low <= 0 <= high < bar, noise


def test_few_photos_without_a_flip_do_not_hide_a_shift():
    # Nobody flipped, so resampling photos sees no loss at all; the margins moved, though.
    margin = np.concatenate([np.linspace(0.45, 8, 96), np.linspace(-4, -0.1, 24)])
    change = np.full(120, -0.4)
    assert bootstrap_loss(0, 0, 120, GATE).high == 0
    assert judge(margin, change)[1] > 0.015


def test_a_gain_is_no_loss():
    margin = np.random.default_rng(0).normal(1, 3, 400)
    low, high = judge(margin, np.full(400, 0.5))
    assert low < high < 0.005


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 120), st.floats(0, 5))
def test_the_smoothed_interval_holds_its_value_and_mirrors_with_the_margins(seed, photos, scale):
    random = np.random.default_rng(seed)
    margin, change = random.normal(1, 2, photos), random.normal(0, scale, photos)
    truth = np.zeros(photos, np.int64)
    reference, own = to_probabilities(margin), to_probabilities(margin + change)
    there = smoothed_loss(reference, own, truth)
    assert -1 <= there.low <= there.value <= there.high <= 1
    # Exchanging the two classes exchanges right and wrong: every loss becomes a gain.
    back = smoothed_loss(reference, own, truth + 1)
    assert back.value == pytest.approx(-there.value, abs=1e-6)
    assert back.high == pytest.approx(-there.low, abs=1e-6)


def test_margins_are_logs_and_survive_zeros_and_ties():
    rows = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0], [1.0, 0.0, 0.0]], np.float32)
    found = margins(rows, np.array([0, 2, 0]))
    assert found[0] == pytest.approx(np.log(2))
    assert found[1] == pytest.approx(np.log(1e-7 / 0.8))
    assert found[2] == pytest.approx(np.log(1e7))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60),
    st.integers(1, 40),
)
def test_the_nearest_are_found_as_by_comparing_all(values, count):
    numbers = np.array(values)
    found = find_nearest(numbers, count)
    assert found.shape == (len(values), min(count, len(values)))
    for index, row in enumerate(found):
        distance = np.abs(numbers - numbers[index])
        expected = np.lexsort((np.arange(len(values)), distance))[:count]
        assert sorted(distance[row]) == sorted(distance[expected])
        assert len(set(row)) == len(row)


@pytest.mark.parametrize(
    "changes",
    [
        {"margin_float": 0.0},
        {"margin_int8": 1.0},
        {"margin_int8": float("nan")},
        {"min_accuracy_share": 1.1},
        {"min_photos": 0},
        {"resamples": 100},
    ],
)
def test_settings_that_would_judge_nothing_are_refused(changes):
    with pytest.raises(ParityError, match="allowed"):
        Gate(**changes)


def test_each_precision_has_its_margin():
    gate = Gate(margin_float=0.01, margin_int8=0.02)
    assert [gate.margin(name) for name in ("fp32", "fp16")] == [0.01, 0.01]
    for name in ("int8", "dynamic-int8", "int8-weights", "palette8", "palette6"):
        assert gate.margin(name) == 0.02
