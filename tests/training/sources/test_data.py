"""Folder and CSV sources, and the check before training."""

import io
import os
import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.config import DataSettings
from training.errors import DataError, PhotoError
from training.photos import MAX_PHOTO_BYTES, PhotoFile
from training.sources.csv_source import open_csv
from training.sources.data import (
    Problem,
    Source,
    check_source,
    count_checked,
    drop_problems,
    open_source,
)


def make_photo(seed: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def put(root: Path, *names: str) -> Path:
    """Writes a photo at each name; all differ."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_photo(zlib.crc32(name.encode())))
    return root


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return put(
        tmp_path / "shop",
        "train/pear/a.png",
        "train/pear/b.png",
        "train/apple/a.png",
        "train/apple/b.png",
        "val/apple/c.png",
        "val/pear/c.png",
    )


def open_shop(path: Path) -> Source:
    return open_source(DataSettings(source="folder", path=str(path)))


def errors_of(source: Source) -> list[Problem]:
    return [problem for problem in check_source(source) if problem.severity == "error"]


def test_a_folder_gives_its_classes_and_photos(shop: Path) -> None:
    source = open_shop(shop)
    assert source.labels.names == ("apple", "pear")
    assert [(photo.name, photo.class_index) for photo in source.train] == [
        ("train/apple/a.png", 0),
        ("train/apple/b.png", 0),
        ("train/pear/a.png", 1),
        ("train/pear/b.png", 1),
    ]
    assert [photo.name for photo in source.validation] == ["val/apple/c.png", "val/pear/c.png"]
    assert source.train[2].read() == (shop / "train/pear/a.png").read_bytes()
    assert check_source(source) == []


def test_photos_pickle_for_worker_processes(shop: Path) -> None:
    photo = open_shop(shop).train[0]
    assert pickle.loads(pickle.dumps(photo)).read() == photo.read()


def test_classes_are_sorted_by_code_point(shop: Path) -> None:
    put(shop, "train/Zucchini/a.png", "train/äpple/a.png")
    assert open_shop(shop).labels.names == ("Zucchini", "apple", "pear", "äpple")


def test_validation_may_be_spelled_out(shop: Path) -> None:
    (shop / "val").rename(shop / "validation")
    assert open_shop(shop).validation[0].name == "validation/apple/c.png"


def test_photos_in_folders_below_a_class_are_found(shop: Path) -> None:
    put(shop, "train/pear/2024/may/d.JPG")
    assert "train/pear/2024/may/d.JPG" in [photo.name for photo in open_shop(shop).train]


def test_a_label_file_fixes_the_order(shop: Path) -> None:
    (shop / "labels.txt").write_text("pear\napple\n")
    source = open_shop(shop)
    assert source.labels.names == ("pear", "apple")
    assert {photo.name: photo.class_index for photo in source.train}["train/pear/a.png"] == 0


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("pear\napple\nfig\n", "names 'fig': no such folder"),
        ("pear\nfig\n", "no such folder"),
        ("apple\napple\n", "stands at 0 and again at 1"),
    ],
)
def test_a_label_file_that_does_not_fit_is_refused(shop: Path, lines: str, words: str) -> None:
    (shop / "labels.txt").write_text(lines)
    with pytest.raises(DataError, match=words):
        open_shop(shop)


def test_a_class_that_the_label_file_lacks_is_named(shop: Path) -> None:
    put(shop, "train/fig/a.png")
    (shop / "labels.txt").write_text("pear\napple\n")
    with pytest.raises(DataError, match="does not name the folder 'fig'"):
        open_shop(shop)


def remove(path: Path) -> None:
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda shop: remove(shop / "val"), "neither val nor validation; expected are train"),
        (lambda shop: remove(shop / "train"), "has no folder train; expected are train"),
        (lambda shop: remove(shop), "no folder at"),
        (lambda shop: put(shop, "validation/pear/x.png"), "both val and validation"),
        (lambda shop: put(shop, "val/fig/x.png"), "'fig': no such class in"),
        (lambda shop: remove(shop / "train" / "pear"), "'pear'|at least 2 classes"),
        (lambda shop: put(shop, "train/pear /x.png"), "without spaces at the ends"),
    ],
)
def test_a_wrong_layout_says_what_is_expected(
    shop: Path, change: Callable[[Path], object], words: str
) -> None:
    change(shop)
    with pytest.raises(DataError, match=words):
        open_shop(shop)


def test_a_folder_with_one_class_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/apple/a.png", "val/apple/b.png")
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        open_shop(tmp_path)


def test_validation_folders_without_photos_are_refused(shop: Path) -> None:
    for photo in (shop / "val").rglob("*.png"):
        photo.unlink()
    with pytest.raises(DataError, match="holds no photos"):
        open_shop(shop)


def test_files_that_are_no_photos_are_reported_by_name(shop: Path) -> None:
    (shop / "train/pear/notes.md").write_text("ripe")
    (shop / "train/pear/phone.heic").write_bytes(b"x")
    (shop / "train/stray.png").write_bytes(make_photo(1))
    (shop / "train/pear/.DS_Store").write_bytes(b"x")
    (shop / "train/pear/Thumbs.db").write_bytes(b"x")
    found = check_source(open_shop(shop))
    assert {problem.kind for problem in found} == {"not a photo"}
    assert {problem.severity for problem in found} == {"note"}
    names = {name for problem in found for name in problem.photos}
    assert names == {"train/pear/notes.md", "train/pear/phone.heic", "train/stray.png"}


def test_linked_photos_count_and_broken_links_are_reported(shop: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "store", "x.png")
    (shop / "train/pear/link.png").symlink_to(outside / "x.png")
    (shop / "train/pear/gone.png").symlink_to(outside / "gone.png")
    (shop / "train/pear/loop").symlink_to(shop / "train")
    source = open_shop(shop)
    names = [photo.name for photo in source.train]
    assert "train/pear/link.png" in names
    assert not any("loop" in name for name in names)
    found = {problem.kind: problem for problem in check_source(source)}
    assert found["unreadable"].photos == ("train/pear/gone.png",)
    assert found["link not followed"].photos == ("train/pear/loop",)


def test_file_names_that_are_not_unicode_still_print(shop: Path) -> None:
    path = os.fsencode(shop / "train/pear") + b"/caf\xe9.png"
    Path(os.fsdecode(path)).write_bytes(make_photo(5))
    photo = next(photo for photo in open_shop(shop).train if "caf" in photo.name)
    assert photo.name == "train/pear/caf\\xe9.png"
    assert photo.read() == make_photo(5)


def test_unreadable_photos_are_reported_by_name(shop: Path) -> None:
    (shop / "train/pear/cut.png").write_bytes(make_photo(9)[:-40])
    (shop / "train/pear/empty.jpg").write_bytes(b"")
    found = errors_of(open_shop(shop))
    assert [problem.photos for problem in found] == [
        ("train/pear/cut.png",),
        ("train/pear/empty.jpg",),
    ]
    assert all(problem.photos[0] in problem.message for problem in found)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.bmp"
    with path.open("wb") as file:
        file.truncate(MAX_PHOTO_BYTES + 1)
    with pytest.raises(PhotoError, match=f"allowed are {MAX_PHOTO_BYTES}"):
        PhotoFile(path)()


def test_a_class_without_training_photos_is_an_error(shop: Path) -> None:
    (shop / "train/fig").mkdir()
    found = errors_of(open_shop(shop))
    assert [(problem.kind, "'fig'" in problem.message) for problem in found] == [
        ("empty class", True)
    ]


def test_a_class_without_validation_photos_is_a_note(shop: Path) -> None:
    put(shop, "train/fig/a.png", "train/fig/b.png")
    (problem,) = check_source(open_shop(shop))
    assert problem.severity == "note"
    assert "1 of 3 classes have no validation photo" in problem.message
    assert "fig" in problem.message


def test_the_same_photo_in_train_and_validation_is_found(shop: Path) -> None:
    (shop / "val/pear/again.png").write_bytes((shop / "train/pear/a.png").read_bytes())
    (problem,) = check_source(open_shop(shop))
    assert problem.kind == "in train and validation"
    assert problem.severity == "error"
    assert set(problem.photos) == {"train/pear/a.png", "val/pear/again.png"}


def test_the_same_pixels_in_another_file_format_are_found(shop: Path) -> None:
    with Image.open(shop / "train/pear/a.png") as image:
        image.save(shop / "val/pear/again.bmp")
    (problem,) = check_source(open_shop(shop))
    assert problem.kind == "in train and validation"


def test_the_same_photo_under_two_labels_is_found(shop: Path) -> None:
    (shop / "train/apple/z.png").write_bytes((shop / "train/pear/a.png").read_bytes())
    (problem,) = check_source(open_shop(shop))
    assert problem.kind == "two labels"
    assert "'apple' and 'pear'" in problem.message


def test_the_same_photo_twice_in_a_class_is_a_note(shop: Path) -> None:
    (shop / "train/pear/z.png").write_bytes((shop / "train/pear/a.png").read_bytes())
    (problem,) = check_source(open_shop(shop))
    assert (problem.kind, problem.severity, problem.leave_out) == ("repeated photo", "note", ())


def test_photos_of_the_same_name_are_found(shop: Path) -> None:
    source = open_shop(shop)
    double = replace(source, train=(*source.train, source.train[0]))
    assert "duplicate name" in {problem.kind for problem in check_source(double)}


def test_left_out_are_exactly_the_photos_with_errors(shop: Path) -> None:
    (shop / "train/pear/cut.png").write_bytes(b"")
    (shop / "val/apple/again.png").write_bytes((shop / "train/apple/a.png").read_bytes())
    put(shop, "train/pear/x.png")
    (shop / "train/apple/x.png").write_bytes((shop / "train/pear/x.png").read_bytes())
    source = open_shop(shop)
    kept = drop_problems(source, check_source(source))
    gone = {photo.name for photo in source.train} - {photo.name for photo in kept.train}
    assert gone == {
        "train/pear/cut.png",
        "train/apple/a.png",
        "train/pear/x.png",
        "train/apple/x.png",
    }
    assert kept.validation == source.validation
    assert errors_of(kept) == []


def test_leaving_out_all_of_a_class_is_refused(shop: Path) -> None:
    for name in ("a", "b"):
        (shop / f"train/pear/{name}.png").write_bytes(b"")
    source = open_shop(shop)
    with pytest.raises(DataError, match="2 photos left out, and now: class 'pear'"):
        drop_problems(source, check_source(source))


def test_an_empty_class_cannot_be_skipped(shop: Path) -> None:
    (shop / "train/fig").mkdir()
    source = open_shop(shop)
    with pytest.raises(DataError, match="'fig' has no photo to train on"):
        drop_problems(source, check_source(source))


def test_the_progress_counts_every_photo(shop: Path) -> None:
    ticks: list[None] = []
    source = open_shop(shop)
    check_source(source, workers=1, tick=lambda: ticks.append(None))
    assert len(ticks) == count_checked(source) == 6


@pytest.fixture
def table(tmp_path: Path) -> Path:
    put(tmp_path, "1.png", "2.png", "sub/3.png", "4.png")
    path = tmp_path / "photos.csv"
    path.write_text(
        "path,label,split\n1.png,pear,train\n2.png,apple,train\n"
        "sub/3.png,pear,validation\n4.png,apple,val\n"
    )
    return path


def test_a_csv_gives_its_rows(table: Path) -> None:
    source = open_source(DataSettings(source="csv", path=str(table)))
    assert source.labels.names == ("apple", "pear")
    assert [(photo.name, photo.class_index) for photo in source.train] == [
        ("1.png", 1),
        ("2.png", 0),
    ]
    assert [photo.name for photo in source.validation] == ["sub/3.png", "4.png"]
    assert errors_of(source) == []


def test_spreadsheets_byte_order_marks_columns_and_line_ends_are_taken(table: Path) -> None:
    rows = table.read_text().splitlines()
    text = "\r\n".join([f"id,{rows[0]},weight", *(f"7,{row}," for row in rows[1:])])
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(open_csv(table).train) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n1.png,pear\n", "line 1: no column split; needed are path, label, split"),
        ("", "line 1: no column path, label, split"),
        ("path,label,split\n1.png,pear,testing\n", "line 2: split is 'testing': allowed are train"),
        ("path,label,split\n1.png,,train\n", "line 2: label is empty"),
        ("path,label,split\n1.png\n", "line 2: label, split are empty"),
        ("path,label,split\n1.png,pear,train\n9.png,pear,train\n", "line 3: no photo at .*9.png"),
        (
            "path,label,split\n1.png,pear,train\n./1.png,fig,val\n",
            "line 3: '1.png' stands in line 2",
        ),
        ("path,label,split\n/etc/passwd,pear,train\n", "line 2: .* must be relative"),
        ("path,label,split\nC:\\1.png,pear,train\n", "line 2: .* must be relative"),
        (
            "path,label,split\n1.png,pear,train\n2.png,apple,train\n4.png,fig,val\n",
            "line 4: no training row has the label 'fig'",
        ),
        ("path,label,split\n1.png,pear,train\n2.png,apple,train\n", "no row with split validation"),
        ("path,label,split\n1.png,pear,train\n2.png,pear,val\n", "at least 2 classes"),
        ('path,label,split\n"1.png,pear,train\n', "cannot read"),
        ("path,label,split\n1.png,pear,train\0\n", "line 2: split is"),
    ],
)
def test_a_bad_csv_names_the_line(table: Path, text: str, words: str) -> None:
    table.write_text(text)
    with pytest.raises(DataError, match=words):
        open_csv(table)


def test_a_csv_that_is_not_utf_8_or_not_there_is_named(table: Path) -> None:
    table.write_bytes("path,label,split\n1.png,påron,train\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot read .*photos\.csv"):
        open_csv(table)
    with pytest.raises(DataError, match="no CSV file at"):
        open_csv(table.with_name("other.csv"))


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.text("path,label,split\n\r\"'\0train1.png;", max_size=200)
    )
)
def test_any_csv_raises_nothing_but_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(
        content if isinstance(content, bytes) else b"path,label,split\n" + content.encode()
    )
    with pytest.raises(DataError):
        open_csv(path)
