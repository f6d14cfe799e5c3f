"""Sides of progressive resolution."""

from hypothesis import given
from hypothesis import strategies as st

from training.learning.sides import largest_side, side_at
from training.recipe import TrainSettings

SIDES = st.integers(1, 12).map(lambda count: 32 * count)


def test_grows_evenly_and_finishes_at_full_size() -> None:
    train = TrainSettings(epochs=12, start_px=128, finish_epochs=4)
    sides = [side_at(train, 224, epoch) for epoch in range(12)]
    assert sides == [128, 128, 128, 160, 160, 160, 192, 192, 224, 224, 224, 224]


def test_without_settings_every_epoch_takes_the_input_size() -> None:
    assert {side_at(TrainSettings(), 160, epoch) for epoch in range(30)} == {160}


@given(epochs=st.integers(3, 40), start_px=SIDES, finish_px=SIDES, finish_epochs=st.integers(0, 3))
def test_sides_are_multiples_of_32_between_the_ends_and_the_last_is_the_full_one(
    epochs: int, start_px: int, finish_px: int, finish_epochs: int
) -> None:
    train = TrainSettings(
        epochs=epochs,
        warmup_epochs=0,
        start_px=start_px,
        finish_px=finish_px,
        finish_epochs=finish_epochs,
    )
    sides = [side_at(train, 224, epoch) for epoch in range(epochs)]
    assert all(side % 32 == 0 for side in sides)
    assert min(start_px, finish_px) <= min(sides)
    assert max(sides) == largest_side(train, 224) <= max(start_px, finish_px)
    assert set(sides[epochs - max(1, finish_epochs) :]) == {finish_px}
    assert sides in (sorted(sides), sorted(sides, reverse=True))
