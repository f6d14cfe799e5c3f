"""Coarse classes above the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet

FRUIT = Hierarchy.from_names(["pear", "apple", "apple", "melon"])
LABELS = LabelSet(("Anjou", "Gala", "Fuji", "Galia"))


def test_coarse_classes_are_sorted_and_each_label_finds_its_own() -> None:
    assert FRUIT.coarse.names == ("apple", "melon", "pear")
    assert FRUIT.parents == (2, 0, 0, 1)


def test_the_probabilities_of_the_labels_of_a_coarse_class_add_up() -> None:
    summed = FRUIT.sum_coarse(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    assert summed == pytest.approx(np.array([[0.5, 0.4, 0.1]]))


def test_coarse_classes_that_lose_all_labels_leave() -> None:
    left = FRUIT.select([1, 2, 3])
    assert left is not None
    assert (left.coarse.names, left.parents) == (("apple", "melon"), (0, 0, 1))
    assert FRUIT.select([1, 2]) is None


def test_json_comes_back_and_none_stays_none() -> None:
    assert Hierarchy.from_json(FRUIT.to_json(), LABELS) == FRUIT
    assert Hierarchy.from_json(None, LABELS) is None


@pytest.mark.parametrize(
    ("coarse", "parents", "words"),
    [
        (["apple"], [0, 0, 0, 0], "at least 2 classes"),
        (["apple", "pear"], [0, 0, 0], "each of the 4 labels"),
        (["apple", "pear"], [0, 0, 0, 2], "coarse class 2 is not there: allowed are 0 to 1"),
        (["apple", "pear"], [0, 0, 0, -1], "coarse class -1 is not there"),
        (["apple", "pear"], [0, 0, 0, 0], "no label belongs to 'pear'"),
        (["apple", "pear"], [0, 0, 0, True], "index of one"),
        (["apple", 1], [0, 0, 0, 1], "names of coarse classes"),
        ("ab", [0, 0, 0, 1], "names of coarse classes"),
    ],
)
def test_what_does_not_fit_is_refused(coarse: object, parents: object, words: str) -> None:
    with pytest.raises(LabelsError, match=words):
        Hierarchy.from_json({"coarse": coarse, "parents": parents}, LABELS)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_json_raises_nothing_but_labels_error(value: object) -> None:
    for form in (value, {"coarse": value, "parents": value}):
        try:
            Hierarchy.from_json(form, LABELS)
        except LabelsError:
            continue
        assert form is None
