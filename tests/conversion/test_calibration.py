"""Calibration photos: of the training split, spread over the classes, or a clear error."""

from dataclasses import replace

import numpy as np
import pytest

from conversion.calibration import read_calibration
from conversion.errors import ConversionError
from training.config import DataSettings
from training.preprocess import Preprocess
from training.sources.data import open_source

DATA = DataSettings(train_per_class=3, validation_per_class=2)
PREPROCESS = Preprocess.for_input(32)


def test_photos_come_from_train_and_from_every_class():
    source = open_source(DATA)
    read = read_calibration(DATA, source.labels, PREPROCESS, 16)
    assert read.x_nhwc.shape == (16, 32, 32, 3)
    train = [PREPROCESS.read(photo.read()) for photo in source.train]
    places = [next(i for i, x in enumerate(train) if (x == y).all()) for y in read.x_nhwc]
    assert {source.train[place].class_index for place in places} == set(range(16))


def test_fewer_photos_than_asked_for_are_all_of_them():
    source = open_source(DATA)
    assert len(read_calibration(DATA, source.labels, PREPROCESS, 999).x_nhwc) == len(source.train)


def test_the_hash_is_that_of_the_pixels():
    labels = open_source(DATA).labels
    one = read_calibration(DATA, labels, PREPROCESS, 8)
    assert one.describe() == read_calibration(DATA, labels, PREPROCESS, 8).describe()
    other = replace(one, x_nhwc=np.flip(one.x_nhwc, axis=3).copy())
    assert other.describe()["sha256"] != one.describe()["sha256"]


def test_a_source_that_is_gone_says_what_to_do(tmp_path):
    labels = open_source(DATA).labels
    gone = DataSettings(source="folder", path=str(tmp_path / "gone"))
    with pytest.raises(ConversionError, match="--data, or leave the int8 variants out"):
        read_calibration(gone, labels, PREPROCESS, 8)


def test_other_classes_are_refused():
    labels = open_source(DATA).labels
    fewer = type(labels)(labels.names[:-1])
    with pytest.raises(ConversionError, match="other classes than the checkpoint"):
        read_calibration(DATA, fewer, PREPROCESS, 8)
