"""Ranges of a `.tflite`'s activations over photos, for static quantisation.

ai-edge-quantizer's own calibration keeps a moving average of each photo's extremes, which cuts
off what the surest photos reach; docs/quantization.md has the comparison.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

PixelsNhwc = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
# Share of a photo's values that may lie beyond either end of the photo's range, and share of
# photos whose range may reach beyond the tensor's: single outliers would widen the steps for all
# others. Chosen by the distance of answers on training photos; see docs/quantization.md.
TAIL = 0.0001
PHOTOS_BEYOND = 0.02


def measure_ranges(model: bytes, x_nhwc: PixelsNhwc) -> dict[str, dict[str, Floats]]:
    """Returns the range of every activation, as ai-edge-quantizer takes it.

    Args:
        model: a float32 `.tflite` with one input.
        x_nhwc: uint8, shape [N, side, side, 3], RGB.

    Returns:
        Tensor name -> "min" and "max", float32, of the tensor's rank with every size 1: what all
        but `PHOTOS_BEYOND` of the photos stay within, each but for `TAIL` of its values.
    """
    # Without the default delegate every op's result stays readable.
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=2,
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    activations = _list_activations(interpreter)
    ends: dict[str, list[tuple[float, float]]] = {detail["name"]: [] for detail in activations}
    for x_hwc in x_nhwc:
        interpreter.set_tensor(given["index"], x_hwc[None].astype(np.float32))
        interpreter.invoke()
        for detail in activations:
            ends[detail["name"]].append(_inner_range(interpreter.get_tensor(detail["index"])))
    shapes = {detail["name"]: (1,) * len(detail["shape"]) for detail in activations}
    return {name: _join(np.array(given), shapes[name]) for name, given in ends.items()}


def _join(ends: npt.NDArray[np.float64], shape: tuple[int, ...]) -> dict[str, Floats]:
    """Returns one range for all photos' ranges, given as [photos, 2]."""
    low = np.quantile(ends[:, 0], PHOTOS_BEYOND)
    high = np.quantile(ends[:, 1], 1 - PHOTOS_BEYOND)
    return {"min": np.full(shape, low, np.float32), "max": np.full(shape, high, np.float32)}


def _list_activations(interpreter: Any) -> list[dict[str, Any]]:
    """Returns the float tensors that a photo changes: inputs and results of ops."""
    written = {detail["index"] for detail in interpreter.get_input_details()}
    for op in interpreter._get_ops_details():
        written |= {int(index) for index in op["outputs"]}
    details = interpreter.get_tensor_details()
    return [d for d in details if d["index"] in written and d["dtype"] is np.float32]


def _inner_range(values: Floats) -> tuple[float, float]:
    flat = values.reshape(-1)
    cut = int(TAIL * flat.size)
    if cut == 0:
        return float(flat.min()), float(flat.max())
    ordered = np.partition(flat, (cut, flat.size - 1 - cut))
    return float(ordered[cut]), float(ordered[flat.size - 1 - cut])
