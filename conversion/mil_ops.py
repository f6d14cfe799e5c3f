"""The ops of Apple's MIL that our converter emits, each a small function on tensors.

Sections cited are pages of the MIL Ops reference of coremltools
(apple.github.io/coremltools, "MIL Ops"), opset iOS 15 unless another is named. Every function
computes in float32 from values that are already rounded to their declared types; the caller
rounds the result to the type that the program declares for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from conversion.errors import UnknownOpError

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}

# The inputs of one op by name: tensors, numbers, words, or lists of these.
Arguments = Mapping[str, Any]


def add(args: Arguments) -> Tensor:
    """`elementwise_binary.add`: x + y, shapes broadcast."""
    return _float(args["x"]) + _float(args["y"])


def sub(args: Arguments) -> Tensor:
    """`elementwise_binary.sub`: x - y, shapes broadcast."""
    return _float(args["x"]) - _float(args["y"])


def mul(args: Arguments) -> Tensor:
    """`elementwise_binary.mul`: x * y, shapes broadcast."""
    return _float(args["x"]) * _float(args["y"])


def real_div(args: Arguments) -> Tensor:
    """`elementwise_binary.real_div`: x / y, shapes broadcast."""
    return _float(args["x"]) / _float(args["y"])


def cast(args: Arguments) -> Tensor:
    """`elementwise_unary.cast`: x as `dtype`."""
    if args["dtype"] not in DTYPES:
        raise UnknownOpError(f"MIL op cast to {args['dtype']!r}: known are {', '.join(DTYPES)}")
    return _tensor(args["x"]).to(DTYPES[args["dtype"]])


def relu(args: Arguments) -> Tensor:
    """`activation.relu`: max(x, 0)."""
    return _float(args["x"]).clamp_min(0)


def relu6(args: Arguments) -> Tensor:
    """`activation.relu6`: min(max(x, 0), 6)."""
    return _float(args["x"]).clamp(0, 6)


def softmax(args: Arguments) -> Tensor:
    """`activation.softmax`: exp(x) over its sum along `axis`, -1 by default."""
    return _float(args["x"]).softmax(int(args.get("axis", -1)))


def concat(args: Arguments) -> Tensor:
    """`tensor_operation.concat`: `values` one after the other along `axis`."""
    if args.get("interleave", False):
        raise UnknownOpError("MIL op concat with interleave: only without is known")
    return torch.cat([_tensor(value) for value in args["values"]], dim=int(args["axis"]))


def reshape(args: Arguments) -> Tensor:
    """`tensor_transformation.reshape`: -1 takes what is left, 0 keeps the size."""
    x = _tensor(args["x"])
    wanted = [int(size) for size in args["shape"]]
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(wanted)])


def reduce_mean(args: Arguments) -> Tensor:
    """`reduction.reduce_mean`: mean over `axes`, all by default."""
    x = _float(args["x"])
    axes = [int(axis) for axis in args.get("axes", range(x.dim()))]
    return x.mean(dim=axes, keepdim=bool(args.get("keep_dims", False)))


def linear(args: Arguments) -> Tensor:
    """`linear.linear`: x @ weight.T + bias, weight of shape [outputs, inputs]."""
    return F.linear(_float(args["x"]), _float(args["weight"]), _optional(args.get("bias")))


def conv(args: Arguments) -> Tensor:
    """`conv.conv`: weight of shape [outputs, inputs / groups, *kernel]; two dimensions here.

    `pad` holds before and after of each dimension in turn, and counts for `pad_type` "custom".
    """
    pad_type = args.get("pad_type", "valid")
    if pad_type not in ("valid", "custom"):
        raise UnknownOpError(f"MIL op conv with pad_type {pad_type!r}: known are valid, custom")
    x, weight = _float(args["x"]), _float(args["weight"])
    if weight.dim() != 4:
        raise UnknownOpError(f"MIL op conv over {weight.dim() - 2} dimensions: known are 2")
    top, bottom, left, right = (
        (int(size) for size in args["pad"]) if pad_type == "custom" else (0, 0, 0, 0)
    )
    if (top, left) == (bottom, right):
        padding = (top, left)
    else:
        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
    strides = [int(size) for size in args.get("strides", (1, 1))]
    dilations = [int(size) for size in args.get("dilations", (1, 1))]
    groups = int(args.get("groups", 1))
    bias = _optional(args.get("bias"))
    return F.conv2d(x, weight, bias, strides, padding, dilations, groups)


OPS: dict[str, Callable[[Arguments], Tensor]] = {
    function.__name__: function
    for function in (
        add,
        cast,
        concat,
        conv,
        linear,
        mul,
        real_div,
        reduce_mean,
        relu,
        relu6,
        reshape,
        softmax,
        sub,
    )
}


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _float(value: Any) -> Tensor:
    return _tensor(value).float()


def _optional(value: Any) -> Tensor | None:
    return None if value is None else _float(value)
