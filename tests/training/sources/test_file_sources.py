"""Folder sources: coarse classes, unknown things, and names in any alphabet."""

import re
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.sources.test_data import open_shop, put
from training.cli import main
from training.errors import DataError
from training.photos import UNKNOWN, kind_of
from training.sources.data import check_source, drop_problems
from training.sources.hierarchy_file import BAD_HIERARCHY

CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
CAFE_NFD = unicodedata.normalize("NFD", CAFE)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    names = [f"{split}/{name}/{split}.png" for split in ("train", "val") for name in ("fig", "pea")]
    return put(tmp_path / "shop", *names, "train/fig/b.png", "train/pea/b.png")


def test_a_hierarchy_file_gives_each_label_its_coarse_class(shop: Path) -> None:
    put(shop, "train/bean/a.png", "train/bean/b.png")
    text = "\ufeffid,label,coarse\n1,pea, pulse\n2,fig,fruit\n3,bean,pulse\n"
    (shop / "hierarchy.csv").write_text(text)
    hierarchy = open_shop(shop).hierarchy
    assert hierarchy is not None
    assert (hierarchy.coarse.names, hierarchy.parents) == (("fruit", "pulse"), (1, 0, 1))


def test_the_check_counts_coarse_classes_and_unknown_things(shop: Path) -> None:
    (shop / "hierarchy.csv").write_text("label,coarse\npea,pulse\nfig,fruit\n")
    put(shop, "unknown/hand.png")
    done = CliRunner().invoke(main, ["check", str(shop)])
    assert done.exit_code == 0, done.output
    assert "2 classes in 2 coarse ones, 4 training and 2 validation photos, 1 of" in done.output


def test_without_a_hierarchy_file_there_are_no_coarse_classes(shop: Path) -> None:
    assert open_shop(shop).hierarchy is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label\nfig\n", "line 1: no column coarse"),
        ("", "line 1: no column coarse, label"),
        ("label,coarse\nfig,fruit\n", "does not name 'pea'"),
        ("label,coarse\nfig,fruit\nkale,leaf\n", "line 3: no class 'kale'"),
        ("label,coarse\nfig,fruit\npea,pulse\nfig,pulse\n", "line 4: 'fig' stands in an earlier"),
        ("label,coarse\nfig,fruit\npea,\n", "line 3: 'pea' has no coarse class"),
        ("label,coarse\nfig,fruit\npea,\x07\n", "control characters are not allowed"),
        ("label,coarse\nfig,food\npea,food\n", "coarse classes: .* at least 2"),
        ('label,coarse\n"fig,fruit\n', "hierarchy.csv: unexpected end"),
        ("label,coarse\nfig\n", "does not name 'pea'"),
    ],
)
def test_a_hierarchy_file_that_does_not_fit_is_refused(shop: Path, text: str, words: str) -> None:
    (shop / "hierarchy.csv").write_text(text)
    source = open_shop(shop)
    problems = check_source(source)
    assert {(found.kind, found.severity) for found in problems} == {(BAD_HIERARCHY, "error")}
    assert any(re.search(words, found.message) for found in problems)
    assert source.hierarchy is None


def test_all_that_is_wrong_is_named_together(shop: Path) -> None:
    (shop / "hierarchy.csv").write_text("label,coarse\nkale,leaf\nfig,fruit\nfig,\n")
    (shop / "train/fig/cut.png").write_bytes(b"cut")
    done = CliRunner().invoke(main, ["check", str(shop)])
    assert done.exit_code == 1
    for words in ("line 2: no class 'kale'", "line 4: 'fig'", "not name 'pea'", "cut.png"):
        assert words in done.stderr
    # Photos can be left out, but not a hierarchy.
    assert done.stderr.splitlines()[-1].endswith("4 problems, named above; mend them")
    with pytest.raises(DataError, match=r"leaving out photos does not mend .*line 2"):
        drop_problems(open_shop(shop), check_source(open_shop(shop)))


def test_one_problem_is_one_problem(shop: Path) -> None:
    (shop / "train/fig/cut.png").write_bytes(b"cut")
    done = CliRunner().invoke(main, ["check", str(shop)])
    assert "1 problem, named above; mend it, or let `fit` leave those photos out" in done.stderr


def test_photos_below_unknown_show_none_of_the_labels(shop: Path) -> None:
    put(shop, "unknown/floor.png", "unknown/2024/may/hand.png")
    (shop / "unknown/notes.md").write_text("taken in the shop")
    source = open_shop(shop)
    assert [photo.name for photo in source.unknown] == [
        "unknown/floor.png",
        "unknown/2024/may/hand.png",
    ]
    assert {photo.class_index for photo in source.unknown} == {UNKNOWN}
    assert {kind_of(photo) for photo in source.unknown} == {"unknown"}
    (note,) = check_source(source)
    assert note.photos == ("unknown/notes.md",)


def test_labels_of_other_alphabets_are_kept(shop: Path) -> None:
    names = ["\u82f9\u679c", "\u062a\u0641\u0627\u062d", "\u0938\u0947\u092c", CAFE]
    put(shop, *(f"{split}/{name}/{split}.png" for name in names for split in ("train", "val")))
    source = open_shop(shop)
    assert set(names) < set(source.labels.names)
    assert len(source.validation) == 2 + len(names)


def test_a_name_in_two_forms_of_unicode_is_one_class(shop: Path) -> None:
    put(shop, f"train/{CAFE_NFD}/a.png", f"val/{CAFE}/b.png")
    (shop / "labels.txt").write_text(f"pea\n{CAFE_NFD}\nfig\n")
    (shop / "hierarchy.csv").write_text(f"label,coarse\nfig,fruit\npea,seed\n{CAFE},seed\n")
    source = open_shop(shop)
    assert source.labels.names == ("pea", CAFE, "fig")
    assert [photo.class_index for photo in source.validation].count(1) == 1
    assert [photo.read() for photo in source.train if photo.class_index == 1]


def test_two_folders_of_one_name_in_two_forms_are_refused(shop: Path) -> None:
    put(shop, f"train/{CAFE_NFD}/a.png", f"train/{CAFE}/b.png")
    with pytest.raises(DataError, match=r"caf\\xe9.* are one name in two forms of Unicode"):
        open_shop(shop)


@pytest.mark.parametrize("name", [" apple", "apple\u3000", "\u00a0apple"])
def test_spaces_around_a_folder_name_are_refused(shop: Path, name: str) -> None:
    put(shop, f"train/{name}/a.png")
    with pytest.raises(DataError, match="without spaces at the ends"):
        open_shop(shop)


def test_labels_that_look_alike_are_named(shop: Path) -> None:
    put(shop, *(f"{split}/pea\u200b/{split}{n}.png" for split in ("train", "val") for n in (1, 2)))
    (note,) = check_source(open_shop(shop))
    assert note.kind == "labels that look alike"
    assert "'pea', 'pea\\u200b'" in note.message


def test_a_class_with_one_photo_is_a_note(shop: Path) -> None:
    put(shop, "train/kale/a.png")
    notes = {problem.kind: problem for problem in check_source(open_shop(shop))}
    assert {note.severity for note in notes.values()} == {"note"}
    assert "kale" in notes["single training photo"].message
    assert "nothing is measured for them: kale" in notes["no validation photos"].message
