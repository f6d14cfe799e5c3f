import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conversion.golden import choose, file_name
from training.labels import LabelSet


def spread(confidence, predicted, classes):
    rows = np.full((len(confidence), classes), 0.0, np.float32)
    rows[np.arange(len(confidence)), predicted] = confidence
    return rows


def test_a_clear_photo_of_every_class_is_chosen_and_the_smallest_of_equals():
    truth = np.array([0, 0, 0, 1, 1, 1])
    reference = spread([0.95, 0.94, 0.5, 0.9, 0.3, 0.9], truth, 2)
    assert choose(reference, truth, np.array([300, 200, 1, 50, 1, 70]), count=2) == [1, 3]


def test_a_photo_that_the_reference_gets_wrong_is_taken_last():
    truth = np.array([0, 1, 1])
    reference = spread([0.9, 0.99, 0.4], [0, 0, 1], 2)
    assert choose(reference, truth, np.array([1, 1, 1]), count=2) == [0, 2]
    assert choose(reference, truth, np.array([1, 1, 1]), count=5) == [0, 1, 2]


def test_more_classes_than_wanted_are_taken_at_even_distances():
    truth = np.arange(80)
    reference = spread([0.9] * 80, truth, 80)
    chosen = choose(reference, truth, np.ones(80, np.int64), count=5)
    assert chosen == [0, 20, 40, 59, 79]


@given(st.data(), st.integers(1, 30), st.integers(2, 5), st.integers(1, 10))
def test_any_photos_give_as_many_different_ones_as_there_can_be(data, photos, classes, count):
    numbers = st.integers(0, classes - 1)
    truth = np.array(data.draw(st.lists(numbers, min_size=photos, max_size=photos)))
    predicted = data.draw(st.lists(numbers, min_size=photos, max_size=photos))
    chosen = choose(spread([0.6] * photos, predicted, classes), truth, np.arange(photos), count)
    assert len(chosen) == len(set(chosen)) == min(count, photos)
    assert chosen == sorted(chosen)


@pytest.mark.parametrize(
    ("label", "kind", "expected"),
    [
        ("Red apple", "JPEG", "03-red-apple.jpg"),
        ("Żółty/ser", "PNG", "03-zoty-ser.png"),
        ("苹果", "WEBP", "03-class-0.webp"),
        ("../../etc", "BMP", "03-etc.bmp"),
    ],
)
def test_names_are_plain_and_tell_the_true_format(label, kind, expected):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind)
    assert file_name(3, 0, LabelSet((label, "other")), buffer.getvalue()) == expected
