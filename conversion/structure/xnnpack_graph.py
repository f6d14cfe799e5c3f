"""Reads the graph that a `.pte` hands to its XNNPACK delegate.

A header ("XH00") tells where the graph, a flatbuffer, and its constants lie; constants with a
key lie among the program's named data instead. Field numbers and enumerators are those of
ExecuTorch 1.4's `backends/xnnpack/serialization/schema.fbs`, file identifier "XN01".
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError
from conversion.report.tables import Table

BACKEND = "XnnpackBackend"
# Zeros, mark, own size, then place and size of the flatbuffer and of the constants.
_HEADER = struct.Struct("<4s4sHIIIQ")
_MARK = b"XH00"
_NO_OFFSET = 2**64 - 1
NO_VALUE = 2**32 - 1
# Enumeration XNNDatatype, under the names that the other formats use.
DTYPES = {
    1: "float32",
    2: "float16",
    3: "int8",
    4: "uint8",
    5: "int32",
    6: "int8",
    7: "int32",
    8: "int4",
    9: "dynamic int8",
    10: "int4",
    11: "dynamic int8",
    12: "int32",
    13: "float32",
    14: "bfloat16",
}
_QUANTIZED_VALUE = 2  # member of the union XValueUnion
_PER_CHANNEL, _PER_TENSOR = 1, 2  # members of the union XNNQuantParams
# Members of the union XNodeUnion, in its order, with the form of their tables.
_PAIR, _SINGLE, _CAT, _CONV, _POOL = "pair", "single", "cat", "conv", "pool"
_NODES = (
    ("Add", _PAIR),
    ("FullyConnected", "linear"),
    ("Softmax", _SINGLE),
    ("Sigmoid", _SINGLE),
    ("StaticTranspose", "transpose"),
    ("Clamp", _SINGLE),
    ("Conv2d", _CONV),
    ("Div", _PAIR),
    ("StaticResizeBilinear2D", "resize"),
    ("StaticConstantPad", "pad"),
    ("AvgPooling2d", _POOL),
    ("Minimum", _PAIR),
    ("DepthwiseConv2d", _CONV),
    ("MaxPooling2d", _POOL),
    ("Multiply", _PAIR),
    ("Subtract", _PAIR),
    ("Floor", _SINGLE),
    ("Convert", _SINGLE),
    ("GlobalAvgPooling2d", _SINGLE),
    ("StaticReshape", "reshape"),
    ("ArgMaxPooling2d", "argmax"),
    ("SquareRoot", _SINGLE),
    ("Ceiling", _SINGLE),
    ("Hardswish", _SINGLE),
    ("LeakyReLU", "scaled"),
    ("Maximum", _PAIR),
    ("Negate", _SINGLE),
    ("Square", _SINGLE),
    ("ELU", "scaled"),
    ("Abs", _SINGLE),
    ("PReLU", _PAIR),
    ("Concatenate2", _CAT),
    ("Concatenate3", _CAT),
    ("Concatenate4", _CAT),
    ("StaticSlice", "slice"),
    ("ScaledDotProductAttention", "attention"),
    ("BatchMatrixMultiply", _PAIR),
    ("Concatenate5", _CAT),
    ("ConvTranspose2d", _CONV),
    ("ReciprocalSquareRoot", _SINGLE),
    ("Log", _SINGLE),
    ("Gelu", _SINGLE),
    ("Tanh", _SINGLE),
    ("Exp", _SINGLE),
    ("Sin", _SINGLE),
    ("Copy", _SINGLE),
    ("Cos", _SINGLE),
)
# Form -> field numbers of the inputs, and of the output.
_ENDS = {
    _PAIR: ((0, 1), 2),
    _SINGLE: ((0,), 1),
    _CAT: ((1, 2, 3, 4, 7), 5),
    _CONV: ((15, 16, 17), 18),
    _POOL: ((10,), 11),
    "linear": ((0, 1, 2), 3),
    "transpose": ((2,), 3),
    "resize": ((2,), 3),
    "pad": ((3,), 4),
    "reshape": ((2,), 3),
    "argmax": ((6,), 7),
    "scaled": ((1,), 2),
    "slice": ((3,), 4),
    "attention": ((0, 1, 2, 3, 4), 5),
}
# Form -> name of a number -> its field, and of a list of numbers -> its field.
_NUMBERS = {
    _CAT: {"axis": 0},
    "pad": {"value": 2},  # its bits: of use is only whether it is 0
    _CONV: {
        "top": 0,
        "right": 1,
        "bottom": 2,
        "left": 3,
        "stride_height": 6,
        "stride_width": 7,
        "dilation_height": 8,
        "dilation_width": 9,
        "groups": 12,
        "flags": 19,
    },
    _POOL: {
        "top": 0,
        "right": 1,
        "bottom": 2,
        "left": 3,
        "height": 4,
        "width": 5,
        "stride_height": 6,
        "stride_width": 7,
    },
}
_LISTS = {"reshape": {"shape": 1}, "transpose": {"order": 1}, "pad": {"before": 0, "after": 1}}


@dataclass(frozen=True)
class XnnValue:
    """A value of the graph.

    Attributes:
        dtype: of what is stored, e.g. "float32", "int8".
        shape: sizes; images are NHWC, filters [outputs, height, width, inputs].
        data: stored numbers of that shape; None for what is computed.
        scales: of quantised values, one or one a channel; empty for others.
        zero_point: of quantised values.
        channel_dim: the dimension that `scales` run along.
        external_id: of an input or output, its place among the arguments of a call.
    """

    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[np.generic] | None
    scales: tuple[float, ...]
    zero_point: int
    channel_dim: int
    external_id: int

    @property
    def count(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class XnnNode:
    """An op of the graph.

    Attributes:
        kind: e.g. "Conv2d".
        inputs: ids of values; a bias that is left out is missing.
        output: id of a value.
        numbers: what the op is told besides, e.g. "stride_height".
        lists: likewise, for lists of numbers, e.g. "shape".
        range: smallest and largest value of the result; infinite where it is not clamped.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    numbers: dict[str, int]
    lists: dict[str, tuple[int, ...]]
    range: tuple[float, float]


