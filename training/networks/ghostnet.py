"""GhostNet (Han et al., CVPR 2020, arXiv 1911.11907, Table 1) as a table of rows.

Parameter names follow the two published checkpoints (the authors' `state_dict_73.98.pth` and
timm's `ghostnet_100.in1k`), so that either loads by name.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.errors import ConfigError

HEAD_CHANNELS = 1280  # not scaled by width
_STEM_CHANNELS = 16
_LAST_CHANNELS = 960


@dataclass(frozen=True)
class Row:
    """One Ghost bottleneck: a line of Table 1, before the width multiplier.

    Attributes:
        kernel: side of the depthwise kernels of the stride-2 convolution and of the shortcut.
        expanded: channels after the first Ghost module ("#exp").
        out: channels after the second Ghost module ("#out").
        squeeze: whether squeeze-and-excite stands between the two.
        stride: 1 or 2.
    """

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    stride: int


STAGES: tuple[tuple[Row, ...], ...] = (
    (Row(3, 16, 16, False, 1),),
    (Row(3, 48, 24, False, 2),),
    (Row(3, 72, 24, False, 1),),
    (Row(5, 72, 40, True, 2),),
    (Row(5, 120, 40, True, 1),),
    (Row(3, 240, 80, False, 2),),
    (
        Row(3, 200, 80, False, 1),
        Row(3, 184, 80, False, 1),
        Row(3, 184, 80, False, 1),
        Row(3, 480, 112, True, 1),
        Row(3, 672, 112, True, 1),
    ),
    (Row(5, 672, 160, True, 2),),
    (
        Row(5, 960, 160, False, 1),
        Row(5, 960, 160, True, 1),
        Row(5, 960, 160, False, 1),
        Row(5, 960, 160, True, 1),
    ),
)


def scale_channels(channels: float, divisor: int = 4) -> int:
    """Rounds to the nearest multiple of `divisor`, never losing more than a tenth."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def _conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class GhostModule(nn.Module):
    """Half of the channels by a 1x1 convolution, the other half by a cheap 3x3 one on those."""

    def __init__(self, inputs: int, outputs: int, activate: bool) -> None:
        super().__init__()
        half = outputs // 2
        activation: list[nn.Module] = [nn.ReLU(inplace=True)] if activate else []
        self.primary_conv = nn.Sequential(*_conv_bn(inputs, half, 1), *activation)
        self.cheap_operation = nn.Sequential(*_conv_bn(half, half, 3, groups=half), *activation)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H, W]."""
        primary = self.primary_conv(x_nchw)
        return torch.cat([primary, self.cheap_operation(primary)], dim=1)


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate in [0, 1] that is computed from all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = scale_channels(channels * 0.25)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Keeps the shape [N, channels, H, W]."""
        mean = x_nchw.mean(dim=(2, 3), keepdim=True)
        gate = self.conv_expand(F.relu(self.conv_reduce(mean)))
        return x_nchw * (F.relu6(gate + 3.0) / 6.0)  # hard sigmoid


