"""The `constexpr_*` ops of MIL: what turns compressed weights into dense ones, at load.

Sections cited are pages of the MIL Ops reference of coremltools (apple.github.io/coremltools,
"MIL Ops"), opset iOS 16 or iOS 18. Every function computes in float32 and rounds its result once
to the type that the op's definition gives it: that of the scale, or of the table.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.package import Operation, Reference
from conversion.mil.values import unpack_bits

PREFIX = "constexpr_"
Array = npt.NDArray[Any]
# The inputs of one op by name: arrays, numbers, words.
Arguments = Mapping[str, Any]


def affine_dequantize(args: Arguments) -> list[Array]:
    """`iOS16.constexpr_affine_dequantize`: scale * (quantized_data - zero_point) along `axis`."""
    data = np.asarray(args["quantized_data"])
    axis = range(data.ndim)[int(args["axis"])]
    scale = _along(args["scale"], data, axis)
    shifted = data.astype(np.float32) - _along(args["zero_point"], data, axis)
    return [scale.astype(np.float32) * shifted]


def blockwise_shift_scale(args: Arguments) -> list[Array]:
    """`iOS18.constexpr_blockwise_shift_scale`: scale * (data - offset), each for its block."""
    data, scale = np.asarray(args["data"]), np.asarray(args["scale"])
    shifted = data.astype(np.float32)
    if "offset" in args:
        shifted -= _spread(np.asarray(args["offset"]), data.shape)
    return [_spread(scale, data.shape) * shifted]


def cast(args: Arguments) -> list[Array]:
    """`iOS16.constexpr_cast`: source_val, which is fp16, as `output_dtype`, which is fp32."""
    if args["output_dtype"] != "fp32":
        raise UnknownOpError(f"MIL op constexpr_cast to {args['output_dtype']!r}: known is fp32")
    return [np.asarray(args["source_val"]).astype(np.float32)]


def lut_to_dense(args: Arguments) -> list[Array]:
    """`constexpr_lut_to_dense`: each index replaced by its entry of the lookup table.

    Opset iOS 16 has one table, and packs the indices into bytes beside their `shape`; iOS 18 has
    a table for each block of indices.
    """
    lut = np.asarray(args["lut"])
    if "shape" in args:
        shape = _sizes(args["shape"])
        bits = _index_bits(lut.size)
        packed = np.asarray(args["indices"], np.uint8).reshape(-1)
        return [lut.reshape(-1)[unpack_bits(packed, bits, math.prod(shape)).reshape(shape)]]
    return [_look_up(np.asarray(args["indices"]), lut, args.get("vector_axis"))]


def lut_to_sparse(args: Arguments) -> list[Array]:
    """`iOS18.constexpr_lut_to_sparse`: as lut_to_dense, for the entries that the mask keeps."""
    mask, lut = np.asarray(args["indices_mask"]), np.asarray(args["lut"])
    indices = _scatter(np.asarray(args["indices_nonzero_data"]), mask)
    dense = _look_up(indices, lut, args.get("vector_axis"))
    if lut.shape[-1] > 1:
        mask = np.repeat(mask, lut.shape[-1], int(args["vector_axis"]))
    return [mask, dense[mask != 0]]


def sparse_blockwise_shift_scale(args: Arguments) -> list[Array]:
    """`iOS18.constexpr_sparse_blockwise_shift_scale`: for the entries that the mask keeps."""
    mask = np.asarray(args["data_mask"])
    data = _scatter(np.asarray(args["nonzero_data"]), mask)
    (dense,) = blockwise_shift_scale({**args, "data": data})
    return [mask, dense[mask != 0]]


def sparse_to_dense(args: Arguments) -> list[Array]:
    """`constexpr_sparse_to_dense`: nonzero_data where the mask is set, zeros elsewhere.

    Opset iOS 16 packs the mask into bytes beside its `shape`; in iOS 18 it is a tensor of bits.
    """
    mask = np.asarray(args["mask"])
    if "shape" in args:
        shape = _sizes(args["shape"])
        mask = unpack_bits(mask.reshape(-1), 1, math.prod(shape)).reshape(shape)
    return [_scatter(np.asarray(args["nonzero_data"]), mask)]


OPS: dict[str, Callable[[Arguments], list[Array]]] = {
    PREFIX + function.__name__: function
    for function in (
        affine_dequantize,
        blockwise_shift_scale,
        cast,
        lut_to_dense,
        lut_to_sparse,
        sparse_blockwise_shift_scale,
        sparse_to_dense,
    )
}
_DTYPES = {
    "fp16": np.float16,
    "fp32": np.float32,
    "int8": np.int8,
    "uint8": np.uint8,
    "int4": np.int8,
    "uint4": np.uint8,
    "uint1": np.uint8,
}


def decompress(operations: tuple[Operation, ...]) -> dict[str, Array]:
    """Computes every `constexpr_*` op of a program.

    Args:
        operations: the program; its other ops are passed over.

    Returns:
        What each gives, by name, in the type and shape that the program declares.

    Raises:
        UnknownOpError: names the op, or the form of one, that is not known.
        ArtifactError: names the op whose inputs do not fit.
    """
    values: dict[str, Array] = {}
    # A scale may be as large as it likes: what its type cannot hold is infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        for operation in operations:
            if operation.kind.startswith(PREFIX):
                values |= _compute(operation, values)
    return values


def _compute(operation: Operation, values: dict[str, Array]) -> dict[str, Array]:
    if operation.kind not in OPS:
        raise UnknownOpError(f"unknown MIL op {operation.kind}: known are {', '.join(OPS)}")
    where = f"MIL op {operation.kind} ({operation.output})"
    try:
        args = {
            name: values[item.name] if isinstance(item, Reference) else item
            for name, item in operation.inputs.items()
        }
        arrays = OPS[operation.kind](args)
    except (KeyError, IndexError, TypeError, ValueError, ArtifactError) as error:
        if isinstance(error, UnknownOpError):
            raise
        raise ArtifactError(f"{where} cannot run: {error}") from error
    if len(arrays) != len(operation.results):
        raise ArtifactError(f"{where} gives {len(arrays)} results, not {len(operation.results)}")
    done = {}
    for result, array in zip(operation.results, arrays, strict=True):
        dtype = _DTYPES.get(result.dtype)
        if dtype is None:
            raise UnknownOpError(f"{where}: a result of type {result.dtype!r} is not known")
        if (array.dtype.kind == "f") != (np.dtype(dtype).kind == "f"):
            raise ArtifactError(f"{where} gives {array.dtype}, not {result.dtype}")
        if result.shape is not None and result.shape != array.shape:
            raise ArtifactError(f"{where} gives {array.shape}, not {result.shape}")
        done[result.name] = array.astype(dtype)
    return done


def _along(parameter: Any, data: Array, axis: int) -> Array:
    """Shapes a scalar, or a vector that runs along an axis of the data, for broadcasting."""
    vector = np.asarray(parameter)
    if vector.ndim == 0:
        return vector.astype(np.float32)
    if vector.shape != (data.shape[axis],):
        raise ArtifactError(f"{vector.shape} numbers for axis {axis} of {data.shape}")
    shape = [1] * data.ndim
    shape[axis] = vector.size
    return vector.reshape(shape).astype(np.float32)


def _spread(blocks: Array, shape: tuple[int, ...]) -> Array:
    """Repeats one number a block so that each element of the data has its own, float32."""
    if blocks.ndim != len(shape) or any(
        size < 1 or whole % size for whole, size in zip(shape, blocks.shape, strict=True)
    ):
        raise ArtifactError(f"blocks of shape {blocks.shape} do not divide {shape}")
    for axis, whole in enumerate(shape):
        # What has one number along an axis is broadcast there.
        if blocks.shape[axis] not in (1, whole):
            blocks = np.repeat(blocks, whole // blocks.shape[axis], axis)
    return blocks.astype(np.float32)


def _look_up(indices: Array, lut: Array, vector_axis: Any) -> Array:
    """Replaces indices by entries of tables of shape [*blocks, palettes, vector]."""
    if lut.ndim != indices.ndim + 2:
        raise ArtifactError(f"a lookup table of shape {lut.shape} for indices {indices.shape}")
    *blocks, palettes, vector = lut.shape
    _index_bits(palettes)
    if indices.size and int(indices.max()) >= palettes:
        raise ArtifactError(f"index {indices.max()} in a lookup table of {palettes}")
    numbers = np.arange(math.prod(blocks), dtype=np.float32).reshape(blocks)
    table_of = _spread(numbers, indices.shape).astype(np.int64)
    dense = lut.reshape(-1, palettes, vector)[table_of, indices]
    if vector == 1:
        return dense[..., 0]
    if vector_axis is None:
        raise ArtifactError(f"a lookup table of vectors of {vector} without vector_axis")
    axis = range(indices.ndim)[int(vector_axis)]
    shape = list(indices.shape)
    shape[axis] *= vector
    return np.moveaxis(dense, -1, axis + 1).reshape(shape)


def _scatter(kept: Array, mask: Array) -> Array:
    if kept.shape != (np.count_nonzero(mask),):
        raise ArtifactError(f"{kept.size} numbers for {np.count_nonzero(mask)} places of the mask")
    dense = np.zeros(mask.shape, kept.dtype)
    dense[mask != 0] = kept
    return dense


def _index_bits(palettes: int) -> int:
    if palettes not in (2, 4, 8, 16, 64, 256):
        raise ArtifactError(f"a lookup table of {palettes}: allowed are 2, 4, 8, 16, 64, 256")
    return palettes.bit_length() - 1


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in np.atleast_1d(shape))
