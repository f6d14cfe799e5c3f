"""Photos to judge on: any source and split, matched with the checkpoint's classes by name."""

import io
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from training.config import DataSettings
from training.errors import DataError
from training.evaluation.judged import open_judged
from training.labels import LabelSet

LABELS = LabelSet(("pear", "Äpfel", "lemon"))
CLASSES = (
    "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)\n"
    "lemon,0,Citrus,0\nlime,1,Citrus,0\npear,2,Pear,1\n"
)


def write_photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 40, 40)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def folder(tmp_path: Path, *names: str) -> DataSettings:
    for name in names:
        write_photo(tmp_path / name)
    return DataSettings(source="folder", path=str(tmp_path))


def test_a_bare_folder_of_classes_is_matched_by_name_in_any_form_of_unicode(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Äpfel")
    judged = open_judged(folder(tmp_path, f"{name}/1.png", "lemon/1.png"), "validation", LABELS)
    assert sorted(photo.class_index for photo in judged.photos) == [1, 2]
    assert judged.unknown == {}
    (note,) = judged.notes
    assert "1 of the checkpoint's 3 classes have no photo there" in note
    assert "pear" in note


def test_classes_that_the_checkpoint_does_not_know_are_unknown_things(tmp_path: Path) -> None:
    data = folder(tmp_path, "pear/1.png", "fig/1.png", "fig/2.png")
    judged = open_judged(data, "validation", LABELS)
    assert [photo.name for photo in judged.photos] == ["pear/1.png"]
    assert [photo.name for photo in judged.unknown["other-class"]] == ["fig/1.png", "fig/2.png"]
    assert "1 of 2 classes there are none of the checkpoint's" in judged.notes[0]


def test_a_split_is_the_folder_of_that_name_and_the_folder_unknown_comes_along(
    tmp_path: Path,
) -> None:
    data = folder(tmp_path, "train/pear/1.png", "val/pear/2.png", "test/lemon/3.png")
    write_photo(tmp_path / "unknown" / "wall.png")
    write_photo(tmp_path / "unknown" / "floor" / "a.png")
    for split, name in (("train", "1"), ("validation", "2"), ("test", "3")):
        judged = open_judged(data, split, LABELS)
        assert [Path(photo.name).stem for photo in judged.photos] == [name]
        assert len(judged.unknown["unknown"]) == 2


def test_a_split_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    data = folder(tmp_path, "train/pear/1.png", "val/pear/2.png")
    with pytest.raises(DataError, match="has the folders val, train; split test needs"):
        open_judged(data, "test", LABELS)


def test_a_csv_needs_no_training_rows(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        write_photo(tmp_path / name)
    manifest = tmp_path / "photos.csv"
    manifest.write_text(
        "path,label,split\n1.png, pear ,test\n2.png,fig,test\n3.png,x,unknown\n", encoding="utf-8"
    )
    data = DataSettings(source="csv", path=str(manifest))
    judged = open_judged(data, "test", LABELS)
    assert [photo.class_index for photo in judged.photos] == [0]
    assert {kind: len(photos) for kind, photos in judged.unknown.items()} == {
        "other-class": 1,
        "unknown": 1,
    }


def test_the_grocery_layouts_test_list_needs_neither_train_nor_val(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "test.txt").write_text(
        "test/L/1.jpg, 0, 0\ntest/P/1.jpg, 2, 1\ntest/I/1.jpg, 1, 0\n"
    )
    for name in ("L", "P", "I"):
        write_photo(tmp_path / "test" / name / "1.jpg")
    data = DataSettings(source="grocery", path=str(tmp_path), held_out=("lime",))
    judged = open_judged(data, "test", LABELS)
    assert [photo.class_index for photo in judged.photos] == [2, 0]
    assert [photo.name for photo in judged.unknown["held-out"]] == ["test/I/1.jpg"]


def test_drawn_photos_have_no_test_split_and_bring_their_clutter() -> None:
    labels = LabelSet(("apple", "pear"))
    data = DataSettings(train_per_class=1, validation_per_class=2, clutter=3)
    judged = open_judged(data, "validation", labels)
    assert len(judged.photos) == 4
    assert len(judged.unknown["clutter"]) == 3
    with pytest.raises(DataError, match="synthetic photos have no test split"):
        open_judged(data, "test", labels)


def test_the_grocery_test_photos_are_never_fetched() -> None:
    with pytest.raises(DataError, match="is not fetched"):
        open_judged(DataSettings(source="grocery"), "test", LABELS)


def test_nothing_in_common_is_an_error_that_names_both_sides(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the classes there \(fig\); it knows pear, Äpfel"):
        open_judged(folder(tmp_path, "fig/1.png"), "validation", LABELS)
