"""Lets a MIL program that is declared for one photo run on many at a time.

Every value that depends on the photo must have the photo's 1 as its first dimension, and no op
may mix, move or name that dimension: then row i of every value follows from photo i alone, and
the 1 may be N. `free_first_dimension` checks this on the declared shapes and rewrites the few
constants that spell the 1 out; whatever is in doubt is named, and runs photo by photo. At run
time the evaluation checks in addition that every result has its declared shape, N for the 1.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from conversion.mil.package import Operation, Reference
from conversion.mil.pointwise import BINARY

# Without axes, these work on all of them.
_ALL_AXES = frozenset(
    {
        "layer_norm",
        "reduce_l2_norm",
        "reduce_max",
        "reduce_mean",
        "reduce_min",
        "reduce_sum",
        "reduce_sum_square",
        "squeeze",
    }
)

Shape = tuple[int, ...] | None


def free_first_dimension(
    steps: list[Operation], input_name: str, input_shape: tuple[int, ...]
) -> tuple[list[Operation], str]:
    """Returns the program for N photos, and why it cannot be had, "" where it can.

    Args:
        steps: the program without `constexpr_*` and `classify`.
        input_name: the photo.
        input_shape: its shape, 1 first.
    """
    shapes: dict[str, Shape] = {input_name: input_shape}
    freed = []
    for step in steps:
        reason = _find_reason(step, shapes)
        if reason:
            return steps, f"MIL op {step.kind} ({step.output}): {reason}"
        freed.append(replace(step, inputs=_free(step)))
        shapes |= {result.name: result.shape for result in step.results}
    return freed, ""


def _find_reason(step: Operation, shapes: dict[str, Shape]) -> str:
    """Returns why the first dimension of an op is not free, "" where it is."""
    names = _references(step.inputs)
    inputs = [shapes[name] for name in names if name in shapes]
    if len(inputs) != len(names):
        return "it takes a value that is not known"
    for shape in [*inputs, *(result.shape for result in step.results)]:
        if not shape or shape[0] != 1:
            return f"a value of shape {shape} does not have the photo as its first dimension"
    rank = len(inputs[0] or ()) if inputs else 0
    if step.kind in BINARY:
        return _find_rank_reason(step, inputs)
    if step.kind in ("matmul", "linear"):
        return _find_product_reason(step, inputs)
    if step.kind == "transpose":
        return "" if list(step.inputs["perm"])[:1] == [0] else "it moves the first dimension"
    return _find_axis_reason(step, rank)


def _find_axis_reason(step: Operation, rank: int) -> str:
    if step.kind in _ALL_AXES and "axes" not in step.inputs:
        return "it names no axes, which means the first one too"
    grown = step.kind in ("expand_dims", "stack")
    rank = len(step.results[0].shape or ()) if grown else rank
    default = -1 if step.kind == "softmax" else None
    for name in ("axis", "axes"):
        value = step.inputs.get(name, default if name == "axis" else None)
        for axis in [] if value is None else np.atleast_1d(value):
            if axis in (0, -rank):
                return "it works along the first dimension"
    return ""


def _find_rank_reason(step: Operation, inputs: list[Shape]) -> str:
    """Operands are aligned at their last dimension: with other ranks, the photo is not first."""
    ranks = {len(shape or ()) for shape in inputs}
    constants = [np.ndim(value) for value in step.inputs.values() if not _references(value)]
    if len(ranks) != 1 or any(rank > max(ranks) for rank in constants):
        return "its operands do not align at the first dimension"
    return ""


def _find_product_reason(step: Operation, inputs: list[Shape]) -> str:
    """Only the dimensions before the last two of a product of two values are independent."""
    least = 3 if len(inputs) > 1 or step.inputs.get("transpose_x", False) else 2
    first = next(iter(_references(step.inputs.get("x"))), None)
    if first is None or any(len(shape or ()) < least for shape in inputs):
        return "it multiplies along the first dimension"
    return "" if step.kind == "linear" or len(inputs) == 1 else _find_rank_reason(step, inputs)


def _free(step: Operation) -> dict[str, Any]:
    """Returns the inputs with the 1 of the photo replaced by what stands for "all of them"."""
    inputs = dict(step.inputs)
    if step.kind == "reshape":
        inputs["shape"] = _with_first(inputs["shape"], 0)
    elif step.kind == "slice_by_index":
        rank = len(np.atleast_1d(inputs["begin"]))
        for name in ("begin_mask", "end_mask"):
            inputs[name] = _with_first(inputs.get(name, np.zeros(rank, np.bool_)), 1)
        if "stride" in inputs:
            inputs["stride"] = _with_first(inputs["stride"], 1)
    elif step.kind == "slice_by_size":
        inputs["size"] = _with_first(inputs["size"], -1)
    return inputs


def _with_first(vector: Any, number: int) -> Any:
    changed = np.atleast_1d(vector).copy()
    changed[0] = number
    return changed


def _references(value: Any) -> list[str]:
    """Returns the names of the values that an input, or a dict of inputs, refers to."""
    if isinstance(value, Reference):
        return [value.name]
    if isinstance(value, dict):
        return [name for item in value.values() for name in _references(item)]
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    return []
