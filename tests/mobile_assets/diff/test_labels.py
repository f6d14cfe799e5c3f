from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.diff.labels import Regrouped, compare_labels
from training.hierarchy import Hierarchy
from training.labels import LabelSet

NAMES = st.lists(
    st.sampled_from(["apple", "Apple", "plum", "sour plum", "sour-plum", "kiwi", "fig", "figs"]),
    min_size=2,
    unique=True,
)


def labels(*names: str) -> LabelSet:
    return LabelSet(names)


def test_added_and_removed() -> None:
    found = compare_labels(labels("apple", "fig"), labels("apple", "kiwi", "plum"))
    assert (found.added, found.removed, found.renamed) == (("kiwi", "plum"), ("fig",), ())
    assert (found.old_count, found.new_count) == (2, 3)
    assert not found.moved


def test_the_same_letters_are_a_new_name_for_the_same_thing() -> None:
    old, new = labels("Granny Smith", "fig"), labels("apple", "fig", "granny-smith")
    found = compare_labels(old, new)
    assert found.renamed == (("Granny Smith", "granny-smith"),)
    assert found.added == ("apple",) and found.removed == ()
    assert found.moved


def test_names_alike_in_the_same_place_look_renamed_and_others_do_not() -> None:
    close = compare_labels(labels("apple", "tomatoe"), labels("apple", "tomato"))
    assert close.renamed == (("tomatoe", "tomato"),) and not close.moved
    far = compare_labels(labels("apple", "tomato"), labels("apple", "zucchini"))
    assert far.renamed == () and far.added == ("zucchini",) and far.removed == ("tomato",)
    # A label that only moved there is no new name.
    moved = compare_labels(labels("figs", "fig", "kiwi"), labels("fig", "plum", "kiwi"))
    assert moved.renamed == () and moved.removed == ("figs",) and moved.moved


def test_another_order_is_told() -> None:
    found = compare_labels(labels("apple", "fig"), labels("fig", "apple"))
    assert found.moved and found.added == found.removed == ()


def test_coarse_classes() -> None:
    names = labels("apple", "fig", "leek")
    old = Hierarchy.from_names(["fruit", "fruit", "vegetable"])
    new = Hierarchy.from_names(["fruit", "dried", "vegetable"])
    assert compare_labels(names, names, old, new).regrouped == (Regrouped("fig", "fruit", "dried"),)
    gone = compare_labels(names, names, old, None)
    assert gone.regrouped == () and gone.grouped == (True, False)


@given(NAMES, NAMES)
def test_every_label_is_accounted_for_once(old: list[str], new: list[str]) -> None:
    found = compare_labels(LabelSet(tuple(old)), LabelSet(tuple(new)))
    gone = [*found.removed, *(before for before, _ in found.renamed)]
    come = [*found.added, *(after for _, after in found.renamed)]
    assert sorted(gone) == sorted(set(old) - set(new))
    assert sorted(come) == sorted(set(new) - set(old))
    assert len(set(gone)) == len(gone) and len(set(come)) == len(come)
