"""A list of photo files without the photos: the same photos, in files and in other processes."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import StorageError
from training.photos import Photo, PhotoFile
from training.sources.photo_index import (
    PhotoIndex,
    class_indices_of,
    index_photos,
    load_index,
    select_photos,
)

ROOT = Path("/photos")
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
FILES = st.lists(
    st.tuples(st.builds(lambda *parts: ROOT.joinpath(*parts), NAMES, NAMES), st.integers(-1, 9)),
    max_size=12,
)


def expected(files: list[tuple[Path, int]]) -> list[Photo]:
    return [
        Photo(path.relative_to(ROOT).as_posix(), class_index, PhotoFile(path))
        for path, class_index in files
    ]


@given(FILES)
def test_an_index_is_the_list_of_its_photos(files: list[tuple[Path, int]]) -> None:
    index = index_photos(ROOT, iter(files))
    photos = expected(files)
    assert list(index) == photos
    assert list(pickle.loads(pickle.dumps(index))) == photos
    assert class_indices_of(index).tolist() == class_indices_of(photos).tolist()
    assert list(index[1:3]) == photos[1:3]
    assert list(index[::-2]) == photos[::-2]
    if photos:
        assert index[-1] == photos[-1]
    with pytest.raises(IndexError):
        index[len(photos)]


def make_index() -> PhotoIndex:
    return index_photos(ROOT, [(ROOT / f"{name}.jpg", place) for place, name in enumerate("abcd")])


def test_a_saved_index_is_mapped_and_pickles_as_its_path(tmp_path: Path) -> None:
    saved = make_index().save(tmp_path / "train")
    part = saved.select(np.array([3, 1]), np.array([7, 8]))
    assert list(load_index(ROOT, tmp_path / "train")) == list(make_index())
    for index in (saved, part):
        copy = pickle.loads(pickle.dumps(index))
        assert copy == index
    assert [(photo.name, photo.class_index) for photo in part] == [("d.jpg", 7), ("b.jpg", 8)]
    assert b"a.jpg" not in pickle.dumps(saved)


def test_selections_of_an_index_and_of_a_list_are_the_same_photos() -> None:
    for places, classes in (([2, 0], None), ([3, 1, 2], [5, 5, 6])):
        given = np.array(places), None if classes is None else np.array(classes)
        listed = select_photos(tuple(make_index()), *given)
        assert list(select_photos(make_index(), *given)) == list(listed)
        twice = make_index().select(np.array([3, 2, 1, 0])).select(given[0], given[1])
        assert [photo.name for photo in twice] == [make_index()[3 - at].name for at in places]


def test_a_name_that_is_no_text_still_prints_and_opens(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    file.write_bytes(b"photo")
    photo = index_photos(tmp_path, [(file, 0)])[0]
    assert photo.name == "caf\\xe9.jpg"
    assert photo.read() == b"photo"


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing"):
        load_index(ROOT, tmp_path / "nothing")
