"""Label sets: what is refused, and what survives a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import LabelsError
from training.labels import LabelSet


@pytest.mark.parametrize("names", [(), ("apple",)])
def test_fewer_than_two_classes_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(LabelsError, match="at least 2 classes"):
        LabelSet(names)


@pytest.mark.parametrize(
    "name",
    ["", " pear", "pear ", "pe\nar", "pe\tar", "pe\u2028ar", "pe\x00ar", "\udcff", "x" * 201],
)
def test_names_that_break_files_are_refused(name: str) -> None:
    with pytest.raises(LabelsError, match="label 1"):
        LabelSet(("apple", name))


def test_the_same_name_in_two_unicode_forms_is_refused() -> None:
    with pytest.raises(LabelsError, match="stands at 0 and again at 1"):
        LabelSet(("cr\u00e8me", "cre\u0300me"))


def test_any_alphabet_is_kept_as_given() -> None:
    names = ("яблоко", "梨", "tomate, rouge", "🍋")
    assert LabelSet.from_text(LabelSet(names).to_text()).names == names


def test_an_index_is_that_of_the_name() -> None:
    labels = LabelSet(("b", "a", "c"))
    assert [labels.index(name) for name in labels.names] == [0, 1, 2]
    with pytest.raises(LabelsError, match=r"no label 'd'; allowed are \['b', 'a', 'c'\]"):
        labels.index("d")


@pytest.mark.parametrize(
    "content", [b"apple\npear\n", b"apple\r\npear\r\n", b"\xef\xbb\xbfapple\npear"]
)
def test_files_of_any_editor_are_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    assert LabelSet.from_file(path).names == ("apple", "pear")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no label file at"),
        (b"caf\xe9\nbar\n", "cannot read labels"),
        (b"apple\n\npear\n", "label 1 is ''"),
        (b"apple\n", "at least 2"),
        (b"apple\npear\napple\n", "stands at 0 and again at 2"),
    ],
)
def test_a_bad_label_file_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabelsError, match=words) as caught:
        LabelSet.from_file(path)
    assert str(path) in str(caught.value)


@given(st.lists(st.text(), max_size=6))
def test_any_names_are_refused_or_survive_a_file(names: list[str]) -> None:
    try:
        labels = LabelSet(tuple(names))
    except LabelsError:
        return
    text = labels.to_text().encode().decode()
    assert LabelSet.from_text(text) == labels
