"""Reads a `.pte`: the ExecuTorch program, and the bytes that it hands to each delegate.

Field numbers and kinds are those of ExecuTorch 1.4's `schema/program.fbs`; before the program
stands an extended header (`schema/extended_header.h`), behind it lie segments of plain bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeVar

from conversion.errors import ArtifactError
from conversion.report.tables import Table

# Offset of the root table, "ETxx", "eh00", then the sizes of the header and of the program, the
# place of the first segment, and the size of all segments.
_HEADER = struct.Struct("<I4s4sIQQQ")
# `scalar_type.fbs`, under the names that the other formats use, and bytes a number.
_SCALARS = {
    0: ("uint8", 1),
    1: ("int8", 1),
    2: ("int16", 2),
    3: ("int32", 4),
    4: ("int64", 8),
    5: ("float16", 2),
    6: ("float32", 4),
    7: ("float64", 8),
    11: ("bool", 1),
    15: ("bfloat16", 2),
}
# Members of the unions KernelTypes and InstructionArguments, and of the enumeration DataLocation.
_TENSOR = 5
_KERNEL_CALL, _DELEGATE_CALL = 1, 2
_INLINE = 0

Item = TypeVar("Item")


@dataclass(frozen=True)
class PteTensor:
    """A tensor of the program itself, outside of delegates.

    Attributes:
        dtype: e.g. "float32".
        shape: sizes.
        data: the bytes of its values where these stand in the file, else None.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes | None

    @property
    def count(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class DelegateCall:
    """A part of the program that a delegate runs.

    Attributes:
        backend: name of the delegate.
        data: what it gets when the program is loaded.
        arguments: what it gets at each call, results behind inputs; None for what is no tensor.
    """

    backend: str
    data: bytes
    arguments: tuple[PteTensor | None, ...]


@dataclass(frozen=True)
class PteProgram:
    """A program's first method.

    Attributes:
        identifier: of the file format, e.g. "ET12".
        version: of the schema.
        inputs: the tensors that go in.
        outputs: the tensors that come out.
        kernels: name of each kernel that runs outside of delegates, in order, with its result
            where that is a tensor.
        constants: tensors of the program with values in the file.
        delegates: each delegate call, in order.
        named: key -> bytes that delegates share, e.g. their weights.
    """

    identifier: str
    version: int
    inputs: tuple[PteTensor, ...]
    outputs: tuple[PteTensor, ...]
    kernels: tuple[tuple[str, PteTensor | None], ...]
    constants: tuple[PteTensor, ...]
    delegates: tuple[DelegateCall, ...]
    named: dict[str, bytes]


def read_pte(path: Path) -> PteProgram:
    """Reads a file.

    Raises:
        ArtifactError: it cannot be read, is damaged, or is no `.pte`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact {path}: {error.strerror}") from error
    return parse_pte(data, str(path))


def parse_pte(data: bytes, where: str) -> PteProgram:
    """Reads the bytes of a file; see `read_pte`."""
    if len(data) < _HEADER.size:
        raise ArtifactError(f"{where} is truncated: it has {len(data)} bytes")
    _, kind, extended, _, program_bytes, base, _ = _HEADER.unpack_from(data)
    if kind[:2] != b"ET" or extended != b"eh00":
        raise ArtifactError(f"{where} is not an ExecuTorch program")
    root = Table.root(data[:program_bytes], where)
    segments = [_cut(data, base, entry) for entry in root.tables(4)]
    plans = root.tables(1)
    if not plans:
        raise ArtifactError(f"{where} holds no method")
    plan = plans[0]
    constants = _Constants(root, segments)
    tensors = [_read_value(value, constants) for value in plan.tables(2)]
    blobs = [_read_delegate(entry, root, segments) for entry in plan.tables(7)]
    calls = [step.union(0) for chain in plan.tables(5) for step in chain.tables(2)]
    return PteProgram(
        kind.decode("ascii", "replace"),
        root.scalar(0, "uint32"),
        _pick_tensors(tensors, plan.numbers(3), where),
        _pick_tensors(tensors, plan.numbers(4), where),
        _read_kernels(calls, plan, tensors),
        tuple(tensor for tensor in tensors if tensor is not None and tensor.data is not None),
        tuple(
            DelegateCall(
                *_at(blobs, call.scalar(0, "int32"), where),
                tuple(_at(tensors, index, where) for index in call.numbers(1)),
            )
            for kind, call in calls
            if kind == _DELEGATE_CALL and call is not None
        ),
        {
            entry.text(0): _at(segments, entry.scalar(1, "uint32"), where)
            for entry in root.tables(7)
        },
    )


def _cut(data: bytes, base: int, entry: Table) -> bytes:
    start, size = base + entry.scalar(0, "uint64"), entry.scalar(1, "uint64")
    if start + size > len(data):
        raise ArtifactError(
            f"{entry.where} is truncated: a segment ends at byte {start + size}, it has {len(data)}"
        )
    return data[start : start + size]


class _Constants:
    """Where the program's own constants lie: one segment, cut at offsets."""

    def __init__(self, root: Table, segments: list[bytes]) -> None:
        self._where = root.where
        self._segment = b""
        self._offsets: tuple[int, ...] = ()
        table = root.table(5)
        if table is not None and table.numbers(1, "<u8"):
            self._segment = _at(segments, table.scalar(0, "uint32"), root.where)
            self._offsets = table.numbers(1, "<u8")

    def read(self, index: int, size_bytes: int) -> bytes:
        start = _at(self._offsets, index, self._where)
        if start + size_bytes > len(self._segment):
            raise ArtifactError(f"{self._where} is truncated: constant {index} is not whole")
        return self._segment[start : start + size_bytes]


def _read_value(value: Table, constants: _Constants) -> PteTensor | None:
    """Returns a value of the program if it is a tensor."""
    kind, table = value.union(0)
    if kind != _TENSOR or table is None:
        return None
    scalar = table.scalar(0, "int8")
    shape = table.numbers(2)
    if any(size < 0 for size in shape):
        raise ArtifactError(f"{table.where} is damaged: a tensor's shape is {list(shape)}")
    name, item_bytes = _SCALARS.get(scalar, (f"type {scalar}", 0))
    # program.fbs, on Tensor: with a buffer and without an allocation, it is a constant.
    index = table.scalar(5, "uint32") if table.table(6) is None else 0
    data = constants.read(index, prod(shape) * item_bytes) if index else None
    return PteTensor(name, shape, data)


def _read_delegate(entry: Table, root: Table, segments: list[bytes]) -> tuple[str, bytes]:
    processed = entry.need(1)
    index = processed.scalar(1, "uint32")
    if processed.scalar(0, "int8") == _INLINE:
        table = _at(root.tables(3), index, root.where)
        return entry.text(0), bytes(table.array(0, "u1"))
    return entry.text(0), _at(segments, index, root.where)


def _read_kernels(
    calls: list[tuple[int, Table | None]], plan: Table, tensors: list[PteTensor | None]
) -> tuple[tuple[str, PteTensor | None], ...]:
    names = [
        ".".join(part for part in (entry.text(0), entry.text(1)) if part)
        for entry in plan.tables(6)
    ]
    kernels = []
    for kind, call in calls:
        if kind == _KERNEL_CALL and call is not None:
            arguments = call.numbers(1)
            # A kernel's last argument is what it writes to (the "out" variant of an op).
            result = _at(tensors, arguments[-1], plan.where) if arguments else None
            kernels.append((_at(names, call.scalar(0, "int32"), plan.where), result))
    return tuple(kernels)


def _pick_tensors(
    tensors: list[PteTensor | None], indices: tuple[int, ...], where: str
) -> tuple[PteTensor, ...]:
    chosen = [_at(tensors, index, where) for index in indices]
    return tuple(tensor for tensor in chosen if tensor is not None)


def _at(items: Sequence[Item], index: int, where: str) -> Item:
    if not 0 <= index < len(items):
        raise ArtifactError(f"{where} is damaged: it names entry {index} of {len(items)}")
    return items[index]
