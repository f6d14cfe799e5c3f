"""A run's list of photos: made once, small, and made again only when something changed."""

import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from training.cli import open_checked
from training.config import DataSettings
from training.errors import DataError
from training.photos import Source
from training.sources import check
from training.sources.check import UNREADABLE, check_source
from training.sources.data import open_source
from training.sources.photo_index import PhotoIndex
from training.sources.source_index import SourceIndex

CLASSES, PER_CLASS = 40, 500


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


def make_folder(root: Path, classes: int, per_class: int) -> Path:
    """Makes a folder source; all photos of a split are hard links to one file."""
    for seed, (split, count) in enumerate((("train", per_class), ("val", 1))):
        first = root / f"{split}.jpg"
        root.mkdir(exist_ok=True)
        first.write_bytes(jpeg(seed))
        for number in range(classes):
            folder = root / split / f"class {number:03}"
            folder.mkdir(parents=True)
            for photo in range(count):
                os.link(first, folder / f"{photo:06}.jpg")
    return root


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("many") / "photos", CLASSES, PER_CLASS)


@pytest.fixture
def few(tmp_path: Path) -> DataSettings:
    """Photos that all differ, in every class and split."""
    for seed, name in enumerate(("train/a/1", "train/a/2", "train/b/1", "val/a/1", "val/b/1")):
        file = tmp_path / "few" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(seed))
    return DataSettings(source="folder", path=str(tmp_path / "few"))


@contextmanager
def count_listings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts how often each folder is listed, by whatever of Python's ways."""
    listed: Counter[str] = Counter()
    with monkeypatch.context() as patched:
        for name in ("scandir", "listdir"):
            true: Callable[..., object] = getattr(os, name)

            def counting(path: str, true: Callable[..., object] = true) -> object:
                listed[os.fspath(path)] += 1
                return true(path)

            patched.setattr(os, name, counting)
        yield listed


# In a process of its own: what other tests left behind would be counted too.
MEASURE_PEAK = """
import sys, tracemalloc
from pathlib import Path
from training.config import DataSettings
from training.sources.data import open_source
from training.sources.source_index import SourceIndex

warm, photos, run = sys.argv[1:]
open_source(DataSettings(source="folder", path=warm))
settings = DataSettings(source="folder", path=photos)
tracemalloc.start()
source = open_source(settings, SourceIndex(Path(run), settings))
print(tracemalloc.get_traced_memory()[1] / len(source.train))
"""


