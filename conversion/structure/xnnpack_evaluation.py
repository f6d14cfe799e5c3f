"""XNNPACK reference evaluation: computes the graph inside a `.pte` op by op.

At run time XNNPACK is one closed call, so nothing inside of it can be looked at. Here every op
computes in float32 from stored numbers and earlier results, and a quantised result is rounded
to its scale and zero point, so that an int8 graph gives what int8 storage between ops gives.
XNNPACK itself multiplies whole numbers and may round the other way by one step. Ops are those
of `xnnpack.h` (`xnn_define_*`); images are NHWC, as the graph has them.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from conversion.errors import ArtifactError, UnknownOpError
from conversion.localise.trace import Floats
from conversion.structure.xnnpack_graph import XnnGraph, XnnNode, XnnValue

_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
# XNN_FLAG_TENSORFLOW_SAME_PADDING of xnnpack.h: padding that depends on the size.
_SAME_PADDING = 4


def evaluate(graph: XnnGraph, inputs: Mapping[int, Floats]) -> dict[int, Floats]:
    """Computes every value of a graph.

    Args:
        graph: what to compute.
        inputs: its inputs by id, float32.

    Returns:
        float32 by id, quantised values as the numbers that they stand for.

    Raises:
        UnknownOpError: names an op, or a form of one, that is not known here.
        ArtifactError: the graph does not fit together.
    """
    values = {
        id_: torch.from_numpy(dequantise(value, value.data))
        for id_, value in graph.values.items()
        if value.data is not None
    }
    values |= {id_: torch.from_numpy(data) for id_, data in inputs.items()}
    with torch.inference_mode():
        for node in graph.nodes:
            values[node.output] = _round(_compute(node, values), graph.values[node.output], node)
    return {id_: value.numpy() for id_, value in values.items()}


def dequantise(value: XnnValue, data: npt.NDArray[np.generic]) -> Floats:
    """Returns the numbers that stored ones of a value stand for, float32.

    Raises:
        ArtifactError: there is not one scale, nor one a channel.
    """
    numbers = data.astype(np.float32)
    if not value.scales:
        return numbers
    shape = [1] * numbers.ndim
    if len(value.scales) > 1:
        sizes = numbers.shape[value.channel_dim : value.channel_dim + 1]
        if sizes != (len(value.scales),):
            raise ArtifactError(
                f"{len(value.scales)} scales along dimension {value.channel_dim} of an XNNPACK "
                f"value of shape {list(numbers.shape)}"
            )
        shape[value.channel_dim] = len(value.scales)
    scales = np.asarray(value.scales, np.float32).reshape(shape)
    # An array even of a single number, which numpy would give as a plain one.
    return np.asarray((numbers - np.float32(value.zero_point)) * scales)


def _compute(node: XnnNode, values: Mapping[int, Tensor]) -> Tensor:
    if node.kind not in _OPS:
        raise UnknownOpError(f"unknown XNNPACK op {node.kind}: known are {', '.join(_OPS)}")
    try:
        result = _OPS[node.kind](node, [values[id_] for id_ in node.inputs])
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(f"XNNPACK op {node.kind} cannot run: {error}") from error
    return result.clamp(*node.range)


def _round(result: Tensor, value: XnnValue, node: XnnNode) -> Tensor:
    """Brings a result to its declared type."""
    if value.dtype == "float16":
        return result.half().float()
    if value.dtype not in _LIMITS:
        if value.dtype == "float32":
            return result
        raise UnknownOpError(f"XNNPACK op {node.kind} with a result of type {value.dtype}")
    if len(value.scales) != 1:
        raise UnknownOpError(f"XNNPACK op {node.kind} with {len(value.scales)} scales of a result")
    scale = value.scales[0]
    steps = (result / scale).round() + value.zero_point
    return (steps.clamp(*_LIMITS[value.dtype]) - value.zero_point) * scale


def _convolve(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    """Conv2d: filter [outputs, height, width, inputs / groups]; zeros around the image."""
    w_ohwi = inputs[1]
    return _convolve_oihw(node, inputs, w_ohwi.permute(0, 3, 1, 2), node.numbers["groups"])


def _convolve_depthwise(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    """DepthwiseConv2d: filter [1, height, width, outputs]."""
    w_1hwo = inputs[1]
    return _convolve_oihw(node, inputs, w_1hwo.permute(3, 0, 1, 2), inputs[0].shape[3])


def _convolve_oihw(node: XnnNode, inputs: list[Tensor], w_oihw: Tensor, groups: int) -> Tensor:
    numbers = node.numbers
    if numbers["flags"] & _SAME_PADDING:
        raise UnknownOpError(f"XNNPACK op {node.kind} with SAME padding")
    sides = [numbers[name] for name in ("left", "right", "top", "bottom")]
    x_nchw = F.pad(inputs[0].permute(0, 3, 1, 2), sides)
    stride = (numbers["stride_height"], numbers["stride_width"])
    dilation = (numbers["dilation_height"], numbers["dilation_width"])
    bias = inputs[2] if len(inputs) > 2 else None
    result = F.conv2d(x_nchw, w_oihw, bias, stride, 0, dilation, groups)
    return result.permute(0, 2, 3, 1)


def _connect(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    """FullyConnected: filter [outputs, inputs]."""
    return F.linear(inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None)


def _pool(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    """AvgPooling2d, without padding, which the mean would have to leave out."""
    numbers = node.numbers
    if any(numbers[name] for name in ("left", "right", "top", "bottom")):
        raise UnknownOpError(f"XNNPACK op {node.kind} with padding")
    size = (numbers["height"], numbers["width"])
    stride = (numbers["stride_height"], numbers["stride_width"])
    return F.avg_pool2d(inputs[0].permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)


def _pad(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    """StaticConstantPad with zeros: amounts before and after each dimension."""
    if node.numbers["value"]:
        raise UnknownOpError(f"XNNPACK op {node.kind} with another value than 0")
    pairs = zip(node.lists["before"], node.lists["after"], strict=True)
    return F.pad(inputs[0], [amount for pair in reversed(list(pairs)) for amount in pair])


_Op = Callable[[XnnNode, list[Tensor]], Tensor]


def _single(function: Callable[[Tensor], Tensor]) -> _Op:
    return lambda _, inputs: function(inputs[0])


def _pair(function: Callable[[Tensor, Tensor], Tensor]) -> _Op:
    return lambda _, inputs: function(inputs[0], inputs[1])


def _concatenate(node: XnnNode, inputs: list[Tensor]) -> Tensor:
    return torch.cat(inputs, dim=node.numbers["axis"])


_OPS: dict[str, _Op] = {
    "Add": _pair(torch.add),
    "AvgPooling2d": _pool,
    "Clamp": _single(torch.clone),  # every op clamps its result
    "Concatenate2": _concatenate,
    "Concatenate3": _concatenate,
    "Concatenate4": _concatenate,
    "Concatenate5": _concatenate,
    "Conv2d": _convolve,
    "Convert": _single(torch.clone),  # every op rounds its result
    "Copy": _single(torch.clone),
    "DepthwiseConv2d": _convolve_depthwise,
    "Div": _pair(torch.div),
    "FullyConnected": _connect,
    "GlobalAvgPooling2d": _single(lambda x: x.mean(dim=(1, 2), keepdim=True)),
    "Hardswish": _single(F.hardswish),
    "Maximum": _pair(torch.maximum),
    "Minimum": _pair(torch.minimum),
    "Multiply": _pair(torch.mul),
    "ReciprocalSquareRoot": _single(torch.rsqrt),
    "Sigmoid": _single(torch.sigmoid),
    "Softmax": _single(lambda x: x.softmax(-1)),
    "StaticConstantPad": _pad,
    "StaticReshape": lambda node, inputs: inputs[0].reshape(node.lists["shape"]),
    "StaticTranspose": lambda node, inputs: inputs[0].permute(node.lists["order"]),
    "Subtract": _pair(torch.sub),
}
