"""MIL ops that move numbers without changing them, and those that resize pictures.

Sections cited are pages of the MIL Ops reference of coremltools
(apple.github.io/coremltools, "MIL Ops"), opset iOS 15 unless another is named. See
`conversion.mil.arguments` for how values are held and rounded.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.arguments import (
    Arguments,
    SplitOp,
    by_name,
    check_form,
    check_sides,
    to_float,
    to_floating,
    to_ints,
    to_tensor,
)

_SAMPLING_MODES = (
    "DEFAULT",
    "STRICT_ALIGN_CORNERS",
    "ALIGN_CORNERS",
    "OFFSET_CORNERS",
    "UNALIGN_CORNERS",
)


def concat(args: Arguments) -> Tensor:
    """`tensor_operation.concat`: `values` one after the other along `axis`.

    With `interleave`, place 0 of each value comes first, then place 1 of each, and so on.
    """
    values = args["values"] if isinstance(args["values"], list) else [args["values"]]
    tensors = [to_tensor(value) for value in values]
    axis = range(tensors[0].dim())[int(args["axis"])]
    if args.get("interleave", False):
        return torch.stack(tensors, axis + 1).flatten(axis, axis + 1)
    return torch.cat(tensors, axis)


def expand_dims(args: Arguments) -> Tensor:
    """`tensor_transformation.expand_dims`: dimensions of size 1 at `axes` of the result."""
    x, axes = to_tensor(args["x"]), to_ints(args["axes"])
    rank = x.dim() + len(axes)
    for axis in sorted(range(rank)[axis] for axis in axes):
        x = x.unsqueeze(axis)
    return x


def pad(args: Arguments) -> Tensor:
    """`tensor_operation.pad`: before and after each of the last dimensions in turn."""
    mode = args.get("mode", "constant")
    check_form("pad", "mode", mode, ("constant", "reflect", "replicate"))
    x, pads = to_floating(args["x"]), to_ints(args["pad"])
    check_sides("pad", pads)
    # torch lists the last dimension first; its other modes leave the first two as they are.
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    if mode != "constant":
        pairs = pairs[max(0, len(pairs) - (x.dim() - 2)) :]
        if sum(map(sum, pairs)) != sum(pads):
            raise UnknownOpError(f"MIL op pad with mode {mode!r}: known are spatial dimensions")
    flat = [size for pair in reversed(pairs) for size in pair]
    if mode == "constant":
        return F.pad(x, flat, value=float(args.get("constant_val", 0.0)))
    return F.pad(x, flat, mode=mode)


def reshape(args: Arguments) -> Tensor:
    """`tensor_transformation.reshape`: -1 takes what is left, 0 keeps the size."""
    x = to_tensor(args["x"])
    wanted = to_ints(args["shape"])
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(wanted)])


def resize(args: Arguments) -> Tensor:
    """`iOS17.image_resizing.resize`: the last `resized_dims` to `shape`, where 0 keeps the size."""
    x, sizes = to_tensor(args["x"]), to_ints(args["shape"])
    check_form("resize", "resized_dims", int(args["resized_dims"]), (2,))
    height, width = (
        wanted or there for wanted, there in zip(sizes[-2:], x.shape[-2:], strict=True)
    )
    interpolation = args.get("interpolation_mode", "LINEAR")
    check_form("resize", "interpolation_mode", interpolation, ("LINEAR", "NEAREST_NEIGHBOR"))
    mode = args.get("sampling_mode", "DEFAULT")
    if interpolation == "LINEAR":
        return _resize_linear(to_float(x), (height, width), mode)
    check_form("resize of NEAREST_NEIGHBOR", "sampling_mode", mode, ("DEFAULT",))
    return _resize_nearest(x, height, width)


def resize_bilinear(args: Arguments) -> Tensor:
    """`image_resizing.resize_bilinear`: to target_size_height x target_size_width."""
    size = int(args.get("target_size_height", 1)), int(args.get("target_size_width", 1))
    return _resize_linear(to_float(args["x"]), size, args.get("sampling_mode", "DEFAULT"))


def resize_nearest_neighbor(args: Arguments) -> Tensor:
    """`image_resizing.resize_nearest_neighbor`: place i takes floor(i * size / new size)."""
    height, width = int(args["target_size_height"]), int(args["target_size_width"])
    return _resize_nearest(to_tensor(args["x"]), height, width)


def slice_by_index(args: Arguments) -> Tensor:
    """`tensor_transformation.slice_by_index`: x[begin:end:stride], as numpy slices.

    A set `begin_mask` or `end_mask` leaves that bound open; a set `squeeze_mask` takes the one
    place `begin` and drops the dimension.
    """
    x = to_tensor(args["x"])
    begin, end = to_ints(args["begin"]), to_ints(args["end"])
    stride = to_ints(args.get("stride", [1] * x.dim()))
    masks = [
        to_ints(args.get(name, [0] * x.dim()))
        for name in ("begin_mask", "end_mask", "squeeze_mask")
    ]
    index: list[slice | int] = []
    for start, stop, step, open_start, open_stop, squeeze in zip(
        begin, end, stride, *masks, strict=True
    ):
        if step < 1:
            raise UnknownOpError(f"MIL op slice_by_index with stride {step}: known are 1 and more")
        bounds = slice(None if open_start else start, None if open_stop else stop, step)
        index.append(start if squeeze else bounds)
    if len(index) != x.dim():
        raise ArtifactError(f"{len(index)} slices of {x.dim()} dimensions")
    return x[tuple(index)]


def slice_by_size(args: Arguments) -> Tensor:
    """`tensor_transformation.slice_by_size`: `size` places from `begin` on, -1 for the rest."""
    x = to_tensor(args["x"])
    bounds = zip(to_ints(args["begin"]), to_ints(args["size"]), strict=True)
    return x[tuple(slice(start, None if size == -1 else start + size) for start, size in bounds)]


def split(args: Arguments) -> list[Tensor]:
    """`tensor_operation.split`: into `split_sizes`, or `num_splits` equal parts, along `axis`."""
    x, axis = to_tensor(args["x"]), int(args["axis"])
    if "split_sizes" in args:
        return list(torch.split(x, to_ints(args["split_sizes"]), axis))
    parts = int(args["num_splits"])
    if parts < 1 or x.shape[axis] % parts:
        raise ArtifactError(f"{x.shape[axis]} places do not fall into {parts} equal parts")
    return list(x.chunk(parts, axis))


def squeeze(args: Arguments) -> Tensor:
    """`tensor_transformation.squeeze`: drops those of `axes` that have size 1, or all such."""
    x = to_tensor(args["x"])
    return x.squeeze(tuple(to_ints(args["axes"]))) if "axes" in args else x.squeeze()


def stack(args: Arguments) -> Tensor:
    """`tensor_operation.stack`: `values` along a new dimension `axis`."""
    return torch.stack([to_tensor(value) for value in args["values"]], int(args["axis"]))


def tile(args: Arguments) -> Tensor:
    """`tensor_operation.tile`: each dimension repeated as a whole, `reps` times."""
    x, reps = to_tensor(args["x"]), to_ints(args["reps"])
    check_sides("tile", [size * times for size, times in zip(x.shape, reps, strict=True)])
    return x.repeat(reps)


def transpose(args: Arguments) -> Tensor:
    """`tensor_transformation.transpose`: dimensions in the order `perm`."""
    return to_tensor(args["x"]).permute(to_ints(args["perm"]))


def upsample_bilinear(args: Arguments) -> Tensor:
    """`image_resizing.upsample_bilinear`: by factors; `iOS16` adds half_pixel_centers."""
    x, size = _scaled_size(args)
    corners = bool(args.get("align_corners", True))
    half = bool(args.get("half_pixel_centers", not corners))
    check_form("upsample_bilinear", "half_pixel_centers", half, (not corners,))
    return _resize_linear(x.float(), size, "STRICT_ALIGN_CORNERS" if corners else "UNALIGN_CORNERS")


def upsample_nearest_neighbor(args: Arguments) -> Tensor:
    """`image_resizing.upsample_nearest_neighbor`: by factors, as resize_nearest_neighbor."""
    x, (height, width) = _scaled_size(args)
    return _resize_nearest(x, height, width)


OPS = by_name(
    (
        concat,
        expand_dims,
        pad,
        reshape,
        resize,
        resize_bilinear,
        resize_nearest_neighbor,
        slice_by_index,
        slice_by_size,
        squeeze,
        stack,
        tile,
        transpose,
        upsample_bilinear,
        upsample_nearest_neighbor,
    )
)
# Ops with several results.
SPLIT_OPS: dict[str, SplitOp] = {"split": split}


def _scaled_size(args: Arguments) -> tuple[Tensor, tuple[int, int]]:
    x = to_tensor(args["x"])
    return x, (
        math.floor(x.shape[-2] * float(args.get("scale_factor_height", 1))),
        math.floor(x.shape[-1] * float(args.get("scale_factor_width", 1))),
    )


def _resize_nearest(x: Tensor, height: int, width: int) -> Tensor:
    check_sides("resize", (height, width))
    rows = torch.arange(height) * x.shape[-2] // height
    columns = torch.arange(width) * x.shape[-1] // width
    return x.index_select(-2, rows).index_select(-1, columns)


def _resize_linear(x: Tensor, size: tuple[int, int], mode: Any) -> Tensor:
    check_sides("resize", size)
    for axis, new in zip((-2, -1), size, strict=True):
        old = x.shape[axis]
        grid = _sample_grid(old, new, mode).clamp(0, old - 1)
        low = grid.floor().long()
        share = (grid - low).float()
        share = share[:, None] if axis == -2 else share
        first = x.index_select(axis, low)
        second = x.index_select(axis, (low + 1).clamp_max(old - 1))
        x = first * (1 - share) + second * share
    return x


def _sample_grid(old: int, new: int, mode: Any) -> Tensor:
    """Returns where an axis is sampled, by the formulas of `resize_bilinear`; float64, [new]."""
    check_form("resize", "sampling_mode", mode, _SAMPLING_MODES)
    places = torch.arange(new, dtype=torch.float64)
    if mode == "UNALIGN_CORNERS":
        return (places + 0.5) * (old / new) - 0.5
    if mode == "OFFSET_CORNERS":
        return (places + 0.5) * (max(1, old - 1) / new)
    if mode == "DEFAULT":
        return places * (old / new)
    if new == 1:
        return torch.full((1,), (old - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0).double()
    return places * ((old - 1) / (new - 1))
