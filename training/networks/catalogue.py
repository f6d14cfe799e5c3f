"""The networks by name: which there are, how to make one, and how large each is."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from training.errors import ConfigError
from training.networks.ghostnet import GhostNet
from training.networks.ghostnet_v2 import GhostNetV2
from training.networks.ghostnet_v3 import GhostNetV3

# timm's name -> version and width.
NETWORKS: dict[str, tuple[type[GhostNet], float]] = {
    "ghostnet_050": (GhostNet, 0.5),
    "ghostnet_100": (GhostNet, 1.0),
    "ghostnet_130": (GhostNet, 1.3),
    "ghostnetv2_100": (GhostNetV2, 1.0),
    "ghostnetv2_130": (GhostNetV2, 1.3),
    "ghostnetv2_160": (GhostNetV2, 1.6),
    "ghostnetv3_050": (GhostNetV3, 0.5),
    "ghostnetv3_100": (GhostNetV3, 1.0),
    "ghostnetv3_130": (GhostNetV3, 1.3),
    "ghostnetv3_160": (GhostNetV3, 1.6),
}


def create(architecture: str, num_classes: int, dropout: float = 0.2) -> GhostNet:
    """Makes a network by its timm name, in the form that is trained.

    Raises:
        ConfigError: the name is not one of `NETWORKS`, or see `GhostNet`.
    """
    if architecture not in NETWORKS:
        raise ConfigError(f"architecture is {architecture!r}: allowed are {sorted(NETWORKS)}")
    version, width = NETWORKS[architecture]
    return version(num_classes, width, dropout)


@dataclass(frozen=True)
class Size:
    """How large a network is.

    Attributes:
        parameters: trainable values.
        multiply_adds: of all convolutions and linear layers, for one photo.
    """

    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        """Returns it in words."""
        return (
            f"{self.parameters / 1e6:.2f} M parameters, {self.multiply_adds / 1e6:.1f} M "
            "multiply-adds"
        )


def measure(model: nn.Module, input_px: int) -> Size:
    """Returns the size of a network at square photos of `input_px` pixels."""
    return Size(count_parameters(model), count_multiply_adds(model, input_px))


def count_parameters(model: nn.Module) -> int:
    """Returns the number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: nn.Module, input_px: int) -> int:
    """Returns the multiply-adds of all convolutions and linear layers for one photo."""
    total = 0

    def add(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        weight = cast(Tensor, module.weight)
        outputs = output.numel() if isinstance(module, nn.Conv2d) else output.shape[-1]
        total += outputs * weight[0].numel()

    counted = (nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, counted)]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, input_px, input_px))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return total
