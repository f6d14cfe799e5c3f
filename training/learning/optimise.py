"""How weights change: the optimizer, the rate of each stage of the network, and the schedule."""

import math
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from training.networks.ghostnet import GhostNet
from training.recipe import TrainSettings


def make_optimizer(model: GhostNet, train: TrainSettings) -> Optimizer:
    """Makes the optimizer, with a group of parameters for each rate and weight decay.

    Weight decay spares biases and BN, whose tensors have one dimension. Each group carries
    `rate_scale`, the share of the schedule's rate that its stage takes.
    """
    stages = model.layer_groups()
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        after = _count_stages_after(name, stages)
        scale = train.layer_decay**after
        decays = parameter.ndim > 1
        group = groups.setdefault(
            (scale, decays),
            {
                "params": [],
                "weight_decay": train.weight_decay if decays else 0.0,
                "rate_scale": scale,
            },
        )
        group["params"].append(parameter)
    parameters = list(groups.values())
    if train.optimizer == "sgd":
        return SGD(parameters, train.learning_rate, momentum=0.9, nesterov=True)
    return AdamW(parameters, train.learning_rate, fused=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Gives each group of parameters its share of the schedule's rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_scale"]


def learning_rate_at(train: TrainSettings, epoch: float) -> float:
    """Returns the rate of linear warm-up followed by a cosine to zero.

    Args:
        train: the recipe.
        epoch: epochs done so far, with their fraction, 0 to `train.epochs`.
    """
    if epoch < train.warmup_epochs:
        # Never zero: the first step would be wasted.
        return train.learning_rate * (epoch + 0.01) / (train.warmup_epochs + 0.01)
    progress = (epoch - train.warmup_epochs) / (train.epochs - train.warmup_epochs)
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def start_training_mode(model: nn.Module, frozen_bn: bool) -> None:
    """Puts a network into training mode; frozen BN keeps using the statistics that it has."""
    model.train()
    if frozen_bn:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def advise_on_average(decay: float, steps: int) -> str | None:
    """Says in words where the average of the weights spans too much of a run.

    An average with decay d spans about 1 / (1 - d) steps. Over half of the run, it still holds
    weights from when the network knew little, and answers worse than the last weights alone.

    Args:
        decay: `train.ema_decay`.
        steps: steps of the whole run.

    Returns:
        The advice, or None where there is nothing to say.
    """
    span = 1 / (1 - decay)
    if decay == 0 or span <= steps / 2:
        return None
    fitting = max(0.0, 1 - 8 / steps)
    return (
        f"train.ema_decay={decay:g} averages over about {span:.0f} steps, but the run has {steps}: "
        f"{fitting:.3g} would span an eighth of it"
    )


def _count_stages_after(name: str, stages: list[list[str]]) -> int:
    """Returns how many stages follow the one of a parameter; none after the classifier's."""
    for index, prefixes in enumerate(stages):
        if name.startswith(tuple(prefixes)):
            return len(stages) - 1 - index
    raise KeyError(f"no stage holds {name}")
