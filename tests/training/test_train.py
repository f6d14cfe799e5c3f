"""Training: exact resume after a kill, refusals, and the shape of the recipe."""

import itertools
import math
import os
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
from training.config import DataSettings, ModelSettings, Settings
from training.data import open_source
from training.errors import DataError, StorageError, TrainingError
from training.files import exclusive_lock
from training.ghostnet import GhostNet
from training.optimise import learning_rate_at, make_optimizer
from training.recipe import TrainSettings
from training.state import STATE_NAME, load_state
from training.train import fit

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


@pytest.mark.slow
def test_a_run_killed_between_epochs_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # With a worker process, which outlives an epoch in one run and starts anew in the other.
    settings = replace(QUICK, train=replace(QUICK.train, workers=1))
    fit(settings, open_source(settings.data), whole)

    process = subprocess.Popen(
        command_line(settings, killed),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_for((killed / STATE_NAME).exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = load_state(killed, {}).epoch
    assert 1 <= done < settings.train.epochs
    assert not (killed / "SHA256SUMS").exists()

    resumed = run_command(*command_line(settings, killed)[2:])
    assert resumed.returncode == 0, resumed.stderr
    assert f"after epoch {done}" in resumed.stdout + resumed.stderr
    first, second = (load_file(run / "model.safetensors") for run in (whole, killed))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / "metrics.json").read_bytes() == (killed / "metrics.json").read_bytes()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_whoever_prepares_the_photos(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    alone = replace(QUICK, train=replace(QUICK.train, epochs=2))
    helped = replace(alone, train=replace(alone.train, workers=2))
    fit(alone, source, tmp_path / "alone")
    fit(helped, source, tmp_path / "helped")
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("alone", "helped"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_other_settings_or_labels_do_not_resume(tmp_path: Path) -> None:
    source = open_source(QUICK.data)
    wild = replace(QUICK, train=replace(QUICK.train, learning_rate=10.0, optimizer="sgd"))
    out = tmp_path / "run"
    process = subprocess.Popen(
        command_line(QUICK, out), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    wait_for((out / STATE_NAME).exists, process)
    process.kill()
    process.wait()
    with pytest.raises(TrainingError, match="its settings differ"):
        fit(wild, source, out)
    names = ("another", *source.labels.names[1:])
    with pytest.raises(TrainingError, match="its labels differ"):
        fit(QUICK, replace(source, labels=replace(source.labels, names=names)), out)


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


def test_rate_warms_up_and_falls_to_zero() -> None:
    train = TrainSettings(epochs=10, warmup_epochs=2, learning_rate=1.0)
    rates = [learning_rate_at(train, step / 10) for step in range(101)]
    assert 0 < rates[0] < 0.02
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates.index(max(rates)) == 20
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_spares_biases_and_bn(name: str) -> None:
    model = GhostNet(3, 0.5)
    optimizer = make_optimizer(model, TrainSettings(optimizer=name, weight_decay=0.1))
    decay = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    for parameter_name, parameter in model.named_parameters():
        is_weight = parameter.ndim > 1
        assert decay[id(parameter)] == (0.1 if is_weight else 0), parameter_name