@dataclass(frozen=True)
class XnnGraph:
    """A delegate's graph.

    Attributes:
        identifier: of the file format, e.g. "XN01".
        values: by id.
        nodes: in order of execution.
        inputs: ids of values.
        outputs: ids of values.
    """

    identifier: str
    values: dict[int, XnnValue]
    nodes: tuple[XnnNode, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse_xnnpack(data: bytes, named: Mapping[str, bytes], where: str) -> XnnGraph:
    """Reads a graph.

    Args:
        data: what the delegate gets.
        named: constants by key, of the program around it.
        where: what is being read, for error messages.

    Raises:
        ArtifactError: it is damaged, or no graph for XNNPACK.
    """
    if len(data) < _HEADER.size or data[4:8] != _MARK:
        raise ArtifactError(f"{where}: what its XNNPACK delegate gets has no header {_MARK!r}")
    _, _, _, start, size, constants_start, constants_size = _HEADER.unpack_from(data)
    graph_bytes = data[start : start + size]
    root = Table.root(graph_bytes, f"{where}, the XNNPACK graph")
    shelf = data[constants_start : constants_start + constants_size]
    constants = [_read_constant(entry, shelf, named) for entry in root.tables(8)]
    values = dict(_read_value(entry, constants) for entry in root.tables(2))
    nodes = tuple(_read_node(entry, values) for entry in root.tables(1))
    inputs, outputs = root.numbers(4, "<u4"), root.numbers(5, "<u4")
    unknown = [id_ for id_ in inputs + outputs if id_ not in values]
    if unknown:
        raise ArtifactError(f"{root.where} is damaged: no value {unknown[0]}")
    return XnnGraph(graph_bytes[4:8].decode("ascii", "replace"), values, nodes, inputs, outputs)


def _read_constant(entry: Table, shelf: bytes, named: Mapping[str, bytes]) -> bytes:
    offset, size, key = entry.scalar(0, "uint64"), entry.scalar(1, "uint64"), entry.text(2)
    if key:
        if key not in named:
            raise ArtifactError(f"{entry.where}: no data named {key!r} in the program")
        return named[key]
    if offset == _NO_OFFSET:
        return b""
    if offset + size > len(shelf):
        raise ArtifactError(f"{entry.where} is truncated: constants end at {offset + size}")
    return shelf[offset : offset + size]


def _read_value(entry: Table, constants: list[bytes]) -> tuple[int, XnnValue]:
    kind, table = entry.union(0)
    if table is None:
        raise ArtifactError(f"{entry.where} is damaged: a value has no content")
    scales: tuple[float, ...] = ()
    zero_point = channel_dim = 0
    plain = table
    if kind == _QUANTIZED_VALUE:
        plain = table.need(0)
        rule, parameters = table.union(1)
        if rule == _PER_TENSOR and parameters is not None:
            scales = (float(parameters.scalar(0, "float32")),)
            zero_point = parameters.scalar(1, "int32")
        elif rule == _PER_CHANNEL and parameters is not None:
            scales = _channel_scales(parameters, constants)
            channel_dim = parameters.scalar(1, "int32")
    number, shape = plain.scalar(0, "int16"), plain.numbers(2, "<u4")
    dtype = DTYPES.get(number, f"type {number}")
    index = plain.scalar(3, "uint32")
    data = _read_numbers(constants, index, dtype, shape, plain.where) if index else None
    external_id = plain.scalar(4, "uint32")
    value = XnnValue(dtype, shape, data, scales, zero_point, channel_dim, external_id)
    return plain.scalar(6, "uint32"), value


def _channel_scales(parameters: Table, constants: list[bytes]) -> tuple[float, ...]:
    """Returns one scale a channel: in the graph itself, or among the constants."""
    index, count = parameters.scalar(2, "uint32"), parameters.scalar(3, "uint32")
    if not index:
        return tuple(float(scale) for scale in parameters.array(0, "<f4"))
    scales = _read_numbers(constants, index, "float32", (count,), parameters.where)
    return () if scales is None else tuple(float(scale) for scale in scales)


def _read_numbers(
    constants: list[bytes], index: int, dtype: str, shape: tuple[int, ...], where: str
) -> npt.NDArray[np.generic] | None:
    if index >= len(constants):
        raise ArtifactError(f"{where} is damaged: it names constant {index} of {len(constants)}")
    if dtype not in ("float32", "float16", "int8", "uint8", "int32"):
        return np.frombuffer(constants[index], np.uint8)  # of packed kinds only the place is known
    kind = np.dtype(dtype)
    wanted = prod(shape) * kind.itemsize
    if len(constants[index]) < wanted:  # more is allowed: some are padded
        raise ArtifactError(
            f"{where} is truncated: {len(constants[index])} bytes for {dtype} {list(shape)}"
        )
    try:
        return np.frombuffer(constants[index][:wanted], kind).reshape(shape)
    except ValueError as error:  # numpy has fewer dimensions than a damaged file may name
        raise ArtifactError(f"{where} is damaged: a shape is {list(shape)}") from error


def _read_node(entry: Table, values: Mapping[int, XnnValue]) -> XnnNode:
    number, table = entry.union(0)
    if table is None or not 1 <= number <= len(_NODES):
        raise ArtifactError(f"{entry.where}: an op of kind {number}: known are 1 to {len(_NODES)}")
    kind, form = _NODES[number - 1]
    fields, output = _ENDS[form]
    # Of a concatenation only as many inputs count as its name says.
    fields = fields[: int(kind[-1])] if form == _CAT else fields
    inputs = [table.scalar(field, "uint32") for field in fields]
    ends = (*(value for value in inputs if value != NO_VALUE), table.scalar(output, "uint32"))
    unknown = [value for value in ends if value not in values]
    if unknown:
        raise ArtifactError(f"{entry.where} is damaged: {kind} refers to no value {unknown[0]}")
    clamp = entry.table(3)
    lowest, highest = -np.inf, np.inf
    if clamp is not None:
        lowest, highest = clamp.scalar(0, "float32"), clamp.scalar(1, "float32")
    numbers = {name: table.scalar(at, "uint32") for name, at in _NUMBERS.get(form, {}).items()}
    lists = {name: table.numbers(at, "<u4") for name, at in _LISTS.get(form, {}).items()}
    return XnnNode(kind, ends[:-1], ends[-1], numbers, lists, (float(lowest), float(highest)))
