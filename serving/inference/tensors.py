"""Tensors of the Open Inference Protocol: from JSON or binary data, and back.

Source: the protocol's HTTP/REST part, and its binary tensor data extension as Triton defines it:
little endian, row by row, an element of BYTES as its length in 4 bytes and then its bytes.
"""

import base64
import binascii
import itertools
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import InferenceError

FP32, UINT8, BYTES = "FP32", "UINT8", "BYTES"
# Of pixels; a model takes whole numbers 0 to 255, and a client need not make them four bytes each.
PIXEL_TYPES: dict[str, np.dtype[Any]] = {FP32: np.dtype("<f4"), UINT8: np.dtype("u1")}
_LENGTH = struct.Struct("<I")
_MAX_PIXEL = 255.0
_MAX_RANK = 4


def read_pixels(
    shape: Sequence[int], datatype: str, given: bytes | list[Any]
) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    """Reads a tensor of pixels.

    Args:
        shape: as the request states it; positive.
        datatype: one of `PIXEL_TYPES`.
        given: binary data, or JSON's list, flat or nested.

    Returns:
        The tensor, of that shape.

    Raises:
        InferenceError: the data are not as the shape says, no numbers, or out of 0 to 255.
    """
    dtype, count = PIXEL_TYPES[datatype], math.prod(shape)
    if isinstance(given, bytes):
        if len(given) != count * dtype.itemsize:
            raise InferenceError(
                f"{list(shape)} of {datatype} are {count * dtype.itemsize} bytes: given are "
                f"{len(given)}"
            )
        flat = np.frombuffer(given, dtype)
    else:
        flat = _read_numbers(given, dtype)
    if flat.size != count:
        raise InferenceError(f"{list(shape)} are {count} numbers: given are {flat.size}")
    # Written so that it fails for what is no number.
    if not (flat.min() >= 0 and flat.max() <= _MAX_PIXEL):
        raise InferenceError("pixels are numbers of 0 to 255: others, or none, are among them")
    return flat.reshape(tuple(shape))


def _read_numbers(given: list[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    flat = _flatten(given)
    # Looked at before numpy does: it would give every element the room of the longest text.
    if not set(map(type, flat)) <= {int, float}:
        raise InferenceError("data holds something that is no number")
    try:
        values = np.array(flat, np.float64)
    except OverflowError as error:
        raise InferenceError(f"data holds a number that is too large: {error}") from error
    if dtype.kind == "u" and not ((values >= 0) & (values <= _MAX_PIXEL) & (values % 1 == 0)).all():
        raise InferenceError("UINT8 are whole numbers of 0 to 255: others are among them")
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the others
        return values.astype(dtype)


def read_elements(count: int, given: bytes | list[Any]) -> list[bytes]:
    """Reads a tensor of BYTES.

    Args:
        count: how many elements its shape says.
        given: binary data, or JSON's list of base64 strings (RFC 4648), flat or nested.

    Raises:
        InferenceError: the data are not as the count says, or no base64.
    """
    if isinstance(given, bytes):
        found = _split_elements(given)
    else:
        found = [_decode_base64(text) for text in _flatten(given)]
    if len(found) != count:
        raise InferenceError(f"the shape says {count} elements of BYTES: given are {len(found)}")
    return found


def _split_elements(data: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(data):
        if len(data) - start < _LENGTH.size:
            raise InferenceError("binary data of BYTES end within the length of an element")
        (size_bytes,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if size_bytes > len(data) - start:
            raise InferenceError(
                f"an element of BYTES has {size_bytes} bytes by its length: {len(data) - start} "
                "follow"
            )
        found.append(data[start : start + size_bytes])
        start += size_bytes
    return found


def _flatten(given: list[Any]) -> list[Any]:
    for _ in range(_MAX_RANK):
        if not given or not isinstance(given[0], list):
            return given
        if not all(isinstance(part, list) for part in given):
            break
        given = list(itertools.chain.from_iterable(given))
    raise InferenceError(f"data is neither flat nor nested evenly, up to {_MAX_RANK} deep")


def _decode_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise InferenceError("BYTES in JSON are strings of base64, or else binary data")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InferenceError(f"BYTES in JSON are base64: {error}") from error


def write_binary(values: npt.NDArray[np.float32] | list[str]) -> bytes:
    """Returns a tensor's binary data: numbers, or texts as BYTES."""
    if isinstance(values, list):
        encoded = [text.encode() for text in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    return values.astype("<f4").tobytes()
