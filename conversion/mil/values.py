"""Reads MIL's constants: those inside of the program, and those in its weights file.

Element types and their packing follow MIL.proto (coremltools, `mlmodel/format`) and MILBlob's
BlobDataType.hpp and StorageFormat.hpp, which the files of coremltools' own writer confirm.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError, UnknownOpError
from conversion.formats.coreml_tools import MIL_pb2

WEIGHTS_VARIABLE = "@model_path/"
# StorageFormat.hpp: before each blob stand its mark, type, size, place, and the unused bits of
# its last byte.
_BLOB_HEADER = struct.Struct("<IIQQQ")
_BLOB_MARK = 0xDEADBEEF


@dataclass(frozen=True)
class ElementType:
    """A type of numbers in a MIL program.

    Attributes:
        name: as MIL's text names it, e.g. "fp16" or "uint6".
        dtype: what its numbers are read into.
        bits: of one stored number; below 8, numbers are packed without gaps, lowest bits first.
        blob: its number in a weights file (BlobDataType.hpp); 0 where files hold none.
    """

    name: str
    dtype: np.dtype[Any]
    bits: int
    blob: int


def _element(name: str, dtype: str, bits: int, blob: int) -> ElementType:
    return ElementType(name, np.dtype(dtype), bits, blob)


# By the number that MIL.proto's DataType gives.
TYPES: dict[int, ElementType] = {
    MIL_pb2.BOOL: _element("bool", "?", 8, 0),
    MIL_pb2.FLOAT16: _element("fp16", "<f2", 16, 1),
    MIL_pb2.FLOAT32: _element("fp32", "<f4", 32, 2),
    MIL_pb2.UINT8: _element("uint8", "u1", 8, 3),
    MIL_pb2.INT8: _element("int8", "i1", 8, 4),
    MIL_pb2.INT16: _element("int16", "<i2", 16, 6),
    MIL_pb2.UINT16: _element("uint16", "<u2", 16, 7),
    MIL_pb2.INT4: _element("int4", "i1", 4, 8),
    MIL_pb2.UINT1: _element("uint1", "u1", 1, 9),
    MIL_pb2.UINT2: _element("uint2", "u1", 2, 10),
    MIL_pb2.UINT4: _element("uint4", "u1", 4, 11),
    MIL_pb2.UINT3: _element("uint3", "u1", 3, 12),
    MIL_pb2.UINT6: _element("uint6", "u1", 6, 13),
    MIL_pb2.INT32: _element("int32", "<i4", 32, 14),
    MIL_pb2.UINT32: _element("uint32", "<u4", 32, 15),
}


def unpack_bits(
    packed: npt.NDArray[np.uint8], bits: int, count: int, signed: bool = False
) -> npt.NDArray[Any]:
    """Unpacks numbers of fewer than 8 bits, lowest bits first, without gaps between them.

    Args:
        packed: uint8, shape [ceil(count * bits / 8)].
        bits: of one number, 1 to 8.
        count: how many there are.
        signed: whether they are in two's complement.

    Returns:
        uint8, or int8 where they are signed, shape [count].

    Raises:
        ArtifactError: the bytes are of another number.
    """
    if packed.size != -(-count * bits // 8):
        raise ArtifactError(f"{packed.size} bytes cannot hold {count} numbers of {bits} bits")
    stream = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    values = np.packbits(stream, axis=1, bitorder="little")[:, 0]
    if not signed:
        return values
    sign = np.uint8(1 << (bits - 1))
    return ((values ^ sign).astype(np.int16) - np.int16(sign)).astype(np.int8)


class ValueReader:
    """Turns MIL values into arrays, numbers, words and lists."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder that a program's file names start from."""
        self.folder = folder
        self._files: dict[str, bytes] = {}

    def read(self, value: Any) -> Any:
        """Returns a value: an array, a scalar where the rank is 0, a word, or a list.

        Raises:
            ArtifactError: the value is damaged, or its file missing, truncated or elsewhere.
            UnknownOpError: it is of a kind that is not known here.
        """
        try:
            return self._read(value)
        except (ValueError, OverflowError, TypeError) as error:
            raise ArtifactError(f"{self.folder}: a MIL value is damaged: {error}") from error

    def _read(self, value: Any) -> Any:
        if value.WhichOneof("value") == "blobFileValue":
            return self._read_file_value(value)
        kind = value.immediateValue.WhichOneof("value")
        if kind == "list":
            return [self.read(item) for item in value.immediateValue.list.values]
        if kind == "tensor":
            return _read_tensor(value.immediateValue.tensor, value.type.tensorType)
        raise UnknownOpError(f"MIL value of kind {kind!r}: known are tensors, lists, files")

    def _read_file_value(self, value: Any) -> npt.NDArray[Any]:
        element = element_of(value.type.tensorType)
        shape = shape_of(value.type.tensorType)
        count = math.prod(shape)
        data, unused_bits, where = self._read_blob(value.blobFileValue, element)
        used_bits = 8 * len(data) - unused_bits
        if used_bits != count * element.bits or not 0 <= unused_bits < 8:
            raise ArtifactError(
                f"{where}: {used_bits / element.bits:g} weights for shape {list(shape)}"
            )
        return _to_array(data, element, count).reshape(shape)

    def _read_blob(self, blob: Any, element: ElementType) -> tuple[bytes, int, Path]:
        if blob.fileName not in self._files:
            self._files[blob.fileName] = _read_inside(self.folder, blob.fileName)
        data = self._files[blob.fileName]
        where, offset = self.folder / blob.fileName.removeprefix(WEIGHTS_VARIABLE), blob.offset
        if offset + _BLOB_HEADER.size > len(data):
            raise ArtifactError(f"{where} is truncated: it ends before the weights at {offset}")
        mark, kind, size_bytes, start, unused_bits = _BLOB_HEADER.unpack_from(data, offset)
        if mark != _BLOB_MARK or kind != element.blob or not element.blob:
            raise ArtifactError(f"{where}: no {element.name} weights at {offset}, as is declared")
        if start + size_bytes > len(data):
            raise ArtifactError(f"{where} is truncated: it ends within the weights at {offset}")
        return data[start : start + size_bytes], unused_bits, where


