"""Compressed weights against their definitions, element by element."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.constexpr import OPS, decompress
from conversion.mil.package import Operation, Reference, Result

RNG = np.random.default_rng(5)


def run(kind, args, dtype="fp16", shape=None):
    operation = Operation(f"constexpr_{kind}", args, (Result("w", dtype, shape),))
    return decompress((operation,))["w"]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_affine_weights_are_scaled_along_their_axis(axis, dtype):
    data = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, (3, 4, 5)).astype(dtype)
    size = data.shape[axis]
    scale = RNG.random(size).astype(np.float16)
    zero = RNG.integers(0, 100, size).astype(dtype)
    args = {"quantized_data": data, "scale": scale, "zero_point": zero, "axis": axis}
    weights = run("affine_dequantize", args, shape=(3, 4, 5))
    assert weights.dtype == np.float16
    for index in np.ndindex(data.shape):
        at = index[axis]
        exact = np.float32(scale[at]) * np.float32(int(data[index]) - int(zero[at]))
        assert weights[index] == np.float16(exact)


def test_affine_weights_may_share_a_scale():
    data = np.arange(6, dtype=np.int8).reshape(2, 3)
    args = {"quantized_data": data, "scale": 0.5, "zero_point": 1, "axis": 0}
    np.testing.assert_array_equal(run("affine_dequantize", args, "fp32"), (data - 1.0) / 2)


@pytest.mark.parametrize("blocks", [(1, 1, 1), (4, 1, 2), (2, 6, 1), (4, 6, 2)])
@pytest.mark.parametrize("with_offset", [False, True])
def test_blocks_of_weights_have_their_own_scales(blocks, with_offset):
    data = RNG.integers(-8, 8, (4, 6, 2)).astype(np.int8)
    scale = RNG.random(blocks).astype(np.float16)
    args = {"data": data, "scale": scale}
    offset = RNG.integers(-8, 8, blocks).astype(np.int8) if with_offset else np.zeros(blocks)
    if with_offset:
        args["offset"] = offset
    weights = run("blockwise_shift_scale", args)
    for index in np.ndindex(data.shape):
        block = tuple(i * n // size for i, n, size in zip(index, blocks, data.shape, strict=True))
        exact = np.float32(scale[block]) * np.float32(data[index] - offset[block])
        assert weights[index] == np.float16(exact)


def test_a_cast_widens():
    values = np.array([1.5, 2.5], np.float16)
    weights = run("cast", {"source_val": values, "output_dtype": "fp32"}, "fp32")
    np.testing.assert_array_equal(weights, values)
    assert weights.dtype == np.float32
    with pytest.raises(UnknownOpError, match="constexpr_cast to 'fp64'"):
        run("cast", {"source_val": values, "output_dtype": "fp64"}, "fp32")


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_palettes_of_ios16_are_looked_up(bits):
    lut = RNG.standard_normal(2**bits).astype(np.float16)
    indices = RNG.integers(0, 2**bits, 35)
    stream = sum(int(value) << (place * bits) for place, value in enumerate(indices))
    packed = np.frombuffer(stream.to_bytes(-(-35 * bits // 8), "little"), np.uint8)
    args = {"indices": packed, "lut": lut, "shape": np.array([5, 7], np.uint32)}
    weights = run("lut_to_dense", args, shape=(5, 7))
    np.testing.assert_array_equal(weights, lut[indices].reshape(5, 7))


def test_palettes_of_ios18_belong_to_groups():
    """The first example of MIL's definition: two tables, each for three rows."""
    indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2)
    lut = np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float16).reshape(2, 1, 4, 1)
    expected = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    np.testing.assert_array_equal(run("lut_to_dense", {"indices": indices, "lut": lut}), expected)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_palettes_of_ios18_may_hold_vectors(axis):
    """The second example of MIL's definition."""
    indices = np.array([[[0, 0], [1, 0]], [[1, 1], [0, 0]]], np.uint8)
    lut = np.array([[1, 2, 3], [4, 5, 6]], np.int8).reshape(1, 1, 1, 2, 3)
    args = {"indices": indices, "lut": lut, "vector_axis": axis}
    weights = run("lut_to_dense", args, "int8")
    along_1 = [
        [[1, 1], [2, 2], [3, 3], [4, 1], [5, 2], [6, 3]],
        [[4, 4], [5, 5], [6, 6], [1, 1], [2, 2], [3, 3]],
    ]
    along_2 = [
        [[1, 2, 3, 1, 2, 3], [4, 5, 6, 1, 2, 3]],
        [[4, 5, 6, 4, 5, 6], [1, 2, 3, 1, 2, 3]],
    ]
    np.testing.assert_array_equal(weights, along_1 if axis == 1 else along_2)


MASK = np.array([[1, 1, 0, 0], [0, 1, 1, 0]], np.uint8)


def test_sparse_weights_of_both_opsets_are_put_in_place():
    kept = np.array([1.5, 2.5, 3.5, 4.5], np.float16)
    expected = [[1.5, 2.5, 0, 0], [0, 3.5, 4.5, 0]]
    weights = run("sparse_to_dense", {"nonzero_data": kept, "mask": MASK}, shape=(2, 4))
    np.testing.assert_array_equal(weights, expected)
    packed = np.packbits(MASK.reshape(-1), bitorder="little")
    args = {"nonzero_data": kept, "mask": packed, "shape": np.array([2, 4], np.uint32)}
    np.testing.assert_array_equal(run("sparse_to_dense", args), expected)