class GhostBottleneck(nn.Module):
    """Ghost module, stride-2 depthwise convolution, squeeze-and-excite, Ghost module, shortcut.

    Args:
        inputs: channels that come in.
        expanded: channels between the two Ghost modules.
        outputs: channels that go out.
        row: kernel, stride and squeeze; its channels are those before the width multiplier.
        expand: what makes `expanded` of `inputs`; a plain Ghost module if it is None.
    """

    def __init__(
        self, inputs: int, expanded: int, outputs: int, row: Row, expand: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.ghost1 = expand or GhostModule(inputs, expanded, activate=True)
        self.strided = row.stride > 1
        if self.strided:
            conv, norm = _conv_bn(expanded, expanded, row.kernel, row.stride, groups=expanded)
            self.conv_dw, self.bn_dw = conv, norm
        self.se = SqueezeExcite(expanded) if row.squeeze else nn.Identity()
        self.ghost2: nn.Module = GhostModule(expanded, outputs, activate=False)
        self.shortcut = make_shortcut(inputs, outputs, row)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        x = self.ghost1(x_nchw)
        if self.strided:
            x = self.bn_dw(self.conv_dw(x))
        x = self.ghost2(self.se(x))
        return cast(Tensor, x + self.shortcut(x_nchw))


def make_shortcut(inputs: int, outputs: int, row: Row) -> nn.Sequential:
    """Returns what goes around the two Ghost modules: nothing where the shape is kept."""
    if inputs == outputs and row.stride == 1:
        return nn.Sequential()
    return nn.Sequential(
        *_conv_bn(inputs, inputs, row.kernel, row.stride, groups=inputs),
        *_conv_bn(inputs, outputs, 1),
    )


class ConvBnAct(nn.Module):
    """The 1x1 convolution after the last bottleneck."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn1 = _conv_bn(inputs, outputs, 1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H, W]."""
        return F.relu(self.bn1(self.conv(x_nchw)))


class GhostNet(nn.Module):
    """The whole network, from normalised pixels to logits.

    Its later versions differ in their bottlenecks alone: see `make_bottleneck`.

    Args:
        num_classes: number of outputs, at least 1.
        width: channel multiplier; the published ones are 0.5, 1.0 and 1.3.
        dropout: share of the 1280 features dropped in training, 0 to below 1 (paper: 0.2).

    Raises:
        ConfigError: an argument is out of its range.
    """

    def __init__(self, num_classes: int = 1000, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        if num_classes < 1 or not 0.1 <= width <= 4 or not 0 <= dropout < 1:
            raise ConfigError(
                f"{type(self).__name__}({num_classes=}, {width=}, {dropout=}): allowed are "
                "num_classes from 1, width 0.1 to 4, dropout 0 to below 1"
            )
        channels = scale_channels(_STEM_CHANNELS * width)
        self.conv_stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        stages: list[nn.Module] = []
        number = 0
        for rows in STAGES:
            blocks: list[nn.Module] = []
            for row in rows:
                outputs = scale_channels(row.out * width)
                expanded = scale_channels(row.expanded * width)
                blocks.append(self.make_bottleneck(number, channels, expanded, outputs, row))
                channels = outputs
                number += 1
            stages.append(nn.Sequential(*blocks))
        last = scale_channels(_LAST_CHANNELS * width)
        stages.append(nn.Sequential(ConvBnAct(channels, last)))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(last, HEAD_CHANNELS, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(HEAD_CHANNELS, num_classes)

    def make_bottleneck(
        self, number: int, inputs: int, expanded: int, outputs: int, row: Row
    ) -> nn.Module:
        """Returns one bottleneck; `number` counts them through the network, from 0."""
        del number  # here they are all of one kind
        return GhostBottleneck(inputs, expanded, outputs, row)

    def embed(self, x_nchw: Tensor) -> Tensor:
        """Maps normalised pixels [N, 3, H, W] (float32) to features [N, 1280]."""
        x = self.blocks(F.relu(self.bn1(self.conv_stem(x_nchw))))
        x = x.mean(dim=(2, 3), keepdim=True)
        return F.relu(self.conv_head(x)).flatten(1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps normalised pixels [N, 3, H, W] (float32) to logits [N, num_classes]."""
        return cast(Tensor, self.classifier(self.dropout(self.embed(x_nchw))))

    def layer_groups(self) -> list[list[str]]:
        """Names the stages from stem to classifier, for a learning rate of each.

        A stage is what works at one resolution: a new one starts at each strided bottleneck.

        Returns:
            For each stage the prefixes of its parameters' names, as in ["conv_stem.", "bn1."];
            each parameter starts with exactly one prefix.
        """
        groups = [["conv_stem.", "bn1."]]
        for index, rows in enumerate(STAGES):
            if index == 0 or rows[0].stride > 1:
                groups.append([])
            groups[-1].append(f"blocks.{index}.")
        return [*groups, [f"blocks.{len(STAGES)}.", "conv_head."], ["classifier."]]
