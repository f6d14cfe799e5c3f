import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.diff.figures import Accuracy, Gain


def test_newcombes_example() -> None:
    # Newcombe 1998, table II, row (a): 56 of 70 against 48 of 80, method 10.
    old, new = Accuracy.of(48 / 80, 80), Accuracy.of(56 / 70, 70)
    gain = Gain.between(old, new)
    assert gain is not None
    assert gain.points == pytest.approx(0.2)
    assert gain.interval_95 == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert gain.sure


def test_what_was_not_measured_has_no_gain() -> None:
    known = Accuracy.of(0.5, 100)
    assert Accuracy.of(0.5, 0) is None
    assert Gain.between(None, known) is None and Gain.between(known, None) is None


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_interval_holds_the_gain_and_turns_with_the_sides(hits: int, others: int) -> None:
    one, other = Accuracy.of(hits / 50, 50), Accuracy.of(others / 50, 50)
    there, back = Gain.between(one, other), Gain.between(other, one)
    assert there is not None and back is not None
    low, high = there.interval_95
    assert -1 <= low <= there.points <= high <= 1
    assert back.interval_95 == pytest.approx((-high, -low))
    assert (hits != others) or not there.sure
