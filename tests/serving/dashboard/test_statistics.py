import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.dashboard.statistics import (
    LEAST_SCANS,
    compare,
    gather_rare,
    jensen_shannon,
    line_up,
    measure_dispersion,
)

COUNTS = st.lists(st.integers(0, 500), min_size=3, max_size=8)


@given(st.integers(2, 8), st.data())
@settings(max_examples=15, deadline=None)
def test_few_scans_never_alarm_however_different(bins: int, data: st.DataObject) -> None:
    few = st.lists(st.integers(0, (LEAST_SCANS - 1) // bins), min_size=bins, max_size=bins)
    many = st.lists(st.integers(0, 10_000), min_size=bins, max_size=bins)
    found = compare(data.draw(few), data.draw(many))
    assert not found.alarms
    assert compare([0] * (bins - 1) + [10], [1000] + [0] * (bins - 1)).alarms is False


@given(COUNTS)
@settings(max_examples=15, deadline=None)
def test_the_same_mix_is_no_drift(counts: list[int]) -> None:
    found = compare(counts, [7 * number for number in counts])
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert not found.alarms


@given(COUNTS, st.randoms())
@settings(max_examples=15)
def test_the_distance_is_one_both_ways_and_within_its_range(
    counts: list[int], random: object
) -> None:
    first = np.array(counts, float)
    second = np.array(random.sample(counts, len(counts)), float)  # type: ignore[attr-defined]
    there, back = jensen_shannon(first, second), jensen_shannon(second, first)
    assert there == pytest.approx(back, abs=1e-9)
    assert 0 <= there <= 1


def test_nothing_in_common_is_a_distance_of_one_and_an_alarm() -> None:
    found = compare([500, 0], [0, 500])
    assert found.distance == pytest.approx(1)
    assert found.alarms


def test_alarms_under_no_drift_are_rare_and_a_drift_is_found() -> None:
    rng = np.random.default_rng(7)
    usual = rng.dirichlet(np.full(20, 0.7))
    other = 0.8 * usual + 0.2 * np.eye(20)[3]
    quiet = [compare(rng.multinomial(640, usual), rng.multinomial(300, usual)) for _ in range(60)]
    loud = [compare(rng.multinomial(640, usual), rng.multinomial(300, other)) for _ in range(8)]
    # 999 of 1,000 stay below the limit: of 60 three would be a chance of one in 30,000.
    assert sum(found.is_beyond_chance for found in quiet) <= 2
    assert sum(found.alarms for found in quiet) <= 1
    assert all(found.alarms for found in loud)


def test_the_same_counts_give_the_same_figures() -> None:
    assert compare([30, 200, 5], [40, 100, 9]) == compare([30, 200, 5], [40, 100, 9])


def test_days_that_differ_make_scans_weigh_less() -> None:
    rng = np.random.default_rng(8)
    alike = rng.multinomial(300, [0.5, 0.3, 0.2], 14)
    assert measure_dispersion(alike) < 2
    bursts = alike * rng.integers(1, 4, (14, 3)) ** 2
    assert measure_dispersion(bursts) > 5
    first, second = bursts[:7].sum(axis=0), bursts[7:].sum(axis=0)
    assert compare(first, second, (50.0, 50.0)).limit > compare(first, second).limit
    assert measure_dispersion([]) == measure_dispersion([[1, 2]]) == 1


def test_rare_items_are_taken_as_one() -> None:
    before = {f"item {number:02}": number for number in range(60)}
    items = gather_rare(before, {"new": 1000})
    assert items[0] == "new"
    assert len(items) == 39
    lined = line_up(before, items)
    assert sum(lined) == sum(before.values())
    assert lined[0] == 0
