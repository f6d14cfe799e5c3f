"""Layers that act on a whole batch although processes share it: BN and dropout.

With them a run's weights do not depend on the number of processes, but for rounding.
"""

from typing import cast

import torch
from torch import Tensor, distributed, nn

from training.learning.parallel import Group


class WholeBatchNorm(nn.BatchNorm2d):
    """BN whose mean and variance are those of all processes' photos.

    torch's own SyncBatchNorm computes on GPUs only; this one computes wherever the process group
    does. Parameters and buffers have BatchNorm2d's names.
    """

    def forward(self, x_nchw: Tensor) -> Tensor:
        """Keeps the shape [N, C, H, W]."""
        if not self.training:
            return super().forward(x_nchw)
        x = x_nchw if x_nchw.dtype == torch.float64 else x_nchw.float()
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        # The mean first and then the squares around it: the difference of two large sums, which
        # would need one exchange instead of two, loses digits.
        mean = _sum_over_processes(x.sum(dim=(0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _sum_over_processes(centred.square().sum(dim=(0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        normed = centred * scale[:, None, None] + self.bias[:, None, None]
        return normed.to(x_nchw.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class WholeBatchDropout(nn.Module):
    """Dropout that draws for the whole batch in each process, which then takes its own rows.

    Args:
        share: share of the values that are dropped, 0 to below 1.
        group: the processes, whose generators stand at the same place.
    """

    def __init__(self, share: float, group: Group) -> None:
        super().__init__()
        self._share, self._group = share, group

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape [N, ...]."""
        if not self.training or self._share == 0:
            return x
        rows = len(x)
        drawn = torch.rand((rows * self._group.size, *x.shape[1:]), device=x.device)
        kept = drawn[rows * self._group.rank : rows * (self._group.rank + 1)] >= self._share
        return x * kept / (1 - self._share)


def act_on_whole_batches(model: nn.Module, group: Group) -> nn.Module:
    """Replaces BN and dropout in a network; its parameters and their names stay."""
    for name, child in model.named_children():
        if isinstance(child, nn.Dropout):
            setattr(model, name, WholeBatchDropout(child.p, group))
        elif isinstance(child, nn.BatchNorm2d) and group.size > 1:
            if group.device.type == "cuda":
                setattr(model, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]
            else:
                setattr(model, name, _synchronise(child))
        else:
            act_on_whole_batches(child, group)
    return model


def _synchronise(norm: nn.BatchNorm2d) -> WholeBatchNorm:
    synchronised = WholeBatchNorm(norm.num_features, norm.eps, norm.momentum)
    synchronised.__dict__.update(norm.__dict__)
    return synchronised


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes, through which gradients find their way back.

    Every process uses the sum, so the gradient of what one of them put in is the sum of all
    processes' gradients.
    """

    @staticmethod
    def forward(_context: object, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _sum_over_processes(value: Tensor) -> Tensor:
    return cast(Tensor, _SumOverProcesses.apply(value))  # type: ignore[no-untyped-call]
