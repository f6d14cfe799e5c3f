"""Parallel branches that train better than one convolution, and become one for deployment.

Structural re-parameterisation as in RepVGG (arXiv 2101.03697) and MobileOne (arXiv 2206.04040):
with BN's statistics fixed, each branch is linear, and the sum of linear branches is one
convolution.
"""

import copy
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBn(nn.Module):
    """A convolution and its BN, under the names that timm gives them.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: side of the kernel, odd; places are padded by half of it.
        stride: 1 or 2.
        groups: parts of the channels that do not see each other.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn1 = nn.BatchNorm2d(outputs)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Maps [N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        return cast(Tensor, self.bn1(self.conv(x_nchw)))


class Branched(nn.Module):
    """A module whose branches can be merged once its BN statistics are fixed."""

    def merged(self) -> nn.Module:
        """Returns a module without branches that answers the same; parts may be shared."""
        raise NotImplementedError


def merge_all(model: nn.Module) -> nn.Module:
    """Returns a copy in which every `Branched` module is merged; others stay as they are.

    Args:
        model: in evaluation mode, as what BN does in training mode cannot be merged.
    """
    return _merge_inside(copy.deepcopy(model))


def _merge_inside(module: nn.Module) -> nn.Module:
    # The innermost first: a merged module takes merged parts over.
    for name, child in list(module.named_children()):
        setattr(module, name, _merge_inside(child))
    return module.merged().train(module.training) if isinstance(module, Branched) else module


def merge_branches(branches: Iterable[nn.Module]) -> nn.Conv2d:
    """Returns one convolution, with bias, that answers as the sum of branches does.

    Args:
        branches: `ConvBn` of the same channels, groups and stride, at least one; and BN alone,
            which is a branch that only scales its input. Kernels may differ: each is centred in
            the largest.
    """
    branches = list(branches)
    convs = [branch.conv for branch in branches if isinstance(branch, ConvBn)]
    largest = max(convs, key=lambda conv: conv.kernel_size[0])
    side, stride = largest.kernel_size[0], largest.stride[0]
    # In double precision, rounded once at the end: the branches may cancel each other.
    kernel = torch.zeros(largest.weight.shape, dtype=torch.float64, device=largest.weight.device)
    bias = kernel.new_zeros(largest.out_channels)
    for branch in branches:
        if isinstance(branch, ConvBn):
            weight, norm = branch.conv.weight.double(), branch.bn1
        else:
            weight, norm = _unit_kernel(largest), cast(nn.BatchNorm2d, branch)
        scale, shift = _affine_of(norm)
        margin = (side - weight.shape[-1]) // 2
        kernel += F.pad(weight, [margin] * 4) * scale.reshape(-1, 1, 1, 1)
        bias += shift
    merged = nn.Conv2d(
        largest.in_channels,
        largest.out_channels,
        side,
        stride,
        side // 2,
        groups=largest.groups,
        device="meta",
    )
    merged.weight = nn.Parameter(kernel.to(largest.weight.dtype))
    merged.bias = nn.Parameter(bias.to(largest.weight.dtype))
    return merged


def _affine_of(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Returns what BN multiplies each channel by and what it adds, float64."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - mean.double() * scale


def _unit_kernel(conv: nn.Conv2d) -> Tensor:
    """Returns the 1x1 kernel with which a convolution gives its input back, float64."""
    shape = (conv.out_channels, conv.in_channels // conv.groups, 1, 1)
    kernel = torch.zeros(shape, dtype=torch.float64, device=conv.weight.device)
    return nn.init.dirac_(kernel, conv.groups)
