"""CSV manifests: coarse classes, unknown things, and labels in any spelling."""

import unicodedata
from pathlib import Path

import pytest

from tests.training.sources.test_data import put
from training.errors import DataError
from training.photos import UNKNOWN, Source
from training.sources.csv_source import open_csv
from training.sources.data import check_source

CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


def open_rows(folder: Path, *rows: str, header: str = "path,label,split,coarse") -> Source:
    put(folder, "1.png", "2.png", "3.png", "4.png", "5.png")
    path = folder / "photos.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return open_csv(path)


def test_a_column_gives_the_coarse_classes(tmp_path: Path) -> None:
    source = open_rows(
        tmp_path, "1.png,pea,train,pulse", "2.png,fig,train, fruit ", "3.png,pea,val,"
    )
    assert source.hierarchy is not None
    assert source.hierarchy.coarse.names == ("fruit", "pulse")
    assert source.hierarchy.parents == (0, 1)


def test_an_empty_column_gives_none(tmp_path: Path) -> None:
    rows = ("1.png,pea,train,", "2.png,fig,train,", "3.png,pea,val,")
    assert open_rows(tmp_path, *rows).hierarchy is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("3.png,pea,val,fruit", "line 4: 'pea' has the coarse class 'fruit' here and 'pulse'"),
        ("3.png,kale,train,", "no row gives a coarse class to .'kale'"),
    ],
)
def test_coarse_classes_that_do_not_fit_are_refused(tmp_path: Path, row: str, words: str) -> None:
    rows = ("1.png,pea,train,pulse", "2.png,fig,train,fruit", row, "4.png,pea,val,pulse")
    with pytest.raises(DataError, match=words):
        open_rows(tmp_path, *rows)


def test_one_coarse_class_for_all_is_refused(tmp_path: Path) -> None:
    rows = ("1.png,pea,train,food", "2.png,fig,train,food", "3.png,pea,val,food")
    with pytest.raises(DataError, match="at least 2 classes"):
        open_rows(tmp_path, *rows)


def test_rows_of_unknown_things_need_no_label(tmp_path: Path) -> None:
    rows = ("1.png,pea,train", "2.png,fig,train", "3.png,pea,val")
    strange = ("4.png,,unknown", "5.png,a hand,unknown")
    source = open_rows(tmp_path, *rows, *strange, header="path,label,split")
    assert source.labels.names == ("fig", "pea")
    assert [(photo.name, photo.class_index) for photo in source.unknown] == [
        ("4.png", UNKNOWN),
        ("5.png", UNKNOWN),
    ]
    assert not [problem for problem in check_source(source) if problem.severity == "error"]


def test_spaces_and_forms_of_unicode_do_not_split_a_class(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", CAFE)
    rows = (f"1.png, {CAFE} ,train", f"2.png,{nfd},train", "3.png,\u82f9\u679c,train")
    source = open_rows(tmp_path, *rows, f"4.png,{nfd},val", header="path,label,split")
    assert source.labels.names == (CAFE, "\u82f9\u679c")
    assert [photo.class_index for photo in source.train] == [0, 0, 1]


def test_everything_wrong_with_a_manifest_is_named_at_once(tmp_path: Path) -> None:
    rows = ("1.png,pea,train", "2.png,fig,train", "3.png,pea,val", "3.png,,val", "4.png,kale,test")
    table = tmp_path / "photos.csv"
    header = "path,label,split"
    table.write_text("\n".join([header, *rows, "5.png,pea,weekend", "6.png,pea,train"]))
    put(tmp_path, *(f"{number}.png" for number in range(1, 6)))
    with pytest.raises(DataError) as caught:
        open_csv(table)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("photos.csv: 3 problems")
    assert [line.split(":")[0].strip() for line in lines] == ["line 5", "line 7", "line 8"]


def test_of_many_bad_rows_some_are_named_and_all_are_counted(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(["path,label,split", *(f"{n}.png,pea,train" for n in range(30))]))
    with pytest.raises(DataError, match=r"30 problems\n.*line 2: no photo at .*\n(.*\n)+.*10 more"):
        open_csv(table)
