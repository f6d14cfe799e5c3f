"""A real, tiny recogniser of colours as a LiteRT file, made without any converter.

It takes float32 [1, side, side, 3] RGB 0 to 255, and answers softmax over one linear layer on the
mean colour: MEAN -> FULLY_CONNECTED -> SOFTMAX. Its known score is the mean brightness, 0 to 1.
"""

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def make_tflite(side_px: int, weights: npt.NDArray[np.float32] | None = None) -> bytes:
    """Returns the file; `weights` [classes, 3] act on the mean colour, 0 to 255."""
    if weights is None:
        weights = np.array(list(COLOURS.values()), np.float32) / 255 * 0.02
    model = schema.ModelT()
    model.version = 3
    model.description = "tiny colour recogniser"
    model.buffers = [_buffer(b"")]
    graph = schema.SubGraphT()
    graph.name = "main"
    classes = len(weights)
    axes = np.array([1, 2], np.int32)
    graph.tensors = [
        _tensor(model, "image", (1, side_px, side_px, 3)),
        _tensor(model, "axes", (2,), axes, schema.TensorType.INT32),
        _tensor(model, "mean", (1, 3)),
        _tensor(model, "weights", weights.shape, weights),
        _tensor(model, "logits", (1, classes)),
        _tensor(model, "probabilities", (1, classes)),
        _tensor(model, "brightness", (1, 3), np.full((1, 3), 1 / 765, np.float32)),
        _tensor(model, "known_score", (1, 1)),
    ]
    operators = schema.BuiltinOperator
    model.operatorCodes = [
        _code(operators.MEAN),
        _code(operators.FULLY_CONNECTED),
        _code(operators.SOFTMAX),
    ]
    reduce, connect, softmax = (
        schema.ReducerOptionsT(),
        schema.FullyConnectedOptionsT(),
        schema.SoftmaxOptionsT(),
    )
    softmax.beta = 1.0
    options = schema.BuiltinOptions
    graph.operators = [
        _operator(0, [0, 1], [2], options.ReducerOptions, reduce),
        _operator(1, [2, 3, -1], [4], options.FullyConnectedOptions, connect),
        _operator(2, [4], [5], options.SoftmaxOptions, softmax),
        _operator(1, [2, 6, -1], [7], options.FullyConnectedOptions, connect),
    ]
    graph.inputs, graph.outputs = [0], [5, 7]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _buffer(data: bytes) -> schema.BufferT:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _tensor(
    model: schema.ModelT,
    name: str,
    shape: tuple[int, ...],
    values: npt.NDArray[np.generic] | None = None,
    kind: int = schema.TensorType.FLOAT32,
) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, list(shape), kind
    tensor.buffer = 0
    if values is not None:
        model.buffers.append(_buffer(values.tobytes()))
        tensor.buffer = len(model.buffers) - 1
    return tensor


def _code(builtin: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code


def _operator(
    code: int, inputs: list[int], outputs: list[int], kind: int, options: object
) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs, operator.outputs = inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator
