"""The values inside of a `.tflite`, from LiteRT's interpreter."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.errors import ArtifactError
from conversion.localise.trace import Floats, Trace, TracedLayer, filter_to_oihw, follow, to_nchw
from conversion.structure.tflite_graph import TfliteGraph, TfliteOp, parse_tflite

_DEPTHWISE = "DEPTHWISE_CONV_2D"
_LAYERS = ("CONV_2D", _DEPTHWISE, "FULLY_CONNECTED")
_PADS = ("PAD", "PADV2")
# Ops that work on each element alone, if all their inputs but one are constants.
_ELEMENTWISE = {
    "ADD",
    "DEQUANTIZE",
    "DIV",
    "HARD_SWISH",
    "LOGISTIC",
    "MAXIMUM",
    "MINIMUM",
    "MUL",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_0_TO_1",
    "SUB",
}


def trace_litert(path: Path, x_nhwc: npt.NDArray[np.uint8]) -> Trace:
    """Runs a `.tflite` op by op, without a delegate, which would hide what lies between.

    Args:
        path: the file.
        x_nhwc: uint8 photos, shape [N, side, side, 3].

    Raises:
        ArtifactError: it is damaged, or cannot run.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact {path}: {error.strerror}") from error
    graph = parse_tflite(data, str(path))
    layers = [(op, *_ends(graph, op)) for op in graph.ops if op.kind in _LAYERS]
    outputs = {graph.tensors[index].name: index for index in graph.outputs}
    if not layers or set(outputs) != {PROBABILITIES, KNOWN_SCORE}:
        raise ArtifactError(f"{path}: {len(layers)} layers and outputs {', '.join(outputs)}")
    wanted = sorted({index for _, *ends in layers for index in ends} | set(graph.outputs))
    reader = _Reader(data, str(path))
    rows = [reader.run(x_hwc, wanted) for x_hwc in x_nhwc]
    return Trace(
        "LiteRT reference kernels",
        tuple(
            TracedLayer(
                graph.tensors[result].name,
                filter_to_oihw(reader.read(op.inputs[1]), op.kind == _DEPTHWISE),
                str(source),
                str(result),
            )
            for op, source, result in layers
        ),
        {str(key): to_nchw(np.concatenate([row[key] for row in rows])) for key in wanted},
        {str(key): graph.tensors[key].name for key in wanted},
        str(outputs[PROBABILITIES]),
        str(outputs[KNOWN_SCORE]),
    )


def _ends(graph: TfliteGraph, op: TfliteOp) -> tuple[int, int]:
    """Returns the tensor before the padding of a layer, and the one that the layer ends in."""
    makers = {index: other for other in graph.ops for index in other.outputs}
    source = op.inputs[0]
    while source in makers and makers[source].kind in _PADS:
        source = makers[source].inputs[0]
    return source, int(follow(str(op.outputs[0]), _find_readers(graph)))


def _find_readers(graph: TfliteGraph) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for op in graph.ops:
        computed = [
            index for index in op.inputs if index != -1 and not graph.tensors[index].constant
        ]
        passes = op.kind in _ELEMENTWISE and len(computed) == 1
        for index in computed:
            readers.setdefault(str(index), []).append(str(op.outputs[0]) if passes else "")
    return readers


class _Reader:
    """LiteRT's interpreter, all tensors kept after a run."""

    def __init__(self, data: bytes, where: str) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._where = where
        try:
            self._model = Interpreter(
                model_content=data,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
                num_threads=1,
            )
            self._model.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{where}: LiteRT refuses it: {error}") from error
        self._details: dict[int, dict[str, Any]] = {
            detail["index"]: detail for detail in self._model.get_tensor_details()
        }
        self._input = self._model.get_input_details()[0]["index"]

    def run(self, x_hwc: npt.NDArray[np.uint8], wanted: list[int]) -> dict[int, Floats]:
        """Answers for one photo, and returns tensors by index."""
        try:
            self._model.set_tensor(self._input, x_hwc[None].astype(np.float32))
            self._model.invoke()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{self._where}: it cannot run: {error}") from error
        return {index: self.read(index) for index in wanted}

    def read(self, index: int) -> Floats:
        """Returns a tensor's values, as its scales and zero points say."""
        values = np.asarray(self._model.get_tensor(index), np.float32)
        rule = self._details[index]["quantization_parameters"]
        scales, zero_points = rule["scales"], rule["zero_points"]
        if not len(scales):
            return values
        shape = [1] * values.ndim
        if len(scales) > 1:
            shape[rule["quantized_dimension"]] = len(scales)
        steps = values - zero_points.reshape(shape)
        return np.asarray(steps * scales.reshape(shape), np.float32)
