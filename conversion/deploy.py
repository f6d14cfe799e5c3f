"""The network as it is deployed: raw pixels in, probabilities and known score out, no BN.

The mean stays outside of the stem convolution: that one pads with zeros, which mean "average
grey" after normalisation, so folding it in would change the values along the border.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from conversion.errors import ConversionError
from training.checkpoint import Checkpoint
from training.feature_density import FeatureDensity
from training.networks.branches import merge_all
from training.networks.ghostnet import GhostNet
from training.networks.known_score import KnownScore

Rgb = tuple[float, float, float]


def fuse(model: nn.Module) -> nn.Module:
    """Returns a copy whose branches are merged, and every BN folded into the convolution before.

    Args:
        model: in evaluation mode; a BN that is no branch of a
            `training.networks.branches.Branched` module must be registered right
            after its convolution, as all networks do.

    Raises:
        ConversionError: the model is in training mode, or a BN has no convolution before it.
    """
    if model.training:
        raise ConversionError("cannot fuse a model in training mode: its BN statistics move")
    fused = merge_all(model)
    for parent in list(fused.modules()):
        _fuse_children(parent)
    left = [name for name, module in fused.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ConversionError(f"no convolution stands right before {', '.join(left)}")
    return fused


def _fuse_children(parent: nn.Module) -> None:
    children = list(parent.named_children())
    for (conv_name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(parent, norm_name, nn.Identity())


class Network(nn.Module):
    """A network that gives its features beside its logits.

    A module of its own: converters tell ops apart by the module that calls them, and what is
    quantised in a network is not to be quantised around it.

    Args:
        network: gives features by `embed`, and logits of them by `classifier`.
    """

    def __init__(self, network: GhostNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, Tensor]:
        """Maps normalised pixels [N, 3, H, W] to features [N, 1280] and logits [N, classes]."""
        features = self.network.embed(x_nchw)
        return features, self.network.classifier(features)


class DeployedNchw(nn.Module):
    """Takes RGB values 0 to 255, float32 [N, 3, H, W]; gives probabilities and known score.

    Args:
        model: what follows the normalisation; maps [N, 3, H, W] to features [N, features] and
            logits [N, classes].
        known_score: maps features to scores [N, 1].
        mean: per channel, on the 0-1 scale.
        std: per channel, on the 0-1 scale.
    """

    def __init__(self, model: nn.Module, known_score: nn.Module, mean: Rgb, std: Rgb) -> None:
        super().__init__()
        self.model = model
        self.known_score = known_score
        # (x / 255 - mean) / std, as one subtraction and one multiplication.
        offset = 255 * torch.tensor(mean, dtype=torch.float64)
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", offset.float().reshape(1, 3, 1, 1))
        self.register_buffer("scale", scale.float().reshape(1, 3, 1, 1))

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, Tensor]:
        """Maps pixels to probabilities [N, classes] and known scores [N, 1]."""
        features, logits = self.model((x_nchw - self.offset) * self.scale)
        return torch.softmax(logits, dim=1), self.known_score(features)


class DeployedNhwc(DeployedNchw):
    """As `DeployedNchw`, but takes [N, H, W, 3], the layout of LiteRT and of camera frames."""

    def forward(self, x_nhwc: Tensor) -> tuple[Tensor, Tensor]:
        """Maps pixels to probabilities [N, classes] and known scores [N, 1]."""
        return super().forward(x_nhwc.permute(0, 3, 1, 2))


def deploy(
    model: GhostNet, density: FeatureDensity, mean: Rgb, std: Rgb, layout: str
) -> DeployedNchw:
    """Returns the fused network with pixel scaling before, softmax and known score after it.

    Args:
        model: a trained network in evaluation mode; it is not changed.
        density: of its features on the training photos.
        mean: per channel, on the 0-1 scale.
        std: per channel, on the 0-1 scale.
        layout: "nchw" or "nhwc".

    Raises:
        ConversionError: see `fuse`; or the layout is another one.
    """
    kinds = {"nchw": DeployedNchw, "nhwc": DeployedNhwc}
    if layout not in kinds:
        raise ConversionError(f"layout is {layout!r}: allowed are {', '.join(kinds)}")
    network = Network(cast(GhostNet, fuse(model)))
    return kinds[layout](network, KnownScore(density), mean, std).eval().requires_grad_(False)


def deploy_checkpoint(checkpoint: Checkpoint, layout: str) -> DeployedNchw:
    """Returns a checkpoint's network as `deploy` makes it; layout is "nchw" or "nhwc"."""
    normalise = checkpoint.normalise
    return deploy(checkpoint.model, checkpoint.density, normalise.mean, normalise.std, layout)


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs torch on one CPU thread inside of the block.

    The ops of one photo are too small to share: two threads gain nothing on idle cores, and on
    busy ones they wait for each other at every op, which was measured as up to 17 times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
