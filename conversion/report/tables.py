"""Reads flatbuffers by field number, every access checked against the bytes that are there.

A table is a place in the bytes; before it stands the distance to its vtable, which holds, per
field, the distance from the table to the value, or 0 where the field is left at its default
(flatbuffers.dev, "FlatBuffers Internals"). A field's number is its place in the schema's table;
a union takes two: its kind, then its value. The readers that flatbuffers generates trust the
bytes; artifacts come from elsewhere, so this one does not.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError

_UINT16, _INT32, _UINT32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")
_SCALARS = {
    kind: struct.Struct(f"<{letter}")
    for kind, letter in {
        "bool": "?",
        "int8": "b",
        "uint8": "B",
        "int16": "h",
        "int32": "i",
        "uint32": "I",
        "int64": "q",
        "uint64": "Q",
        "float32": "f",
    }.items()
}


class Table:
    """One table of a flatbuffer.

    Args:
        data: the flatbuffer, from its first byte.
        place: where the table begins.
        where: what is being read, for error messages.
    """

    def __init__(self, data: bytes, place: int, where: str) -> None:
        self.data = data
        self.place = place
        self.where = where
        self._vtable = place - self._unpack(_INT32, place)
        self._vtable_bytes = self._unpack(_UINT16, self._vtable)

    @classmethod
    def root(cls, data: bytes, where: str) -> "Table":
        """Returns the root table, to which the first four bytes point.

        Raises:
            ArtifactError: the bytes end before it; as does every method here when the bytes
                end before what they promise.
        """
        if len(data) < _UINT32.size:
            raise ArtifactError(f"{where} is truncated: it has {len(data)} bytes")
        return cls(data, _UINT32.unpack_from(data)[0], where)

    def scalar(self, number: int, kind: str, default: Any = 0) -> Any:
        """Returns a number, or the schema's default where the field is absent.

        Args:
            number: of the field.
            kind: "bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64" or
                "float32".
            default: as in the schema.
        """
        place = self._field(number)
        return default if place is None else self._unpack(_SCALARS[kind], place)

    def text(self, number: int) -> str:
        """Returns a string, empty where the field is absent."""
        start, count = self._vector(number, 1)
        return self.data[start : start + count].decode("utf-8", "replace")

    def array(self, number: int, dtype: str) -> npt.NDArray[Any]:
        """Returns a vector of numbers, empty where the field is absent; it shares the bytes."""
        kind = np.dtype(dtype)
        start, count = self._vector(number, kind.itemsize)
        return np.frombuffer(self.data, kind, count, start)

    def numbers(self, number: int, dtype: str = "<i4") -> tuple[int, ...]:
        """Returns a vector of whole numbers."""
        return tuple(int(value) for value in self.array(number, dtype))

    def table(self, number: int) -> "Table | None":
        """Returns the table that a field points to, None where the field is absent."""
        place = self._field(number)
        return None if place is None else self._follow(place)

    def need(self, number: int) -> "Table":
        """Returns the table that a field points to.

        Raises:
            ArtifactError: the field is absent, too.
        """
        table = self.table(number)
        if table is None:
            raise ArtifactError(f"{self.where} is damaged: field {number} is missing")
        return table

    def tables(self, number: int) -> list["Table"]:
        """Returns a vector of tables, empty where the field is absent."""
        start, count = self._vector(number, _UINT32.size)
        return [self._follow(start + _UINT32.size * index) for index in range(count)]

    def union(self, number: int) -> tuple[int, "Table | None"]:
        """Returns a union's kind (0 for none) and its table; `number` is that of the kind."""
        return int(self.scalar(number, "uint8")), self.table(number + 1)

    def _field(self, number: int) -> int | None:
        entry = 4 + 2 * number  # the vtable begins with its own size and the table's
        if entry + 2 > self._vtable_bytes:
            return None
        distance = self._unpack(_UINT16, self._vtable + entry)
        return self.place + distance if distance else None

    def _vector(self, number: int, item_bytes: int) -> tuple[int, int]:
        """Returns where a vector's items start and how many there are."""
        place = self._field(number)
        if place is None:
            return 0, 0
        start = place + self._unpack(_UINT32, place)
        count = self._unpack(_UINT32, start)
        start += _UINT32.size
        if start + count * item_bytes > len(self.data):
            raise ArtifactError(f"{self.where} is damaged: it ends within a list of {count}")
        return start, count

    def _follow(self, place: int) -> "Table":
        return Table(self.data, place + self._unpack(_UINT32, place), self.where)

    def _unpack(self, kind: struct.Struct, place: int) -> Any:
        if place < 0 or place + kind.size > len(self.data):
            raise ArtifactError(
                f"{self.where} is damaged: it points to byte {place} of {len(self.data)}"
            )
        return kind.unpack_from(self.data, place)[0]
