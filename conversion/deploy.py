"""The network as it is deployed: raw pixels in, probabilities out, branches merged, no BN.

The mean stays outside of the stem convolution: that one pads with zeros, which mean "average
grey" after normalisation, so folding it in would change the values along the border.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from conversion.errors import ConversionError
from training.networks.branches import merge_all
from training.networks.ghostnet import GhostNet

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


class DeployedNchw(nn.Module):
    """Takes RGB values 0 to 255, float32 [N, 3, H, W]; gives probabilities [N, classes].

    Args:
        model: what follows the normalisation; maps [N, 3, H, W] to logits [N, classes].
        mean: per channel, on the 0-1 scale.
        std: per channel, on the 0-1 scale.
    """

    def __init__(self, model: nn.Module, mean: Rgb, std: Rgb) -> None:
        super().__init__()
        self.model = model
        # (x / 255 - mean) / std, as one subtraction and one multiplication.
        offset = 255 * torch.tensor(mean, dtype=torch.float64)
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", offset.float().reshape(1, 3, 1, 1))
        self.register_buffer("scale", scale.float().reshape(1, 3, 1, 1))

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps pixels to probabilities."""
        logits = self.model((x_nchw - self.offset) * self.scale)
        return torch.softmax(logits, dim=1)


class DeployedNhwc(DeployedNchw):
    """As `DeployedNchw`, but takes [N, H, W, 3], the layout of LiteRT and of camera frames."""

    def forward(self, x_nhwc: Tensor) -> Tensor:
        """Maps pixels to probabilities."""
        return super().forward(x_nhwc.permute(0, 3, 1, 2))


def deploy(model: GhostNet, mean: Rgb, std: Rgb, layout: str) -> DeployedNchw:
    """Returns the fused network with pixel scaling before and softmax after it.

    Args:
        model: a trained network in evaluation mode; it is not changed.
        mean: per channel, on the 0-1 scale.
        std: per channel, on the 0-1 scale.
        layout: "nchw" or "nhwc".

    Raises:
        ConversionError: see `fuse`; or the layout is another one.
    """
    kinds = {"nchw": DeployedNchw, "nhwc": DeployedNhwc}
    if layout not in kinds:
        raise ConversionError(f"layout is {layout!r}: allowed are {', '.join(kinds)}")
    return kinds[layout](fuse(model), mean, std).eval().requires_grad_(False)


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
