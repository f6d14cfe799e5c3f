"""GhostNetV2 (Tang et al., NeurIPS 2022, arXiv 2211.12905): GhostNet with DFC attention.

Parameter names follow timm's `ghostnetv2_100.in1k`, which are the authors'.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.ghostnet import GhostBottleneck, GhostModule, GhostNet, Row

# The authors leave attention out of the first two bottlenecks, where photos are largest.
FIRST_ATTENTIVE = 2
_SPAN = 5  # places along a row and along a column that one gate depends on


def make_attention(inputs: int, outputs: int) -> nn.Sequential:
    """Returns DFC attention without its pooling and its sigmoid (figure 4).

    The paper's fully connected layers along rows and columns are depthwise convolutions of 1x5
    and 5x1 in the authors' code, so that any input size fits.
    """
    across = nn.Conv2d(
        outputs, outputs, (1, _SPAN), padding=(0, _SPAN // 2), groups=outputs, bias=False
    )
    down = nn.Conv2d(
        outputs, outputs, (_SPAN, 1), padding=(_SPAN // 2, 0), groups=outputs, bias=False
    )
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        across,
        nn.BatchNorm2d(outputs),
        down,
        nn.BatchNorm2d(outputs),
    )


def compute_gates(x_nchw: Tensor, attention: nn.Module) -> Tensor:
    """Returns gates in [0, 1], at half the size of what they are computed from.

    An odd last row or column has no part in them, as in the authors' code: 7 places give 3.

    Args:
        x_nchw: [N, inputs, H, W], H and W at least 2.
        attention: of `make_attention`.
    """
    # Without padding both ways of counting are one; XNNPACK takes this one alone, and its stride
    # only where it is written.
    return torch.sigmoid(attention(F.avg_pool2d(x_nchw, 2, 2, count_include_pad=False)))


class Spread(nn.Module):
    """Repeats gates to the size of the features that they scale: each takes the nearest gate.

    A module of its own, so that a converter can put another way of doing it in its place.
    """

    def forward(self, gates_nchw: Tensor, features_nchw: Tensor) -> Tensor:
        """Maps gates [N, C, h, w] and features [N, C, H, W] to gates [N, C, H, W]."""
        return F.interpolate(gates_nchw, size=features_nchw.shape[-2:], mode="nearest")


class AttentiveGhostModule(GhostModule):
    """A Ghost module whose output is scaled by DFC attention on its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, activate=True)
        self.short_conv = make_attention(inputs, outputs)
        self.spread = Spread()

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H, W]."""
        features = super().forward(x_nchw)
        gates = self.spread(compute_gates(x_nchw, self.short_conv), features)
        return cast(Tensor, features * gates)


class GhostNetV2(GhostNet):
    """GhostNet whose expanding Ghost modules have DFC attention, but for the first two.

    Takes photos from 64 pixels on: the last stage of smaller ones has one place, which cannot be
    pooled.
    """

    def make_bottleneck(
        self, number: int, inputs: int, expanded: int, outputs: int, row: Row
    ) -> nn.Module:
        """Returns one bottleneck; see `GhostNet.make_bottleneck`."""
        attentive = number >= FIRST_ATTENTIVE
        expand = AttentiveGhostModule(inputs, expanded) if attentive else None
        return GhostBottleneck(inputs, expanded, outputs, row, expand)