def element_of(tensor_type: Any) -> ElementType:
    """Returns the type of a tensor's numbers.

    Raises:
        UnknownOpError: it is not known here.
    """
    element = TYPES.get(tensor_type.dataType)
    if element is None:
        known = ", ".join(entry.name for entry in TYPES.values())
        name = MIL_pb2.DataType.Name(tensor_type.dataType)
        raise UnknownOpError(f"MIL value of type {name}: known are {known}, string")
    return element


def shape_of(tensor_type: Any) -> tuple[int, ...]:
    """Returns a tensor's declared shape, -1 for a size that the program leaves open."""
    return tuple(
        dim.constant.size if dim.WhichOneof("dimension") == "constant" else -1
        for dim in tensor_type.dimensions
    )


def _read_inside(folder: Path, name: str) -> bytes:
    path = folder / name.removeprefix(WEIGHTS_VARIABLE)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"weights file {name!r} lies outside of the package")
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read weights file {path}: {error}") from error


def _read_tensor(tensor: Any, tensor_type: Any) -> Any:
    kind = tensor.WhichOneof("value")
    if kind is None:
        raise ArtifactError("a MIL value holds nothing")
    values = getattr(tensor, kind).values
    if kind == "strings":
        return values[0] if tensor_type.rank == 0 and len(values) == 1 else list(values)
    element, shape = element_of(tensor_type), shape_of(tensor_type)
    count = math.prod(shape)
    if kind == "bytes":
        array = _to_array(values, element, count)
    else:
        array = np.array(values, element.dtype)
    if array.size != count:
        raise ArtifactError(f"a MIL value holds {array.size} numbers for shape {list(shape)}")
    return array.reshape(shape) if shape else array[0].item()


def _to_array(data: bytes, element: ElementType, count: int) -> npt.NDArray[Any]:
    if element.bits >= 8:
        return np.frombuffer(data, element.dtype)
    return unpack_bits(
        np.frombuffer(data, np.uint8), element.bits, count, signed=element.dtype.kind == "i"
    )
