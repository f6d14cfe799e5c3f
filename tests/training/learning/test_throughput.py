"""The benchmark of training: it trains both ways on the same photos, and counts honestly."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from training.cli import main
from training.config import DataSettings, ModelSettings, Settings
from training.errors import DataError
from training.learning.augment import Augment
from training.learning.plain_loop import PlainLoop, PlainPhotos
from training.learning.throughput import (
    OURS,
    PLAIN,
    Throughput,
    Turn,
    measure_throughput,
    write_photos,
)
from training.recipe import TrainSettings
from training.sources.data import open_source

SETTINGS = Settings(
    DataSettings(train_per_class=1, validation_per_class=1),
    ModelSettings(architecture="ghostnet_050", input_px=32),
    TrainSettings(batch_size=4, workers=0, threads=1, mixup=0.2, erase_share=0.5),
)


def test_both_are_measured_on_the_photos_that_were_asked_for() -> None:
    told: list[str] = []
    source = open_source(SETTINGS.data)
    found = measure_throughput(SETTINGS, source, 2, 2, False, told.append)
    assert found.photos == 8
    assert set(found.turns) == {PLAIN, OURS}
    for turns in found.turns.values():
        assert len(turns) == 2
        assert all(turn.wall_s > 0 and turn.processor_s > 0 for turn in turns)
    assert len(told) == 4
    assert OURS in found.to_markdown()
    with pytest.raises(DataError, match="need 400"):
        measure_throughput(SETTINGS, source, 100, 1, False, told.append)


def test_decoding_once_counts_against_ours() -> None:
    turns = {PLAIN: [Turn(10.0, 20.0)], OURS: [Turn(5.0, 4.0)]}
    # Decoding adds 50 s by the clock and 60 s of processor time over 10 epochs.
    found = Throughput(turns, Turn(50.0, 60.0), 10, 100, "")
    assert found.ratios(PLAIN) == found.ratios(OURS) == [1.0]
    assert found.ratios(OURS, "processor_s") == [2.0]
    assert replace(found, decoding=Turn(0.0, 0.0)).ratios(OURS) == [2.0]


def test_the_plain_loop_sees_photos_that_are_changed_as_ours_are(tmp_path: Path) -> None:
    photos = write_photos(open_source(SETTINGS.data).train, 4, tmp_path)
    train = replace(SETTINGS.train, policy="none", erase_share=0.0)
    plain, augment = PlainPhotos(photos, train, 32), Augment(train)
    random = np.random.default_rng(0)
    for index, photo in enumerate(photos):
        torch.manual_seed(0)
        theirs = torch.stack([plain[index][0] for _ in range(100)])
        with Image.open(photo.read.path) as image:  # type: ignore[attr-defined]
            pixels = np.array(image.convert("RGB"))
        ours = np.stack([augment(pixels, 32, random) for _ in range(100)]) / 255.0
        mean, deviation = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
        shown = theirs.mean((0, 2, 3)) * deviation + mean
        assert np.abs(shown.numpy() - ours.mean((0, 1, 2))).max() < 0.03


def test_the_plain_loop_learns(tmp_path: Path) -> None:
    photos = write_photos(open_source(SETTINGS.data).train, 4, tmp_path)
    train = replace(SETTINGS.train, mixup=0.0, erase_share=0.0, policy="none", label_smoothing=0.0)
    torch.manual_seed(0)
    loop = PlainLoop(replace(SETTINGS, train=train), photos, 16)
    losses = [loop.train_epoch() for _ in range(12)]
    assert losses[-1] < losses[0]


def test_the_command_prints_the_ratio() -> None:
    values = ("data.train_per_class=1", "model.input_px=32", "train.batch_size=4")
    more = ("model.architecture=ghostnet_050", "train.workers=0", "train.threads=1")
    options = [part for value in (*values, *more) for part in ("--set", value)]
    done = CliRunner().invoke(main, ["benchmark", "--steps", "1", "--rounds", "1", *options])
    assert done.exit_code == 0, done.output
    assert "times as fast as a plain PyTorch loop" in done.output
