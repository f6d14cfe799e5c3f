"""What the ops of the MIL reference evaluation share: how they read their inputs.

A value is a tensor in the type that the program declares, or, where the evaluation is asked for
the true magnitudes, float32. Constants are float32 tensors that hold their declared values.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from conversion.errors import UnknownOpError

# The types of values at run time, by the names of MIL.
DTYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "int32": torch.int32,
    "bool": torch.bool,
}

# A damaged program may ask for any amount of padding or enlarging: nothing needs more than this.
MAX_SIDE_PX = 8192

# The inputs of one op by name: tensors, numbers, words, or lists of these.
Arguments = Mapping[str, Any]
# Computes one op. The caller rounds what it gives to the declared type.
Op = Callable[[Arguments], Tensor]
# Computes an op that has several results.
SplitOp = Callable[[Arguments], list[Tensor]]


def by_name(functions: Iterable[Op]) -> dict[str, Op]:
    """Lists ops by the names of their functions, without the underscore that spares a builtin."""
    return {function.__name__.rstrip("_"): function for function in functions}


def to_tensor(value: Any) -> Tensor:
    """Returns a value as a tensor in its own type."""
    return value if isinstance(value, Tensor) else torch.as_tensor(value)


def to_float(value: Any) -> Tensor:
    """Returns a value in float32, in which ops compute."""
    return to_tensor(value).float()


def to_float_or_none(value: Any) -> Tensor | None:
    """Returns an optional input in float32."""
    return None if value is None else to_float(value)


def to_pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Returns two operands, both float16 or both float32.

    MIL lets them be of one type only, so that a constant beside a float16 value is a float16
    number. torch's float16 arithmetic on a CPU computes in float32 and rounds once, as asked.
    """
    a, b = to_tensor(x), to_tensor(y)
    dtype = torch.float16 if torch.float16 in (a.dtype, b.dtype) else torch.float32
    return a.to(dtype), b.to(dtype)


def to_floating(value: Any) -> Tensor:
    """Returns a value as it is where it is floating, for ops that only choose among values."""
    x = to_tensor(value)
    return x if x.is_floating_point() else x.float()


def to_ints(value: Any) -> list[int]:
    """Returns a vector, or a single number, of whole numbers."""
    return [int(number) for number in to_tensor(value).reshape(-1).tolist()]


def check_form(kind: str, name: str, value: Any, known: Iterable[Any]) -> None:
    """Checks that an input has one of the values that are known.

    Raises:
        UnknownOpError: it has another; the message names the op, the input and what is known.
    """
    allowed = tuple(known)
    if value not in allowed:
        words = ", ".join(map(str, allowed))
        raise UnknownOpError(f"MIL op {kind} with {name} {value!r}: known are {words}")


def check_sides(kind: str, sides: Iterable[int]) -> None:
    """Checks that padding, or the sides of a resized picture, stay within `MAX_SIDE_PX`.

    Raises:
        UnknownOpError: they do not; the message names the op.
    """
    largest = max(sides, default=0)
    if largest > MAX_SIDE_PX:
        raise UnknownOpError(f"MIL op {kind} of {largest} pixels: known are up to {MAX_SIDE_PX}")
