"""MIL ops that work on each number alone: arithmetic, activations, quantisation.

Sections cited are pages of the MIL Ops reference of coremltools
(apple.github.io/coremltools, "MIL Ops"), opset iOS 15 unless another is named. See
`conversion.mil.arguments` for how values are held and rounded.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from conversion.errors import ArtifactError
from conversion.mil.arguments import (
    DTYPES,
    Arguments,
    by_name,
    check_form,
    to_float,
    to_floating,
    to_pair,
    to_tensor,
)


def abs_(args: Arguments) -> Tensor:
    """`elementwise_unary.abs`: |x|."""
    return to_floating(args["x"]).abs()


def add(args: Arguments) -> Tensor:
    """`elementwise_binary.add`: x + y, shapes broadcast."""
    x, y = to_pair(args["x"], args["y"])
    return x + y


def cast(args: Arguments) -> Tensor:
    """`elementwise_unary.cast`: x as `dtype`; numbers lose what stands after the point."""
    check_form("cast", "dtype", args["dtype"], DTYPES)
    x, dtype = to_tensor(args["x"]), DTYPES[args["dtype"]]
    # The caller rounds to a type of floats, or does not where true magnitudes are asked for.
    return x.float() if dtype.is_floating_point else x.to(dtype)


def clamped_relu(args: Arguments) -> Tensor:
    """`activation.clamped_relu`: min(beta, x) from 0 on, min(beta, alpha * x) below."""
    x = to_float(args["x"])
    scaled = torch.where(x < 0, x * float(args["alpha"]), x)
    return scaled.clamp_max(float(args["beta"]))


def clip(args: Arguments) -> Tensor:
    """`elementwise_unary.clip`: x held within alpha and beta."""
    return to_floating(args["x"]).clamp(float(args["alpha"]), float(args["beta"]))


def dequantize(args: Arguments) -> Tensor:
    """`iOS17.quantization_ops.dequantize`: scale * (input - zero_point), along `axis`."""
    scale, zero_point = _quantisation(args)
    return scale * (to_float(args["input"]) - zero_point)


def elu(args: Arguments) -> Tensor:
    """`activation.elu`: x above 0, alpha * (exp(x) - 1) below."""
    return F.elu(to_float(args["x"]), float(args["alpha"]))


def erf(args: Arguments) -> Tensor:
    """`elementwise_unary.erf`."""
    return to_float(args["x"]).erf()


def exp(args: Arguments) -> Tensor:
    """`elementwise_unary.exp`."""
    return to_float(args["x"]).exp()


def floor(args: Arguments) -> Tensor:
    """`elementwise_unary.floor`."""
    return to_floating(args["x"]).floor()


def gelu(args: Arguments) -> Tensor:
    """`activation.gelu`: by erf, or one of its two approximations."""
    x, mode = to_float(args["x"]), args.get("mode", "EXACT")
    check_form("gelu", "mode", mode, ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"))
    if mode == "SIGMOID_APPROXIMATION":
        return x * (1.702 * x).sigmoid()
    return F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


def identity(args: Arguments) -> Tensor:
    """`tensor_operation.identity`: x."""
    return to_tensor(args["x"])


def inverse(args: Arguments) -> Tensor:
    """`elementwise_unary.inverse`: 1 / (x + epsilon), 1e-4 by default."""
    return 1 / (to_float(args["x"]) + _epsilon(args, 1e-4))


def leaky_relu(args: Arguments) -> Tensor:
    """`activation.leaky_relu`: x from 0 on, alpha * x below."""
    return F.leaky_relu(to_float(args["x"]), float(args["alpha"]))


def linear_activation(args: Arguments) -> Tensor:
    """`activation.linear_activation`: alpha * x + beta."""
    return to_float(args["x"]) * float(args["alpha"]) + float(args["beta"])


def log(args: Arguments) -> Tensor:
    """`elementwise_unary.log`: ln(x + epsilon), 1e-45 by default."""
    return (to_float(args["x"]) + _epsilon(args, 1e-45)).log()


def maximum(args: Arguments) -> Tensor:
    """`elementwise_binary.maximum`: the larger of x and y, shapes broadcast."""
    return torch.maximum(*to_pair(args["x"], args["y"]))


def minimum(args: Arguments) -> Tensor:
    """`elementwise_binary.minimum`: the smaller of x and y, shapes broadcast."""
    return torch.minimum(*to_pair(args["x"], args["y"]))


def mul(args: Arguments) -> Tensor:
    """`elementwise_binary.mul`: x * y, shapes broadcast."""
    x, y = to_pair(args["x"], args["y"])
    return x * y


def pow_(args: Arguments) -> Tensor:
    """`elementwise_binary.pow`: x to the power of y, shapes broadcast."""
    return to_float(args["x"]) ** to_float(args["y"])


def prelu(args: Arguments) -> Tensor:
    """`activation.prelu`: x above 0, alpha * x below, an alpha for each channel (dimension 1)."""
    return F.prelu(to_float(args["x"]), to_float(args["alpha"]))


def quantize(args: Arguments) -> Tensor:
    """`iOS17.quantization_ops.quantize`: clip(round(input / scale) + zero_point), along `axis`.

    Halves are rounded to the even neighbour, as coremltools' own evaluation of the op does.
    """
    check_form("quantize", "output_dtype", args["output_dtype"], ("int8", "uint8"))
    scale, zero_point = _quantisation(args)
    info = torch.iinfo(DTYPES[args["output_dtype"]])
    return ((to_float(args["input"]) / scale).round() + zero_point).clamp(info.min, info.max)


def real_div(args: Arguments) -> Tensor:
    """`elementwise_binary.real_div`: x / y, shapes broadcast."""
    x, y = to_pair(args["x"], args["y"])
    return x / y


def relu(args: Arguments) -> Tensor:
    """`activation.relu`: max(x, 0)."""
    return to_floating(args["x"]).clamp_min(0)


def relu6(args: Arguments) -> Tensor:
    """`activation.relu6`: min(max(x, 0), 6)."""
    return to_floating(args["x"]).clamp(0, 6)


def round_(args: Arguments) -> Tensor:
    """`elementwise_unary.round`: to the nearest whole number, halves to the even one."""
    return to_floating(args["x"]).round()


def rsqrt(args: Arguments) -> Tensor:
    """`elementwise_unary.rsqrt`: 1 / sqrt(x + epsilon), 1e-12 by default."""
    return (to_float(args["x"]) + _epsilon(args, 1e-12)).rsqrt()


def sigmoid(args: Arguments) -> Tensor:
    """`activation.sigmoid`: 1 / (1 + exp(-x))."""
    return to_float(args["x"]).sigmoid()


def sigmoid_hard(args: Arguments) -> Tensor:
    """`activation.sigmoid_hard`: min(max(alpha * x + beta, 0), 1)."""
    return linear_activation(args).clamp(0, 1)


def silu(args: Arguments) -> Tensor:
    """`activation.silu`: x * sigmoid(x)."""
    return F.silu(to_float(args["x"]))


def softplus(args: Arguments) -> Tensor:
    """`activation.softplus`: ln(1 + exp(x))."""
    x = to_float(args["x"])
    return torch.logaddexp(x, torch.zeros_like(x))


def softsign(args: Arguments) -> Tensor:
    """`activation.softsign`: x / (1 + |x|)."""
    return F.softsign(to_float(args["x"]))


def sqrt(args: Arguments) -> Tensor:
    """`elementwise_unary.sqrt`."""
    return to_float(args["x"]).sqrt()


def square(args: Arguments) -> Tensor:
    """`elementwise_unary.square`: x * x."""
    return to_float(args["x"]).square()


def sub(args: Arguments) -> Tensor:
    """`elementwise_binary.sub`: x - y, shapes broadcast."""
    x, y = to_pair(args["x"], args["y"])
    return x - y


def tanh(args: Arguments) -> Tensor:
    """`elementwise_unary.tanh`."""
    return to_float(args["x"]).tanh()


def threshold(args: Arguments) -> Tensor:
    """`elementwise_unary.threshold`: max(x, alpha)."""
    return to_floating(args["x"]).clamp_min(float(args["alpha"]))


def thresholded_relu(args: Arguments) -> Tensor:
    """`activation.thresholded_relu`: x from alpha on, 0 below."""
    x = to_floating(args["x"])
    return torch.where(x < float(args["alpha"]), torch.zeros_like(x), x)


OPS = by_name(
    (
        abs_,
        add,
        cast,
        clamped_relu,
        clip,
        dequantize,
        elu,
        erf,
        exp,
        floor,
        gelu,
        identity,
        inverse,
        leaky_relu,
        linear_activation,
        log,
        maximum,
        minimum,
        mul,
        pow_,
        prelu,
        quantize,
        real_div,
        relu,
        relu6,
        round_,
        rsqrt,
        sigmoid,
        sigmoid_hard,
        silu,
        softplus,
        softsign,
        sqrt,
        square,
        sub,
        tanh,
        threshold,
        thresholded_relu,
    )
)
# Of these, the ones with two operands.
BINARY = frozenset({"add", "maximum", "minimum", "mul", "pow", "real_div", "sub"})


def _epsilon(args: Arguments, default: float) -> float:
    """Returns `epsilon`, whose default is a number of x's type: in float16 it may be 0."""
    if "epsilon" in args:
        return float(args["epsilon"])
    half = to_tensor(args["x"]).dtype == torch.float16
    return float(np.float16(default)) if half else default


def _quantisation(args: Arguments) -> tuple[Tensor, Tensor]:
    """Returns scale and zero point, shaped to run along `axis` where they are vectors."""
    x, scale = to_tensor(args["input"]), to_float(args["scale"])
    zero_point = to_float(args.get("zero_point", 0.0))
    if scale.dim() == 0:
        return scale, zero_point
    axis = int(args["axis"])
    shape = [1] * x.dim()
    shape[axis] = x.shape[axis]
    for vector in (scale, zero_point):
        if vector.dim() and vector.numel() != x.shape[axis]:
            raise ArtifactError(f"{vector.numel()} numbers for axis {axis} of {tuple(x.shape)}")
    if zero_point.dim():
        zero_point = zero_point.reshape(shape)
    return scale.reshape(shape), zero_point
