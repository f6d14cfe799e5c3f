"""Classes that are left out of a source become unknown things."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.sources.test_data import open_shop, put
from training.config import DataSettings
from training.errors import DataError
from training.hierarchy import Hierarchy
from training.photos import UNKNOWN, Source, kind_of
from training.sources.data import check_source, drop_problems, open_source
from training.sources.held_out import hold_out


@pytest.fixture
def source(tmp_path: Path) -> Source:
    names = ("fig", "kale", "leek", "pea")
    photos = [f"train/{name}/{n}.png" for name in names for n in (1, 2)]
    put(tmp_path, *photos, *(f"val/{name}/v.png" for name in names if name != "kale"))
    opened = open_shop(tmp_path)
    return replace(opened, hierarchy=Hierarchy.from_names(["fruit", "leaf", "leaf", "pulse"]))


def test_a_held_out_class_leaves_labels_training_and_coarse_classes(source: Source) -> None:
    left = hold_out(source, ["fig"])
    assert left.labels.names == ("kale", "leek", "pea")
    assert [(photo.name, photo.class_index) for photo in left.train] == [
        ("train/kale/1.png", 0),
        ("train/kale/2.png", 0),
        ("train/leek/1.png", 1),
        ("train/leek/2.png", 1),
        ("train/pea/1.png", 2),
        ("train/pea/2.png", 2),
    ]
    assert [photo.class_index for photo in left.validation] == [1, 2]
    assert left.hierarchy is not None
    assert left.hierarchy.coarse.names == ("leaf", "pulse")
    assert left.hierarchy.parents == (0, 0, 1)


def test_its_validation_photos_are_unknown_things(source: Source) -> None:
    (photo,) = hold_out(source, ["fig"]).unknown
    assert (photo.name, photo.class_index) == ("held-out/val/fig/v.png", UNKNOWN)
    assert kind_of(photo) == "held-out"
    assert photo.read() == source.validation[0].read()


def test_a_class_without_validation_photos_adds_none(source: Source) -> None:
    left = hold_out(source, ["kale", "pea"])
    assert [photo.name for photo in left.unknown] == ["held-out/val/pea/v.png"]
    (note,) = left.notes
    assert note.severity == "note"
    assert "kale; they are not among the unknown things" in note.message


def test_without_any_validation_photos_the_training_photos_are_taken(source: Source) -> None:
    left = hold_out(source, ["kale"])
    assert [photo.name for photo in left.unknown] == [
        "held-out/train/kale/1.png",
        "held-out/train/kale/2.png",
    ]
    (note,) = left.notes
    assert "kale; their training photos are the unknown things" in note.message


def test_one_coarse_class_left_tells_nothing_apart(source: Source) -> None:
    assert hold_out(source, ["fig", "pea"]).hierarchy is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["plum"], r"data.held_out names \['plum'\]: .* has the classes \['fig'"),
        (["fig", "kale", "pea"], "data.held_out leaves too little"),
    ],
)
def test_what_cannot_be_held_out_is_named(source: Source, names: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        hold_out(source, names)


def test_the_settings_hold_out_classes_and_add_clutter() -> None:
    settings = DataSettings(
        train_per_class=1, validation_per_class=2, held_out=("lime", "can"), clutter=5
    )
    opened = open_source(settings)
    assert len(opened.labels) == 14
    assert Counter(map(kind_of, opened.unknown)) == {"held-out": 4, "clutter": 5}
    assert opened.sample_per_class is not None
    assert not [problem for problem in check_source(opened) if problem.severity == "error"]


def test_unknown_photos_are_checked_too(source: Source, tmp_path: Path) -> None:
    put(tmp_path, "unknown/a.png")
    (tmp_path / "unknown/cut.png").write_bytes(b"")
    (tmp_path / "unknown/fig.png").write_bytes((tmp_path / "train/fig/1.png").read_bytes())
    (tmp_path / "unknown/v.png").write_bytes((tmp_path / "val/fig/v.png").read_bytes())
    opened = open_shop(tmp_path)
    problems = check_source(opened)
    found = {problem.leave_out: problem.kind for problem in problems if problem.leave_out}
    assert found == {
        ("unknown/cut.png",): "unreadable",
        ("unknown/fig.png",): "known and unknown",
        ("unknown/v.png",): "known and unknown",
    }
    kept = drop_problems(opened, problems)
    assert [photo.name for photo in kept.unknown] == ["unknown/a.png"]
    assert kept.train == opened.train


def test_a_photo_in_all_three_places_stays_in_validation_alone(
    source: Source, tmp_path: Path
) -> None:
    photo = (tmp_path / "val/fig/v.png").read_bytes()
    for name in ("train/fig/copy.png", "unknown/copy.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photo)
    opened = open_shop(tmp_path)
    problems = check_source(opened)
    (problem,) = [problem for problem in problems if problem.severity == "error"]
    assert problem.leave_out == ("train/fig/copy.png", "unknown/copy.png")
