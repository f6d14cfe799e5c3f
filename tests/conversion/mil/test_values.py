"""Packed numbers, and weights files written by coremltools' own writer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from conversion.errors import ArtifactError, UnknownOpError
from conversion.formats.coreml_tools import MIL_pb2
from conversion.mil.values import TYPES, ValueReader, unpack_bits

SUB_BYTE = {"uint1", "uint2", "uint3", "uint4", "uint6", "int4"}
BY_NAME = {element.name: (number, element) for number, element in TYPES.items()}
# int4's lowest number first.
EXAMPLES = {
    "fp16": np.array([1.5, -2, 65504, 6e-8], np.float16),
    "fp32": np.array([1.5, -2, 1e38], np.float32),
    "int4": np.array([-8, 7, 0, -1, 3], np.int8),
    "int8": np.array([-128, 127, 0], np.int8),
    "int16": np.array([-(2**15), 2**15 - 1], np.int16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "uint1": np.array([1, 0, 1, 1, 0, 0, 0, 1, 1], np.uint8),
    "uint2": np.array([3, 0, 1, 2, 3], np.uint8),
    "uint3": np.array([7, 0, 1, 2, 3], np.uint8),
    "uint4": np.array([15, 0, 7], np.uint8),
    "uint6": np.array([63, 1, 2, 33, 5], np.uint8),
    "uint8": np.array([255, 0, 7], np.uint8),
    "uint16": np.array([2**16 - 1, 0], np.uint16),
    "uint32": np.array([2**32 - 1, 0], np.uint32),
}


def write_blob(path, name, values):
    """Writes weights as coremltools does, and returns where they begin."""
    from coremltools.converters.mil.mil import types
    from coremltools.libmilstoragepython import _BlobStorageWriter

    writer = _BlobStorageWriter(str(path))
    if name == "fp16":
        return writer.write_fp16_data(values.view(np.uint16))
    if name == "fp32":
        return writer.write_float_data(values)
    if name in SUB_BYTE:
        values = values.astype(types.nptype_from_builtin(types.string_to_builtin(name)))
    return getattr(writer, f"write_{name}_data")(values)


def file_value(name, shape, offset):
    value = MIL_pb2.Value()
    value.type.tensorType.dataType = BY_NAME[name][0]
    value.type.tensorType.rank = len(shape)
    for size in shape:
        value.type.tensorType.dimensions.add().constant.size = size
    value.blobFileValue.fileName = "@model_path/weights.bin"
    value.blobFileValue.offset = offset
    return value


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_weights_are_read_as_coremltools_writes_them(name, tmp_path):
    values = EXAMPLES[name]
    offset = write_blob(tmp_path / "weights.bin", name, values)
    read = ValueReader(tmp_path).read(file_value(name, values.shape, offset))
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype


def test_every_type_that_files_hold_is_tested():
    assert {element.name for element in TYPES.values() if element.blob} == set(EXAMPLES)


@given(
    values=st_numpy.arrays(np.uint8, st.integers(0, 40), elements=st.integers(0, 255)),
    bits=st.integers(1, 8),
    signed=st.booleans(),
)
def test_packed_numbers_come_back(values, bits, signed):
    """Packed here number by number, as MIL's definition of `constexpr_lut_to_dense` says."""
    values &= 2**bits - 1
    stream = 0
    for place, value in enumerate(values.tolist()):
        stream |= value << (place * bits)
    packed = np.frombuffer(stream.to_bytes(-(-len(values) * bits // 8), "little"), np.uint8)
    expected = values.astype(int)
    if signed:
        expected = np.where(expected >= 2 ** (bits - 1), expected - 2**bits, expected)
    np.testing.assert_array_equal(unpack_bits(packed, bits, len(values), signed), expected)


def test_the_example_of_the_definition():
    """Two bits each, shape (5,): i0 is the lowest bits of the first byte."""
    packed = np.array([0b01101100, 0b00000011], np.uint8)
    assert unpack_bits(packed, 2, 5).tolist() == [0b00, 0b11, 0b10, 0b01, 0b11]


@given(size=st.integers(0, 8), bits=st.integers(1, 8), count=st.integers(0, 40))
def test_bytes_of_another_number_are_refused(size, bits, count):
    packed = np.zeros(size, np.uint8)
    if size == -(-count * bits // 8):
        assert len(unpack_bits(packed, bits, count)) == count
    else:
        with pytest.raises(ArtifactError, match="cannot hold"):
            unpack_bits(packed, bits, count)


@pytest.mark.parametrize("name", ["fp16", "uint6", "int4", "uint1"])
@pytest.mark.parametrize("more", [-1, 1, 8])
def test_weights_of_another_number_than_declared_are_refused(name, more, tmp_path):
    values = EXAMPLES[name]
    offset = write_blob(tmp_path / "weights.bin", name, values)
    with pytest.raises(ArtifactError, match="weights for shape"):
        ValueReader(tmp_path).read(file_value(name, (len(values) + more,), offset))


def test_weights_of_another_type_than_declared_are_refused(tmp_path):
    offset = write_blob(tmp_path / "weights.bin", "uint8", EXAMPLES["uint8"])
    for name in ("int8", "uint6", "bool"):
        with pytest.raises(ArtifactError, match=f"no {name} weights at 64"):
            ValueReader(tmp_path).read(file_value(name, (3,), offset))


def test_a_type_that_is_not_known_is_named(tmp_path):
    value = file_value("uint8", (3,), 64)
    value.type.tensorType.dataType = MIL_pb2.FLOAT8E5M2
    with pytest.raises(UnknownOpError, match="FLOAT8E5M2"):
        ValueReader(tmp_path).read(value)


@given(data=st.data())
def test_damaged_weights_files_are_typed_errors(data, tmp_path_factory):
    """Any byte of the header changed, any length cut: the same numbers, or a typed error."""
    folder = tmp_path_factory.mktemp("blob")
    name = data.draw(st.sampled_from(["uint6", "uint1", "int4", "fp16", "uint8"]))
    values = EXAMPLES[name]
    path = folder / "weights.bin"
    offset = write_blob(path, name, values)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(offset, offset + 32 - 1))
    whole[place] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        read = ValueReader(folder).read(file_value(name, values.shape, offset))
    except ArtifactError:
        return
    assert read.shape == values.shape
