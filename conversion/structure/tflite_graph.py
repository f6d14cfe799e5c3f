"""Reads the graph of a `.tflite`: its tensors, their types, and the ops in order of execution.

Field numbers are those of `schema.fbs` version 3 of LiteRT (tensorflow/lite/schema); the names
of types and ops come from the enumerations that the ai-edge-litert package generates from it.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from conversion.errors import ArtifactError
from conversion.report.tables import Table

_IDENTIFIER = b"TFL3"
_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
_OPS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_CUSTOM = schema.BuiltinOperator.CUSTOM


@dataclass(frozen=True)
class TfliteTensor:
    """One tensor.

    Attributes:
        name: often the path of the torch module that it comes from.
        dtype: of what is stored, e.g. "float32" or "int8".
        shape: sizes; empty for a single number.
        constant: whether its values stand in the file.
        variable: whether it keeps its values from one run to the next.
        scales: of quantised values, one or one a channel; empty for others.
        zero_points: likewise.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool
    variable: bool
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class TfliteOp:
    """One op.

    Attributes:
        kind: e.g. "CONV_2D"; "CUSTOM name" for one that is not in the schema.
        version: of the op, as the file states it.
        inputs: indices of tensors; -1 for one that is left out.
        outputs: indices of tensors.
    """

    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class TfliteGraph:
    """A model's first subgraph.

    Attributes:
        schema_version: of the file.
        tensors: all tensors.
        ops: in order of execution.
        inputs: indices of tensors.
        outputs: indices of tensors.
        metadata: name -> bytes.
        subgraphs: how many the file holds.
        outside_buffers: whether values lie behind the flatbuffer, found by offset.
    """

    schema_version: int
    tensors: tuple[TfliteTensor, ...]
    ops: tuple[TfliteOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: dict[str, bytes]
    subgraphs: int
    outside_buffers: bool


def read_tflite(path: Path) -> TfliteGraph:
    """Reads a file.

    Raises:
        ArtifactError: it cannot be read, is damaged, or is no `.tflite`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact {path}: {error.strerror}") from error
    return parse_tflite(data, str(path))


def parse_tflite(data: bytes, where: str) -> TfliteGraph:
    """Reads the bytes of a file; see `read_tflite`."""
    if data[4:8] != _IDENTIFIER:
        raise ArtifactError(f"{where} is not a .tflite: bytes 4 to 8 are not {_IDENTIFIER!r}")
    root = Table.root(data, where)
    codes = [_op_kind(code) for code in root.tables(1)]
    graphs, buffers = root.tables(2), root.tables(4)
    if not graphs:
        raise ArtifactError(f"{where} holds no graph")
    sizes = [_buffer_bytes(buffer) for buffer in buffers]
    tensors = tuple(_read_tensor(table, sizes) for table in graphs[0].tables(0))
    ops = tuple(_read_op(table, codes, len(tensors)) for table in graphs[0].tables(3))
    inputs, outputs = graphs[0].numbers(1), graphs[0].numbers(2)
    for index in inputs + outputs:
        _check_index(index, len(tensors), where)
    return TfliteGraph(
        root.scalar(0, "uint32"),
        tensors,
        ops,
        inputs,
        outputs,
        {table.text(0): _metadata_bytes(table, buffers) for table in root.tables(6)},
        len(graphs),
        any(buffer.scalar(1, "uint64") > 1 for buffer in buffers),
    )


def _op_kind(code: Table) -> tuple[str, int]:
    # Ops beyond 127 stand in the newer field alone, so the larger of the two counts (schema.fbs).
    number = max(code.scalar(0, "int8"), code.scalar(3, "int32"))
    kind = f"CUSTOM {code.text(1)}" if number == _CUSTOM else _OPS.get(number, f"op {number}")
    return kind, code.scalar(2, "int32", 1)


def _buffer_bytes(buffer: Table) -> int:
    """Returns how many bytes a buffer holds, in the flatbuffer or behind it."""
    inside = len(buffer.array(0, "u1"))
    offset, size = buffer.scalar(1, "uint64"), buffer.scalar(2, "uint64")
    if inside or offset <= 1:  # 0 and 1 mean that nothing lies outside (schema.fbs)
        return inside
    if offset + size > len(buffer.data):
        raise ArtifactError(
            f"{buffer.where} is truncated: weights end at byte {offset + size}, "
            f"it has {len(buffer.data)}"
        )
    return int(size)


def _read_tensor(table: Table, sizes: list[int]) -> TfliteTensor:
    buffer, kind = table.scalar(2, "uint32"), table.scalar(1, "int8")
    _check_index(buffer, len(sizes), table.where)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantization = table.table(4)
    if quantization is not None:
        scales = tuple(float(value) for value in quantization.array(2, "<f4"))
        zero_points = quantization.numbers(3, "<i8")
    dtype = _TYPES.get(kind, f"type {kind}")
    shape = table.numbers(0)
    if any(size < 0 for size in shape):
        raise ArtifactError(f"{table.where} is damaged: a tensor's shape is {list(shape)}")
    constant, variable = sizes[buffer] > 0, table.scalar(5, "bool", False)
    return TfliteTensor(table.text(3), dtype, shape, constant, variable, scales, zero_points)


def _read_op(table: Table, codes: list[tuple[str, int]], tensors: int) -> TfliteOp:
    code = table.scalar(0, "uint32")
    _check_index(code, len(codes), table.where)
    inputs, outputs = table.numbers(1), table.numbers(2)
    for index in inputs + outputs:
        if index != -1:
            _check_index(index, tensors, table.where)
    kind, version = codes[code]
    return TfliteOp(kind, version, inputs, outputs)


def _metadata_bytes(table: Table, buffers: list[Table]) -> bytes:
    index = table.scalar(1, "uint32")
    _check_index(index, len(buffers), table.where)
    return bytes(buffers[index].array(0, "u1"))


def _check_index(index: int, count: int, where: str) -> None:
    if not 0 <= index < count:
        raise ArtifactError(f"{where} is damaged: it names entry {index} of {count}")
