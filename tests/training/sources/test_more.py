"""Photos of other manifests beside a source's own."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import run_command
from tests.training.sources.test_data import put
from training.cli import find_all_data
from training.config import DataSettings
from training.errors import ConfigError, DataError
from training.photos import UNKNOWN, Source
from training.sources.check import IN_BOTH_SPLITS, TWO_LABELS, check_source
from training.sources.data import open_source
from training.sources.more import add_manifests
from training.sources.source_index import SourceIndex
from training.sources.synthetic import open_synthetic

Write = Callable[..., Path]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return put(tmp_path / "shop", "train/pea/1.png", "train/fig/2.png", "val/pea/3.png")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*rows: str, header: str = "path,label,split") -> Path:
        folder = put(tmp_path / "corrections", "a.png", "b.png", "c.png")
        (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
        return folder

    return write


def open_both(*paths: Path) -> Source:
    return open_source(find_all_data([str(path) for path in paths], DataSettings()))


def test_their_photos_are_trained_on_and_those_of_no_label_measured(
    shop: Path, write: Write
) -> None:
    more = write("a.png,pea,train", "b.png,,unknown")
    alone, both = open_both(shop), open_both(shop, more)
    assert both.labels == alone.labels
    assert both.name == "folder shop and corrections"
    assert list(both.train[:2]) == list(alone.train)
    assert (both.train[2].name, both.train[2].class_index) == ("../corrections/a.png", 1)
    assert both.train[2].read() == (more / "a.png").read_bytes()
    assert both.validation == alone.validation
    assert [photo.class_index for photo in both.unknown] == [UNKNOWN]
    assert both.unknown[0].read() == (more / "b.png").read_bytes()
    assert not [one for one in check_source(both) if one.severity == "error"]


def test_a_manifest_is_named_by_its_folder_or_itself(shop: Path, write: Write) -> None:
    more = write("a.png,pea,train")
    assert open_both(shop, more).train == open_both(shop, more / "manifest.csv").train


def test_labels_that_the_first_lacks_come_behind_its_own(shop: Path, write: Write) -> None:
    (shop / "labels.txt").write_text("pea\nfig\n")
    both = open_both(shop, write("a.png,bean,train", "b.png,kale,train", "c.png,fig,train"))
    assert both.labels.names == ("pea", "fig", "bean", "kale")
    assert sorted(photo.class_index for photo in both.train) == [0, 1, 1, 2, 3]


def test_a_new_label_needs_a_coarse_class_where_others_have_one(shop: Path, write: Write) -> None:
    (shop / "hierarchy.csv").write_text("label,coarse\npea,pulse\nfig,fruit\n")
    with pytest.raises(DataError, match=r"new label 'kale' needs one coarse class; .* name none"):
        open_both(shop, write("a.png,kale,train"))
    header = "path,label,split,coarse"
    both = open_both(shop, write("a.png,kale,train,leaf", "b.png,fig,train,", header=header))
    assert both.hierarchy is not None
    assert [both.hierarchy.coarse.names[at] for at in both.hierarchy.parents] == [
        "fruit",
        "pulse",
        "leaf",
    ]


@pytest.mark.parametrize("split", ["val", "validation", "test"])
def test_what_is_measured_stays_that_of_the_first(shop: Path, write: Write, split: str) -> None:
    with pytest.raises(DataError, match=r"line 2: split is .*allowed are train and unknown"):
        open_both(shop, write(f"a.png,pea,{split}"))


def test_a_photo_to_measure_on_is_found_among_them(shop: Path, write: Write) -> None:
    more = write("a.png,pea,train", "b.png,fig,train")
    shutil.copy(shop / "val/pea/3.png", more / "a.png")
    shutil.copy(shop / "train/pea/1.png", more / "b.png")
    found = {one.kind: one.photos for one in check_source(open_both(shop, more))}
    assert found[IN_BOTH_SPLITS] == ("../corrections/a.png", "val/pea/3.png")
    assert found[TWO_LABELS] == ("train/pea/1.png", "../corrections/b.png")


def test_the_kept_list_counts_until_a_manifest_changes(
    shop: Path, write: Write, tmp_path: Path
) -> None:
    settings = find_all_data([str(shop), str(write("a.png,pea,train"))], DataSettings())
    index = SourceIndex(tmp_path / "kept", settings)
    first = open_source(settings, index)
    assert open_source(settings, index).train == first.train
    write("a.png,pea,train", "b.png,fig,train")
    assert len(open_source(settings, index).train) == len(first.train) + 1
    alone = replace(settings, more=())
    assert len(open_source(alone, SourceIndex(tmp_path / "kept", alone)).train) == 2


def test_drawn_photos_can_be_joined_by_real_ones_which_are_all_checked(write: Write) -> None:
    drawn = open_synthetic(seed=0, train_per_class=2, validation_per_class=1)
    both = add_manifests(drawn, [write(f"a.png,{drawn.labels.names[3]},train")])
    assert both.train[-1].class_index == 3
    assert both.sample_per_class is None


def test_a_path_without_a_manifest_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no manifest at .*nothing: .* allowed are CSV files"):
        find_all_data([str(shop), str(tmp_path / "nothing")], DataSettings())
    with pytest.raises(ConfigError, match="no manifest at"):
        find_all_data([str(shop), str(shop)], DataSettings())


def test_the_check_takes_several(shop: Path, write: Write) -> None:
    done = run_command("training", "check", shop, write("a.png,kale,train"))
    assert done.returncode == 0, done.stderr
    assert "folder shop and corrections: 3 classes, 3 training" in done.stdout
