"""A `.pte` of a few hundred bytes: one delegate call, and kernels that run outside of it.

Field numbers are those of ExecuTorch's `schema/program.fbs`; it has no values, and so runs nothing.
"""

import struct
from collections.abc import Callable, Sequence

import flatbuffers

_KERNEL_CALL, _DELEGATE_CALL = 1, 2
_HEADER_BYTES = 32

Slot = Callable[[flatbuffers.Builder, int], None]


def make_pte(backend: str = "XnnpackBackend", kernels: Sequence[tuple[str, str]] = ()) -> bytes:
    """Writes the program; `kernels` are pairs of name and overload, as in ("aten::add", "out")."""
    builder = flatbuffers.Builder(512)
    operators = [
        _table(builder, _refer(builder.CreateString(name), builder.CreateString(overload)))
        for name, overload in kernels
    ]
    calls = [_instruction(builder, _DELEGATE_CALL, 0)]
    calls += [_instruction(builder, _KERNEL_CALL, index) for index in range(len(kernels))]
    chain = _table(builder, {2: _offset(_vector(builder, calls))})
    processed = _table(builder, {0: _int8(0), 1: _uint32(0)})
    delegate = _table(builder, _refer(builder.CreateString(backend), processed))
    plan = _table(
        builder,
        {
            5: _offset(_vector(builder, [chain])),
            6: _offset(_vector(builder, operators)),
            7: _offset(_vector(builder, [delegate])),
        },
    )
    inline = _table(builder, {0: _offset(builder.CreateByteVector(b"delegate"))})
    program = _table(
        builder,
        {1: _offset(_vector(builder, [plan])), 3: _offset(_vector(builder, [inline]))},
    )
    builder.Finish(program, b"ET12")
    return _with_header(bytes(builder.Output()))


def _with_header(data: bytes) -> bytes:
    root, size = struct.unpack_from("<I", data)[0], len(data) + _HEADER_BYTES
    header = struct.pack("<4sIQQQ", b"eh00", _HEADER_BYTES, size, size, 0)
    return struct.pack("<I", root + _HEADER_BYTES) + data[4:8] + header + data[8:]


def _instruction(builder: flatbuffers.Builder, kind: int, index: int) -> int:
    call = _table(builder, {0: _int32(index)})
    return _table(builder, {0: _uint8(kind), 1: _offset(call)})


def _refer(*offsets: int) -> dict[int, Slot]:
    return {field: _offset(offset) for field, offset in enumerate(offsets)}


def _offset(value: int) -> Slot:
    return lambda builder, field: builder.PrependUOffsetTRelativeSlot(field, value, 0)


def _int8(value: int) -> Slot:
    return lambda builder, field: builder.PrependInt8Slot(field, value, 9)


def _uint8(value: int) -> Slot:
    return lambda builder, field: builder.PrependUint8Slot(field, value, 0)


def _int32(value: int) -> Slot:
    return lambda builder, field: builder.PrependInt32Slot(field, value, -1)


def _uint32(value: int) -> Slot:
    return lambda builder, field: builder.PrependUint32Slot(field, value, 9)


def _table(builder: flatbuffers.Builder, fields: dict[int, Slot]) -> int:
    builder.StartObject(max(fields) + 1)
    for field, write in fields.items():
        write(builder, field)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