def test_a_large_folder_takes_no_memory(many: Path, tmp_path: Path) -> None:
    warm = make_folder(tmp_path / "warm", 2, 1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE_PEAK, warm, many, tmp_path / "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100  # bytes a photo, at the peak


def test_a_large_folder_is_listed_once(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DataSettings(source="folder", path=str(many))
    index = SourceIndex(tmp_path / "run", settings)
    with count_listings(monkeypatch) as listed:
        source = open_source(settings, index)
        assert len(source.train) == CLASSES * PER_CLASS
        again = open_source(settings, index)
    # A class is one name in its split, and a split is read twice: for its classes, and for files
    # beside them. No folder of photos is read twice.
    assert listed[str(many / "train" / "class 007")] == 1
    assert {path: times for path, times in listed.items() if "class" in path and times > 1} == {}
    assert again.train == source.train
    assert again.validation == source.validation
    assert (again.labels, again.notes, again.name) == (source.labels, source.notes, source.name)


def open_twice(settings: DataSettings, folder: Path, change: Callable[[], object]) -> list[Source]:
    index = SourceIndex(folder, settings)
    first = open_source(settings, index)
    change()
    return [first, open_source(settings, index)]


def test_a_photo_that_was_added_is_seen(few: DataSettings, tmp_path: Path) -> None:
    added = Path(few.path) / "train" / "b" / "2.jpg"
    before, after = open_twice(few, tmp_path / "run", lambda: added.write_bytes(jpeg(9)))
    assert len(after.train) == len(before.train) + 1


def test_an_order_of_labels_that_was_added_is_seen(few: DataSettings, tmp_path: Path) -> None:
    order = Path(few.path) / "labels.txt"
    before, after = open_twice(few, tmp_path / "run", lambda: order.write_text("b\na\n"))
    assert after.labels.names == before.labels.names[::-1]
    _, changed = open_twice(few, tmp_path / "run", lambda: order.write_text("a\nb\n"))
    assert changed.labels == before.labels


def test_other_settings_make_another_list(few: DataSettings, tmp_path: Path) -> None:
    open_source(few, SourceIndex(tmp_path / "run", few))
    other = replace(few, clutter=3)
    opened = open_source(other, SourceIndex(tmp_path / "run", other))
    assert len(opened.unknown) == 3


@pytest.mark.parametrize("damage", ["{", "[]", ""])
def test_a_damaged_list_is_made_again(few: DataSettings, tmp_path: Path, damage: str) -> None:
    description = tmp_path / "run" / "source.json"
    before, after = open_twice(few, tmp_path / "run", lambda: description.write_text(damage))
    assert after.train == before.train
    names = tmp_path / "run" / "train.names"
    before, after = open_twice(few, tmp_path / "run", names.unlink)
    assert after.train == before.train


def test_held_out_classes_come_from_the_kept_list(few: DataSettings, tmp_path: Path) -> None:
    for number in (1, 2):
        folder = Path(few.path) / ("train", "val")[number - 1] / "c"
        folder.mkdir()
        (folder / "1.jpg").write_bytes(jpeg(20 + number))
    settings = replace(few, held_out=("b",))
    first, again = open_twice(settings, tmp_path / "run", lambda: None)
    assert first.labels.names == ("a", "c")
    assert isinstance(again.train, PhotoIndex)
    assert again.train == first.train
    assert list(again.unknown) == list(first.unknown)


def test_photos_are_checked_once(
    few: DataSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    look = check._look_at
    monkeypatch.setattr(
        check, "_look_at", lambda photo, *more: (looked.append(photo.name), look(photo, *more))[1]
    )
    index = SourceIndex(tmp_path / "run", few)
    first, again = open_checked(few, index), open_checked(few, index)
    assert len(looked) == len(set(looked)) == 5
    assert again.train == first.train


def test_errors_are_kept_only_where_training_goes_on_without_the_photos(
    few: DataSettings, tmp_path: Path
) -> None:
    broken = Path(few.path) / "train" / "a" / "1.jpg"
    broken.write_bytes(b"broken")
    with pytest.raises(DataError, match="1 problem,"):
        open_checked(few, SourceIndex(tmp_path / "run", few))
    skipping = replace(few, skip_problems=True)
    for _ in range(2):
        source = open_checked(skipping, SourceIndex(tmp_path / "skipping", skipping))
        assert [photo.name for photo in source.train] == ["train/a/2.jpg", "train/b/1.jpg"]
    # Mended without a change of its folder.
    broken.write_bytes(jpeg(0))
    assert len(open_checked(few, SourceIndex(tmp_path / "run", few)).train) == 3


def test_a_csv_and_its_list_are_the_same_photos(few: DataSettings, tmp_path: Path) -> None:
    table = Path(few.path) / "photos.csv"
    rows = ["train/a/1.jpg,a,train", "train/b/1.jpg,b,train", "val/a/1.jpg,a,val"]
    table.write_text("\n".join(["path,label,split", *rows]))
    settings = replace(few, source="csv", path=str(table))
    row = "\nval/b/1.jpg,b,val"
    before, after = open_twice(
        settings, tmp_path / "run", lambda: table.write_text(table.read_text() + row)
    )
    assert (len(before.validation), len(after.validation)) == (1, 2)
    _, kept = open_twice(settings, tmp_path / "run", lambda: None)
    assert kept.train == after.train
    assert kept.validation == after.validation


def test_the_check_of_many_copies_names_them_once(many: Path) -> None:
    source = open_source(DataSettings(source="folder", path=str(many)))
    part = replace(source, train=source.train[:1100:100], validation=source.validation[:1])
    problems = check_source(part, workers=1)
    assert UNREADABLE not in {problem.kind for problem in problems}
    assert [len(problem.photos) for problem in problems if problem.photos] == [11]
