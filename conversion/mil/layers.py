"""MIL ops that sum over several numbers: convolutions, products, pools, norms, reductions.

Sections cited are pages of the MIL Ops reference of coremltools
(apple.github.io/coremltools, "MIL Ops"), opset iOS 15 unless another is named. All of them
compute in float32; see `conversion.mil.arguments` for how values are held and rounded.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from conversion.errors import UnknownOpError
from conversion.mil.arguments import (
    Arguments,
    by_name,
    check_form,
    check_sides,
    to_float,
    to_float_or_none,
    to_floating,
    to_ints,
    to_tensor,
)

PAD_TYPES = ("valid", "custom", "same", "same_lower")


def avg_pool(args: Arguments) -> Tensor:
    """`pool.avg_pool`: mean of each window; `exclude_padding_from_average` leaves zeros out."""
    x, kernel, strides, pads = _read_pool("avg_pool", args)
    top, bottom, left, right = pads
    exclude = bool(args.get("exclude_padding_from_average", False))
    if (top, left) == (bottom, right):
        ceil_mode = bool(args.get("ceil_mode", False))
        return F.avg_pool2d(x, kernel, strides, (top, left), ceil_mode, not exclude)
    padded = F.pad(x, (left, right, top, bottom))
    if not exclude:
        return F.avg_pool2d(padded, kernel, strides)
    inside = F.pad(torch.ones_like(x[:1, :1]), (left, right, top, bottom))
    return F.avg_pool2d(padded, kernel, strides) / F.avg_pool2d(inside, kernel, strides)


def batch_norm(args: Arguments) -> Tensor:
    """`normalization.batch_norm`: gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
    return F.batch_norm(
        to_float(args["x"]),
        to_float(args["mean"]),
        to_float(args["variance"]),
        to_float_or_none(args.get("gamma")),
        to_float_or_none(args.get("beta")),
        eps=float(args.get("epsilon", 1e-5)),
    )


def conv(args: Arguments) -> Tensor:
    """`conv.conv`: weight of shape [outputs, inputs / groups, *kernel]; two dimensions here."""
    x, weight = to_tensor(args["x"]), to_float(args["weight"])
    if weight.dim() != 4:
        raise UnknownOpError(f"MIL op conv over {weight.dim() - 2} dimensions: known are 2")
    strides = to_ints(args.get("strides", (1, 1)))
    dilations = to_ints(args.get("dilations", (1, 1)))
    reach = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    top, bottom, left, right = _read_pads("conv", args, x, reach, strides)
    padding = (top, left)
    if padding != (bottom, right):
        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
    bias, groups = to_float_or_none(args.get("bias")), int(args.get("groups", 1))

    def convolve(one_nchw: Tensor) -> Tensor:
        return F.conv2d(one_nchw, weight, bias, strides, padding, dilations, groups)

    return _photo_by_photo(convolve, x)


def instance_norm(args: Arguments) -> Tensor:
    """`normalization.instance_norm`: as batch_norm, by the moments of each photo's channel."""
    return F.instance_norm(
        to_float(args["x"]),
        weight=to_float_or_none(args.get("gamma")),
        bias=to_float_or_none(args.get("beta")),
        eps=float(args.get("epsilon", 1e-5)),
    )


def layer_norm(args: Arguments) -> Tensor:
    """`normalization.layer_norm`: over the last dimensions, which `axes` must name in order."""
    x = to_float(args["x"])
    axes = [range(x.dim())[axis] for axis in to_ints(args.get("axes", range(x.dim())))]
    if axes != list(range(x.dim() - len(axes), x.dim())):
        raise UnknownOpError(f"MIL op layer_norm over axes {axes}: known are the last ones")
    shape = [x.shape[axis] for axis in axes]
    gamma, beta = to_float_or_none(args.get("gamma")), to_float_or_none(args.get("beta"))
    return F.layer_norm(x, shape, gamma, beta, float(args.get("epsilon", 1e-5)))


def linear(args: Arguments) -> Tensor:
    """`linear.linear`: x @ weight.T + bias, weight of shape [outputs, inputs]."""
    weight, bias = to_float(args["weight"]), to_float_or_none(args.get("bias"))
    return _photo_by_photo(lambda row: F.linear(row, weight, bias), to_tensor(args["x"]))


def matmul(args: Arguments) -> Tensor:
    """`linear.matmul`: x @ y over the last two dimensions, either of them transposed first."""
    x, y = to_float(args["x"]), to_float(args["y"])
    if args.get("transpose_x", False) and x.dim() > 1:
        x = x.transpose(-1, -2)
    if args.get("transpose_y", False) and y.dim() > 1:
        y = y.transpose(-1, -2)
    if min(x.dim(), y.dim()) > 2 and x.dim() == y.dim() and len(x) == len(y):
        return _photo_by_photo(torch.matmul, x, y)
    return _photo_by_photo(lambda one: one @ y, x) if x.dim() >= max(2, y.dim()) else x @ y


