"""Training: exact resume after a kill, refusals, and the shape of the recipe."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT, run_command
from training.checkpoint import load_checkpoint
from training.config import DataSettings, ModelSettings, Settings
from training.errors import ConfigError, DataError, StorageError, TrainingError
from training.files import exclusive_lock
from training.learning.parallel import Group
from training.learning.state import STATE_NAME, load_state
from training.learning.train import Run, fit
from training.networks.ghostnet import GhostNet
from training.recipe import DistillSettings, TrainSettings
from training.sources.data import Source, open_source

QUICK = Settings(
    DataSettings(train_per_class=4, validation_per_class=1),
    ModelSettings(architecture="ghostnet_050", input_px=32),
    TrainSettings(epochs=4, batch_size=16, warmup_epochs=1, workers=0, threads=1, ema_decay=0.9),
)


def command_line(settings: Settings, out: Path) -> list[str]:
    config = out.parent / f"{out.name}.toml"
    config.write_text(settings.to_toml())
    return [sys.executable, "-m", "training", "fit", "--config", str(config), "--out", str(out)]


def wait_for(condition: object, process: subprocess.Popen[bytes]) -> None:
    while not condition():
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.01)


def is_within_an_epoch(out: Path) -> bool:
    state = load_state(out, {})
    return state is not None and state.step >= 2


@pytest.mark.slow
def test_a_run_killed_within_an_epoch_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # With a worker process, which outlives an epoch in one run and starts anew in the other;
    # with mixing and dropout, which are random in each step.
    train = replace(
        QUICK.train, workers=1, epochs=2, batch_size=8, save_every_steps=1, mixup=0.2, balance=0.5
    )
    settings = replace(QUICK, train=train)
    fit(settings, open_source(settings.data), whole)

    process = subprocess.Popen(
        command_line(settings, killed),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: is_within_an_epoch(killed), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = load_state(killed, {})
    assert done.step > 0, "it was killed between epochs"
    assert not (killed / "SHA256SUMS").exists()

    resumed = run_command(*command_line(settings, killed)[2:])
    assert resumed.returncode == 0, resumed.stderr
    words = f"after epoch {done.epoch}, step {done.step}"
    assert words in resumed.stdout + resumed.stderr
    first, second = (load_file(run / "model.safetensors") for run in (whole, killed))
    assert all(torch.equal(first[name], second[name]) for name in first)
    histories = [
        json.loads((run / "metrics.json").read_text())["history"] for run in (whole, killed)
    ]
    assert histories[0] == histories[1]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_whoever_prepares_the_photos(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    alone = replace(QUICK, train=replace(QUICK.train, epochs=2))
    helped = replace(alone, train=replace(alone.train, workers=2))
    fit(alone, source, tmp_path / "alone")
    fit(helped, source, tmp_path / "helped")
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("alone", "helped"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_other_settings_labels_or_photos_do_not_resume_and_are_named(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    group = Group(0, 1, torch.device("cpu"))
    Run(QUICK, source, tmp_path, group)._save(1, 0, 0.0)

    def resume(settings: Settings, changed: Source) -> None:
        Run(settings, changed, tmp_path, group)._resume()

    wild = replace(QUICK, train=replace(QUICK.train, learning_rate=0.5))
    with pytest.raises(TrainingError, match=r"its settings differ(.|\n)*\+learning_rate = 0.5"):
        resume(wild, source)
    renamed = replace(source.labels, names=("another", *source.labels.names[1:]))
    gone = re.escape(repr(source.labels.names[0]))
    with pytest.raises(
        TrainingError, match=rf"labels differ(.|\n)*added: 'another'; removed: {gone}"
    ):
        resume(QUICK, replace(source, labels=renamed))
    turned = replace(source.labels, names=source.labels.names[::-1])
    with pytest.raises(TrainingError, match="same classes in another order"):
        resume(QUICK, replace(source, labels=turned))
    relabelled = (replace(source.train[0], class_index=1), *source.train[1:])
    with pytest.raises(TrainingError, match="its photos differ"):
        resume(QUICK, replace(source, train=relabelled))
    resume(QUICK, source)


def test_out_of_memory_says_which_batch_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for a small memory: a real one cannot be filled in a test.
    forward = GhostNet.forward

    def forward_few(self: GhostNet, x_nchw: torch.Tensor) -> torch.Tensor:
        if len(x_nchw) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        return forward(self, x_nchw)

    monkeypatch.setattr(GhostNet, "forward", forward_few)
    with pytest.raises(TrainingError, match=r"batch of 16 .* 32 pixels did not fit .*; 4 does"):
        fit(QUICK, open_source(QUICK.data), tmp_path / "run")


def test_settings_that_the_photos_do_not_allow_are_refused(tmp_path: Path) -> None:
    source = replace(open_source(QUICK.data), hierarchy=None)
    coarse = replace(QUICK, train=replace(QUICK.train, coarse_weight=0.2))
    with pytest.raises(ConfigError, match="no coarse classes"):
        fit(coarse, source, tmp_path / "run")
    frozen = replace(QUICK, train=replace(QUICK.train, frozen_bn=True))
    with pytest.raises(ConfigError, match=r"needs model\.pretrained"):
        fit(frozen, source, tmp_path / "run")


@pytest.mark.slow
def test_the_whole_recipe_at_once_trains_and_a_teacher_is_taken_from(
    tmp_path: Path, trained_checkpoint: Path
) -> None:
    source = open_source(QUICK.data)
    train = replace(
        QUICK.train,
        epochs=2,
        layer_decay=0.8,
        coarse_weight=0.2,
        mixup=0.2,
        cutmix=1.0,
        start_px=32,
        finish_px=64,
        frozen_bn=True,
    )
    weights = str(trained_checkpoint / "model.safetensors")
    settings = Settings(
        QUICK.data,
        replace(QUICK.model, input_px=64, pretrained=weights),
        train,
        DistillSettings(teacher=str(trained_checkpoint), teacher_px=32),
    )
    metrics = fit(settings, source, tmp_path / "run")
    first, second = (
        load_file(at / "model.safetensors") for at in (trained_checkpoint, tmp_path / "run")
    )
    assert torch.equal(first["bn1.running_mean"], second["bn1.running_mean"]), "BN was frozen"
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])
    assert metrics["history"][-1]["train_loss"] < 1.5
    taught = load_checkpoint(tmp_path / "run")
    assert taught.teacher_sha256 == load_checkpoint(trained_checkpoint).sha256
    assert taught.teacher_sha256 in (tmp_path / "run" / "README.md").read_text()
    names = ("another", *source.labels.names[1:])
    other = replace(source, labels=replace(source.labels, names=names))
    with pytest.raises(TrainingError, match=r"teacher .* other classes .*'another'"):
        fit(settings, other, tmp_path / "other")


def test_a_loss_that_is_not_finite_stops_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(QUICK.data)
    monkeypatch.setattr(
        GhostNet, "forward", lambda self, x: self.classifier(torch.full((len(x), 1280), math.nan))
    )
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: the loss is nan .*lower"):
        fit(QUICK, source, tmp_path / "run")
    assert not (tmp_path / "run" / "SHA256SUMS").exists()


def test_no_photos_are_refused(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    with pytest.raises(DataError, match="both training and validation"):
        fit(QUICK, replace(source, validation=()), tmp_path / "run")


def test_a_second_run_in_the_same_folder_is_told(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    with exclusive_lock(tmp_path / ".lock"), pytest.raises(StorageError, match="another process"):
        fit(QUICK, source, tmp_path)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE_NAME).write_bytes(os.urandom(100))
    with pytest.raises(TrainingError, match="cannot resume from"):
        load_state(tmp_path, {})
