"""The built-in photos: the same from the same seed, different everywhere else."""

import io
import multiprocessing
import pickle

import numpy as np
import pytest
from PIL import Image

from training.config import DataSettings
from training.preprocess import Preprocess, decode_photo
from training.sources.data import check_source, count_checked, open_source
from training.sources.synthetic import KINDS, LABELS, SyntheticPhoto, contact_sheet, open_synthetic


def test_a_photo_can_be_drawn_alone_in_any_order() -> None:
    photos = open_synthetic(7, 2, 1).train
    forwards = [photo.read() for photo in photos]
    backwards = [photo.read() for photo in reversed(photos)]
    assert forwards == backwards[::-1]
    assert pickle.loads(pickle.dumps(photos[3])).read() == forwards[3]


def test_another_process_draws_the_same_photo() -> None:
    photo = SyntheticPhoto(3, 1, 5, 2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(photo) == photo()


def test_seed_split_class_and_number_each_change_the_photo() -> None:
    photos = [
        SyntheticPhoto(0, 0, 0, 0),
        SyntheticPhoto(1, 0, 0, 0),
        SyntheticPhoto(0, 1, 0, 0),
        SyntheticPhoto(0, 0, 1, 0),
        SyntheticPhoto(0, 0, 0, 1),
    ]
    assert len({photo() for photo in photos}) == len(photos)


def test_the_first_photos_stay_when_more_are_asked_for() -> None:
    few, many = open_synthetic(0, 2, 1), open_synthetic(0, 5, 1)
    assert set(few.train) < set(many.train)


def test_the_source_has_what_the_settings_ask_for() -> None:
    source = open_source(DataSettings(seed=2, train_per_class=3, validation_per_class=2))
    assert len(source.labels) >= 12
    assert len(source.train) == 3 * len(source.labels)
    assert len(source.validation) == 2 * len(source.labels)
    names = [photo.name for photo in (*source.train, *source.validation)]
    assert len(set(names)) == len(names)
    assert "CC0" in source.licence
    assert source.hierarchy is not None
    parents = dict(zip(source.labels.names, source.hierarchy.parents, strict=True))
    assert parents["lemon"] == parents["orange"] != parents["tomato"]


@pytest.mark.parametrize("label", LABELS.names)
def test_every_class_gives_jpegs_of_varied_content(label: str) -> None:
    photos = [SyntheticPhoto(0, 0, LABELS.index(label), number)() for number in range(8)]
    pixels = [Preprocess(64, 64).read(photo) for photo in photos]
    for photo, values in zip(photos, pixels, strict=True):
        with Image.open(io.BytesIO(photo)) as image:
            assert image.format == "JPEG"
            assert min(image.size) >= 160
        assert values.std() > 10
    assert np.stack(pixels).std(axis=0).mean() > 25


def test_the_items_are_what_tells_the_classes_apart() -> None:
    """The middle of an orange is orange, of a lime green, of a milk carton light and grey."""

    def centre(label: str) -> np.ndarray:
        photos = [SyntheticPhoto(0, 0, LABELS.index(label), number)() for number in range(24)]
        images = [decode_photo(photo) for photo in photos]
        middles = [image.resize((9, 9), Image.Resampling.BOX).getpixel((4, 4)) for image in images]
        return np.median(np.asarray(middles), axis=0)

    red, green, blue = centre("orange")
    assert red > green > blue + 20
    red, green, blue = centre("lime")
    assert green > red > blue
    assert centre("tomato")[0] > 2 * centre("tomato")[1]
    assert centre("milk carton").min() > centre("aubergine").max()


def test_the_check_decodes_a_sample_and_says_so() -> None:
    source = open_synthetic(0, 12, 2)
    ticks: list[None] = []
    (note,) = check_source(source, tick=lambda: ticks.append(None))
    assert note.severity == "note"
    assert len(ticks) == count_checked(source) == 12 * len(KINDS)
    assert f"{len(ticks)} of {14 * len(KINDS)} photos were decoded" in note.message


def test_a_small_set_is_checked_whole() -> None:
    assert check_source(open_synthetic(0, 2, 1)) == []


def test_the_contact_sheet_shows_every_class() -> None:
    sheet = contact_sheet(2, 0)
    cell = sheet.height // len(LABELS)
    rows = np.asarray(sheet.convert("L")).reshape(len(LABELS), cell, -1)
    assert (rows.std(axis=(1, 2)) > 10).all()
