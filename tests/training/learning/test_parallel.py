"""Two processes train what one process trains; and end together."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import multiprocessing, nn

from tests.conftest import run_command
from training.config import DataSettings, ModelSettings, Settings
from training.learning.parallel import Group, open_group
from training.learning.train import fit
from training.learning.whole_batch import act_on_whole_batches
from training.networks.catalogue import create
from training.recipe import TrainSettings
from training.sources.data import open_source

ALONE = Group(0, 1, torch.device("cpu"))
Step = dict[str, torch.Tensor]


def take_step(group: Group) -> Step:
    """Gradients and BN statistics of one step in float64, where rounding hides nothing."""
    torch.manual_seed(0)
    network = create("ghostnet_050", 5, 0.2).double()
    act_on_whole_batches(network, group)
    x_nchw, truth = torch.randn(8, 3, 32, 32).double(), torch.randint(5, (8,))
    rows = slice(group.rank * 8 // group.size, (group.rank + 1) * 8 // group.size)
    torch.manual_seed(1)
    wrapped = group.wrap(network.train())  # which must live until the gradients are there
    nn.functional.cross_entropy(wrapped(x_nchw[rows]), truth[rows]).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return gradients | dict(network.named_buffers())


def take_shared_step(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29677", "LOCAL_WORLD_SIZE": "2"}
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", **address)
    with open_group() as group:
        step = take_step(group)
        group.check_equal(str(step["classifier.bias"].tolist()), "gradients")
        assert group.share(rank) == group.share_here(rank) == 0
        if group.is_first:
            torch.save(step, Path(folder) / "step.pt")


@pytest.mark.slow
def test_a_shared_step_has_the_gradients_and_statistics_of_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(take_shared_step, (str(tmp_path),), nprocs=2)
    shared, alone = torch.load(tmp_path / "step.pt"), take_step(ALONE)
    assert shared.keys() == alone.keys()
    for name in alone:
        assert torch.allclose(shared[name], alone[name], rtol=1e-8, atol=1e-11), name


def run_on_two(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    return run_command(*launcher, "training", "fit", "--config", config, "--out", out)


@pytest.mark.slow
def test_torchrun_reaches_the_weights_of_one_process_and_an_error_ends_all(tmp_path: Path) -> None:
    settings = Settings(
        DataSettings(train_per_class=2, validation_per_class=1),
        ModelSettings(architecture="ghostnet_050", input_px=64),
        TrainSettings(
            epochs=2,
            batch_size=16,
            optimizer="sgd",  # Adam makes rounding large where gradients are small
            learning_rate=1e-4,
            warmup_epochs=0,
            mixup=0.2,
            coarse_weight=0.2,
            ema_decay=0.5,
            workers=0,
            threads=1,
        ),
    )
    config = tmp_path / "settings.toml"
    config.write_text(settings.to_toml())
    fit(settings, open_source(settings.data), tmp_path / "one")
    done = run_on_two(config, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top-1") == settings.train.epochs + 1, "one process prints"

    torch.manual_seed(settings.train.seed)
    start = create("ghostnet_050", len(open_source(settings.data).labels)).state_dict()
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    weights = [name for name in one if name.endswith("weight")]
    moved = sum((one[name] - start[name]).square().sum() for name in weights).sqrt()
    apart = sum((one[name] - two[name]).square().sum() for name in weights).sqrt()
    # float32: the sums of BN are rounded in another order. Small steps, so that each one's
    # rounding does not grow through those after it.
    assert moved > 1e-4
    assert apart / moved < 0.05, f"{apart} of {moved}"

    refused = run_on_two(config, tmp_path / "two")
    assert refused.returncode != 0
    assert "process 0 of 2: " in refused.stderr
    assert "holds a finished checkpoint" in refused.stderr


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with open_group() as group:
        assert replace(group, device=ALONE.device) == ALONE
        assert group.is_first
        assert group.share("mine") == group.share_here("mine") == "mine"
        value = torch.ones(2)
        assert group.mean(value) is value