def max_pool(args: Arguments) -> Tensor:
    """`pool.max_pool`: largest number of each window; padding is never the largest."""
    x, kernel, strides, (top, bottom, left, right) = _read_pool("max_pool", args)
    if (top, left) == (bottom, right):
        ceil_mode = bool(args.get("ceil_mode", False))
        return F.max_pool2d(x, kernel, strides, (top, left), ceil_mode=ceil_mode)
    padded = F.pad(x, (left, right, top, bottom), value=-torch.inf)
    return F.max_pool2d(padded, kernel, strides)


def reduce_l2_norm(args: Arguments) -> Tensor:
    """`reduction.reduce_l2_norm`: square root of the sum of squares over `axes`."""
    return reduce_sum_square(args).sqrt()


def reduce_max(args: Arguments) -> Tensor:
    """`reduction.reduce_max`: largest number over `axes`, all by default."""
    x = to_floating(args["x"])
    return x.amax(*_read_axes(args, x))


def reduce_mean(args: Arguments) -> Tensor:
    """`reduction.reduce_mean`: mean over `axes`, all by default."""
    return _reduce(Tensor.mean, args)


def reduce_min(args: Arguments) -> Tensor:
    """`reduction.reduce_min`: smallest number over `axes`, all by default."""
    x = to_floating(args["x"])
    return x.amin(*_read_axes(args, x))


def reduce_sum(args: Arguments) -> Tensor:
    """`reduction.reduce_sum`: sum over `axes`, all by default."""
    return _reduce(Tensor.sum, args)


def reduce_sum_square(args: Arguments) -> Tensor:
    """`reduction.reduce_sum_square`: sum of squares over `axes`, all by default."""
    return reduce_sum({**args, "x": to_float(args["x"]).square()})


def softmax(args: Arguments) -> Tensor:
    """`activation.softmax`: exp(x) over its sum along `axis`, -1 by default."""
    return to_float(args["x"]).softmax(int(args.get("axis", -1)))


OPS = by_name(
    (
        avg_pool,
        batch_norm,
        conv,
        instance_norm,
        layer_norm,
        linear,
        matmul,
        max_pool,
        reduce_l2_norm,
        reduce_max,
        reduce_mean,
        reduce_min,
        reduce_sum,
        reduce_sum_square,
        softmax,
    )
)


def _photo_by_photo(function: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """Applies a function to each photo of one or more batches, in float32.

    Libraries choose the order of sums by the shape and the strides that they are given. So each
    photo is given alone, in memory of its own: then its answer does not depend, by not a bit, on
    which others it is asked with. Channels last is the faster layout for convolutions.
    """

    def isolate(one: Tensor) -> Tensor:
        layout = torch.channels_last if one.dim() == 4 else torch.contiguous_format
        return one.to(torch.float32, copy=True, memory_format=layout)

    rows = zip(*(torch.split(value, 1) for value in values), strict=True)
    return torch.cat([function(*map(isolate, row)) for row in rows])


def _reduce(function: Callable[..., Tensor], args: Arguments) -> Tensor:
    x = to_tensor(args["x"])
    axes, keep = _read_axes(args, x)
    if {0, -x.dim()} & set(axes):
        return function(x.float(), axes, keep)
    return _photo_by_photo(lambda one: function(one, axes, keep), x)


def _read_axes(args: Arguments, x: Tensor) -> tuple[list[int], bool]:
    return to_ints(args.get("axes", range(x.dim()))), bool(args.get("keep_dims", False))


def _read_pool(kind: str, args: Arguments) -> tuple[Tensor, list[int], list[int], list[int]]:
    """Returns x, sizes of the window, strides and padding of a pool over two dimensions."""
    x, kernel = to_float(args["x"]), to_ints(args["kernel_sizes"])
    if len(kernel) != 2:
        raise UnknownOpError(f"MIL op {kind} over {len(kernel)} dimensions: known are 2")
    strides = to_ints(args.get("strides", (1, 1)))
    return x, kernel, strides, _read_pads(kind, args, x, kernel, strides)


def _read_pads(
    kind: str, args: Arguments, x: Tensor, reach: list[int], strides: list[int]
) -> list[int]:
    """Returns the padding of a window: top, bottom, left, right.

    `pad` holds before and after of each dimension in turn, and counts for "custom" only. "same"
    pads so that the output has ceil(size / stride) places, an odd one after; "same_lower" an odd
    one before.
    """
    pad_type: Any = args.get("pad_type", "valid")
    check_form(kind, "pad_type", pad_type, PAD_TYPES)
    if pad_type == "custom":
        custom = to_ints(args["pad"])
        check_sides(kind, custom)
        return custom
    if pad_type == "valid":
        return [0, 0, 0, 0]
    pads: list[int] = []
    for size, window, stride in zip(x.shape[2:], reach, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + window - size)
        before = (total + 1) // 2 if pad_type == "same_lower" else total // 2
        pads += [before, total - before]
    return pads
