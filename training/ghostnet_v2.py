"""GhostNetV2 (Tang et al., NeurIPS 2022, arXiv 2211.12905): GhostNet with DFC attention.

Parameter names follow timm's `ghostnetv2_100.in1k`, which are the authors'.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.ghostnet import GhostBottleneck, GhostModule, GhostNet, Row

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


def attend(x_nchw: Tensor, attention: nn.Module, features_nchw: Tensor) -> Tensor:
    """Scales features by gates in [0, 1] that are computed from the input at half its size.

    An odd last row or column has no part in the gates, but gets those of its neighbour, as in
    the authors' code: 7 places are pooled to 3, and spread to 7 again by the nearest one.

    Args:
        x_nchw: what the features were made of, [N, inputs, H, W], H and W at least 2.
        attention: of `make_attention`.
        features_nchw: [N, outputs, H, W].
    """
    gates = torch.sigmoid(attention(F.avg_pool2d(x_nchw, 2)))
    return features_nchw * F.interpolate(gates, size=features_nchw.shape[-2:], mode="nearest")


class AttentiveGhostModule(GhostModule):
    """A Ghost module whose output is scaled by DFC attention on its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, activate=True)
        self.short_conv = make_attention(inputs, outputs)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H, W]."""
        return attend(x_nchw, self.short_conv, super().forward(x_nchw))


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
