"""Drawn clutter: the same from the same seed, varied otherwise."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from training.photos import UNKNOWN, kind_of
from training.preprocess import Preprocess
from training.sources.clutter import SCENES, ClutterPhoto, draw_clutter, scene_of
from training.sources.synthetic import SyntheticPhoto


def test_a_photo_can_be_drawn_alone_in_any_order() -> None:
    photos = draw_clutter(5, 3)
    forwards = [photo.read() for photo in photos]
    assert forwards == [photo.read() for photo in reversed(photos)][::-1]
    assert pickle.loads(pickle.dumps(photos[1])).read() == forwards[1]
    assert draw_clutter(5, 9)[:3] == photos


def test_seed_and_number_change_the_photo() -> None:
    numbers = (0, len(SCENES), 2 * len(SCENES))
    photos = [ClutterPhoto(seed, number)() for seed in (0, 1) for number in numbers]
    assert len(set(photos)) == len(photos)
    assert ClutterPhoto(0, 0)() != SyntheticPhoto(0, 0, 0, 0)()


def test_scenes_take_turns_and_every_photo_is_clutter() -> None:
    photos = draw_clutter(0, 2 * len(SCENES))
    assert {photo.class_index for photo in photos} == {UNKNOWN}
    assert {kind_of(photo) for photo in photos} == {"clutter"}
    assert [photo.name.split("/")[1] for photo in photos] == 2 * list(SCENES)


@pytest.mark.parametrize("number", range(len(SCENES)), ids=scene_of)
def test_every_scene_gives_jpegs_that_differ(number: int) -> None:
    photos = [ClutterPhoto(3, number + turn * len(SCENES))() for turn in range(4)]
    pixels = np.stack([Preprocess(64, 64).read(photo) for photo in photos])
    with Image.open(io.BytesIO(photos[0])) as image:
        assert image.format == "JPEG"
        assert min(image.size) >= 224
    assert pixels.std(axis=0).mean() > 10