def test_sparse_palettes_and_scales_feed_the_sparse_weights():
    """Ops with two results, the mask and the numbers that it keeps, used by the next op."""
    two = (Result("mask", "uint1", (2, 4)), Result("kept", "fp16", (4,)))
    dense = Operation(
        "constexpr_sparse_to_dense",
        {"mask": Reference("mask"), "nonzero_data": Reference("kept")},
        (Result("w", "fp16", (2, 4)),),
    )
    lut = np.array([2, 3], np.float16).reshape(1, 1, 2, 1)
    indices = np.array([0, 1, 1, 0], np.uint8)
    palette = {"indices_mask": MASK, "indices_nonzero_data": indices, "lut": lut}
    done = decompress((Operation("constexpr_lut_to_sparse", palette, two), dense))
    np.testing.assert_array_equal(done["w"], [[2, 3, 0, 0], [0, 3, 2, 0]])

    numbers = np.array([10, 11, 3, 4], np.int8)
    scale = np.array([[0.5, 1, 2, 4]], np.float16)
    scaled = {"data_mask": MASK, "nonzero_data": numbers, "scale": scale}
    done = decompress((Operation("constexpr_sparse_blockwise_shift_scale", scaled, two), dense))
    np.testing.assert_array_equal(done["w"], [[5, 11, 0, 0], [0, 3, 8, 0]])


def test_sparse_vectors_widen_the_mask():
    """The vector example of MIL's definition of `constexpr_lut_to_sparse`, shortened."""
    lut = np.array([[2, 2], [3, 3]], np.float16).reshape(1, 1, 2, 2)
    args = {
        "indices_mask": MASK,
        "indices_nonzero_data": np.array([0, 1, 1, 0], np.uint8),
        "lut": lut,
        "vector_axis": 0,
    }
    mask, kept = OPS["constexpr_lut_to_sparse"](args)
    np.testing.assert_array_equal(mask, np.repeat(MASK, 2, 0))
    np.testing.assert_array_equal(kept, [2, 3, 2, 3, 3, 2, 3, 2])


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        (
            "affine_dequantize",
            {"quantized_data": MASK, "scale": np.ones(3), "zero_point": 0, "axis": 0},
        ),
        ("affine_dequantize", {"quantized_data": MASK, "scale": 1.0, "zero_point": 0, "axis": 7}),
        ("affine_dequantize", {"quantized_data": MASK, "zero_point": 0, "axis": 0}),
        ("blockwise_shift_scale", {"data": MASK, "scale": np.ones((2, 3))}),
        ("blockwise_shift_scale", {"data": MASK, "scale": np.ones(2)}),
        ("lut_to_dense", {"indices": MASK, "lut": np.ones((1, 1, 5, 1), np.float16)}),
        ("lut_to_dense", {"indices": MASK * 3, "lut": np.ones((1, 1, 2, 1), np.float16)}),
        ("lut_to_dense", {"indices": MASK, "lut": np.ones((1, 1, 2, 3), np.float16)}),
        (
            "lut_to_dense",
            {"indices": MASK[0], "lut": np.ones(4, np.float16), "shape": np.array([99])},
        ),
        ("sparse_to_dense", {"nonzero_data": np.ones(3), "mask": MASK}),
        ("sparse_to_dense", {"nonzero_data": np.ones(3), "mask": MASK[0], "shape": np.array([9])}),
        ("sparse_to_dense", {"nonzero_data": np.ones(4), "mask": Reference("missing")}),
    ],
)
def test_what_does_not_fit_names_the_op(kind, args):
    with pytest.raises(ArtifactError, match=rf"MIL op constexpr_{kind} \(w\) cannot run"):
        run(kind, args)


def test_the_declared_result_is_held_to():
    kept = np.ones(4, np.float16)
    args = {"nonzero_data": kept, "mask": MASK}
    with pytest.raises(ArtifactError, match=r"gives \(2, 4\), not \(4, 2\)"):
        run("sparse_to_dense", args, shape=(4, 2))
    with pytest.raises(ArtifactError, match="gives float16, not int8"):
        run("sparse_to_dense", args, "int8")
    with pytest.raises(UnknownOpError, match="'bf16' is not known"):
        run("sparse_to_dense", args, "bf16")
    with pytest.raises(UnknownOpError, match="unknown MIL op constexpr_magic"):
        run("magic", args)


def test_weights_beyond_float16_are_infinite_as_on_a_device():
    args = {"quantized_data": np.array([100], np.int8), "scale": 1e4, "zero_point": 0, "axis": 0}
    assert np.isinf(run("affine_dequantize", args)).all()


@given(
    indices=st.lists(st.integers(0, 255), max_size=12),
    shape=st.lists(st.integers(0, 6), max_size=3),
    entries=st.integers(0, 300),
)
def test_palettes_of_any_size_give_the_shape_or_a_typed_error(indices, shape, entries):
    packed, lut = np.array(indices, np.uint8), np.ones(entries, np.float16)
    try:
        weights = run(
            "lut_to_dense", {"indices": packed, "lut": lut, "shape": np.array(shape, int)}
        )
    except ArtifactError:
        return
    assert list(weights.shape) == shape
