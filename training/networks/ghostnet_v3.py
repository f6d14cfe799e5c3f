"""GhostNetV3 (Liu et al., arXiv 2404.11202): GhostNetV2 whose convolutions train as branches.

Three convolutions of each kind stand side by side, beside the cheap and the strided ones also a
1x1 convolution, and beside the cheap one also BN alone (section 4.1). For deployment they are
merged, and what is left is the network of GhostNetV2. Parameter names follow timm's
`ghostnetv3_100.in1k`.
"""

from typing import cast

import torch
from torch import Tensor, nn

from training.networks.branches import Branched, ConvBn, merge_branches
from training.networks.ghostnet import (
    GhostBottleneck,
    GhostModule,
    GhostNet,
    Row,
    SqueezeExcite,
    make_shortcut,
)
from training.networks.ghostnet_v2 import (
    FIRST_ATTENTIVE,
    AttentiveGhostModule,
    Spread,
    compute_gates,
    make_attention,
)

_BRANCHES = 3
_CHEAP_KERNEL = 3


def _branches(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.ModuleList:
    return nn.ModuleList(ConvBn(inputs, outputs, kernel, stride, groups) for _ in range(_BRANCHES))


class BranchedGhostModule(Branched):
    """A Ghost module whose two convolutions are sums of branches.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        activate: whether ReLUs follow the convolutions.
        attentive: whether DFC attention scales the output; only together with `activate`.
    """

    def __init__(self, inputs: int, outputs: int, activate: bool, attentive: bool = False) -> None:
        super().__init__()
        half = outputs // 2
        self.shape = (inputs, outputs)
        self.activate = activate
        self.primary_rpr_conv = _branches(inputs, half, 1)
        self.cheap_rpr_skip = nn.BatchNorm2d(half)
        self.cheap_rpr_conv = _branches(half, half, _CHEAP_KERNEL, groups=half)
        self.cheap_rpr_scale = ConvBn(half, half, 1, groups=half)
        self.activation = nn.ReLU(inplace=True) if activate else nn.Identity()
        self.short_conv = make_attention(inputs, outputs) if attentive else None
        self.spread = Spread()

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H, W]."""
        primary = self.activation(_add(self.primary_rpr_conv, x_nchw))
        cheap = self.activation(_add(self._cheap_branches(), primary))
        features = torch.cat([primary, cheap], dim=1)
        if self.short_conv is None:
            return features
        gates = self.spread(compute_gates(x_nchw, self.short_conv), features)
        return cast(Tensor, features * gates)

    def merged(self) -> GhostModule:
        """Returns GhostNet's module, or GhostNetV2's where there is attention."""
        primary = merge_branches(self.primary_rpr_conv)
        cheap = merge_branches(self._cheap_branches())
        with torch.device("meta"):  # its own weights are not needed
            if self.short_conv is None:
                module = GhostModule(*self.shape, self.activate)
            else:
                module = AttentiveGhostModule(*self.shape)
                module.short_conv = self.short_conv
        module.primary_conv[0], module.primary_conv[1] = primary, nn.Identity()
        module.cheap_operation[0], module.cheap_operation[1] = cheap, nn.Identity()
        return module

    def _cheap_branches(self) -> list[nn.Module]:
        return [*self.cheap_rpr_conv, self.cheap_rpr_scale, self.cheap_rpr_skip]


class BranchedBottleneck(Branched):
    """As `GhostBottleneck`, but its Ghost modules and its strided convolution have branches."""

    def __init__(self, inputs: int, expanded: int, outputs: int, row: Row, attentive: bool) -> None:
        super().__init__()
        self.shape = (inputs, expanded, outputs, row)
        self.ghost1 = BranchedGhostModule(inputs, expanded, True, attentive)
        self.strided = row.stride > 1
        if self.strided:
            self.dw_rpr_conv = _branches(expanded, expanded, row.kernel, row.stride, expanded)
            self.dw_rpr_scale = ConvBn(expanded, expanded, 1, row.stride, expanded)
        self.se = SqueezeExcite(expanded) if row.squeeze else nn.Identity()
        self.ghost2 = BranchedGhostModule(expanded, outputs, activate=False)
        self.shortcut = make_shortcut(inputs, outputs, row)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        x = self.ghost1(x_nchw)
        if self.strided:
            x = _add([*self.dw_rpr_conv, self.dw_rpr_scale], x)
        x = self.ghost2(self.se(x))
        return cast(Tensor, x + self.shortcut(x_nchw))

    def merged(self) -> GhostBottleneck:
        """Returns GhostNet's bottleneck, which takes over what has no branches."""
        with torch.device("meta"):  # its own weights are not needed
            bottleneck = GhostBottleneck(*self.shape, self.ghost1)
        if self.strided:
            bottleneck.conv_dw = merge_branches([*self.dw_rpr_conv, self.dw_rpr_scale])
            bottleneck.bn_dw = nn.Identity()
        bottleneck.se, bottleneck.ghost2 = self.se, self.ghost2
        bottleneck.shortcut = self.shortcut
        return bottleneck


def _add(branches: nn.ModuleList | list[nn.Module], x_nchw: Tensor) -> Tensor:
    first, *others = branches
    total: Tensor = first(x_nchw)
    for branch in others:
        total = total + branch(x_nchw)
    return total


class GhostNetV3(GhostNet):
    """GhostNetV2's network with branches: see `branches.merge_all` for deployment.

    Takes photos from 64 pixels on, as `GhostNetV2` does.
    """

    def make_bottleneck(
        self, number: int, inputs: int, expanded: int, outputs: int, row: Row
    ) -> nn.Module:
        """Returns one bottleneck; see `GhostNet.make_bottleneck`."""
        return BranchedBottleneck(inputs, expanded, outputs, row, number >= FIRST_ATTENTIVE)
