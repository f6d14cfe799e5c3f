"""Which programs take many photos at a time, and that they give what one at a time gives."""

import numpy as np
import pytest

from conversion.errors import ArtifactError
from conversion.mil.package import Operation, Reference, Result
from tests.conversion.mil.packages import make_op, make_program

IMAGE = Reference("image")
RNG = np.random.default_rng(3)
PHOTOS = RNG.integers(0, 256, (5, 2, 2, 3)).astype(np.uint8)
ROW = make_op("reshape", {"x": IMAGE, "shape": np.array([1, 12])}, "row", "fp32", (1, 12))
SQUARES = np.ones((12, 12), np.float32) / 12


def of_row(kind, inputs, shape=(1, 12)):
    return ROW, make_op(kind, {"x": Reference("row"), **inputs}, "y", "fp32", shape)


FREE = {
    "reshape to 1": (ROW,),
    "reshape to -1": (
        make_op("reshape", {"x": IMAGE, "shape": np.array([-1, 12])}, "y", "fp32", (1, 12)),
    ),
    "constant with fewer dimensions": of_row("add", {"y": RNG.random(12, np.float32)}),
    "constant that comes first": of_row("sub", {"x": 1.0, "y": Reference("row")}),
    "softmax": of_row("softmax", {"axis": 1}),
    "softmax by default": of_row("softmax", {}),
    "linear": of_row("linear", {"weight": SQUARES}),
    "matmul by a constant": of_row("matmul", {"y": SQUARES}),
    "matmul of two values": (
        make_op("reshape", {"x": IMAGE, "shape": np.array([1, 3, 4])}, "l", "fp32", (1, 3, 4)),
        make_op("reshape", {"x": IMAGE, "shape": np.array([1, 4, 3])}, "r", "fp32", (1, 4, 3)),
        make_op("matmul", {"x": Reference("l"), "y": Reference("r")}, "y", "fp32", (1, 3, 3)),
    ),
    "transpose": (
        make_op(
            "transpose", {"x": IMAGE, "perm": np.array([0, 2, 3, 1])}, "y", "fp32", (1, 2, 2, 3)
        ),
    ),
    "slice with open bounds": of_row(
        "slice_by_index",
        {"begin": np.array([0, 2]), "end": np.array([0, 5]), "end_mask": np.array([True, False])},
        (1, 3),
    ),
    "slice that spells the 1 out": of_row(
        "slice_by_index", {"begin": np.array([0, 2]), "end": np.array([1, 5])}, (1, 3)
    ),
    "slice by size": of_row(
        "slice_by_size", {"begin": np.array([0, 2]), "size": np.array([1, 3])}, (1, 3)
    ),
    "split": (
        ROW,
        Operation(
            "split",
            {"x": Reference("row"), "axis": 1, "num_splits": 2},
            (Result("half", "fp32", (1, 6)), Result("y", "fp32", (1, 6))),
        ),
    ),
    "expand and squeeze": (
        make_op(
            "expand_dims", {"x": IMAGE, "axes": np.array([1])}, "five", "fp32", (1, 1, 3, 2, 2)
        ),
        make_op(
            "squeeze", {"x": Reference("five"), "axes": np.array([1])}, "y", "fp32", (1, 3, 2, 2)
        ),
    ),
    "reduce": (
        make_op("reduce_mean", {"x": IMAGE, "axes": np.array([2, 3])}, "y", "fp32", (1, 3)),
    ),
}
SINGLE = {
    "softmax over the photos": of_row("softmax", {"axis": 0}),
    "softmax over the photos, from the end": of_row("softmax", {"axis": -2}),
    "mean of everything": (make_op("reduce_mean", {"x": IMAGE}, "y", "fp32", ()),),
    "mean over the photos": (
        make_op(
            "reduce_mean",
            {"x": IMAGE, "axes": np.array([0, 2]), "keep_dims": True},
            "y",
            "fp32",
            (1, 3, 1, 2),
        ),
    ),
    "layer norm over everything": of_row("layer_norm", {}),
    "product of rows": of_row("matmul", {"y": Reference("row"), "transpose_y": True}, (1, 1)),
    "photos in the last place": (
        make_op(
            "transpose", {"x": IMAGE, "perm": np.array([1, 2, 3, 0])}, "y", "fp32", (3, 2, 2, 1)
        ),
    ),
    "no photo dimension left": (
        make_op("reshape", {"x": IMAGE, "shape": np.array([3, 4])}, "y", "fp32", (3, 4)),
    ),
    "squeeze of whatever is 1": of_row("squeeze", {}, (12,)),
    "operands of other ranks": (
        ROW,
        make_op("reshape", {"x": IMAGE, "shape": np.array([1, 1, 12])}, "deep", "fp32", (1, 1, 12)),
        make_op("add", {"x": Reference("row"), "y": Reference("deep")}, "y", "fp32", (1, 1, 12)),
    ),
    "constant of more dimensions": of_row(
        "add", {"y": np.ones((1, 1, 12), np.float32)}, (1, 1, 12)
    ),
    "shape not declared": (make_op("relu", {"x": IMAGE}, "y", "fp32", None),),
}


def classes_of(steps):
    shape = steps[-1].results[-1].shape
    return 12 if shape is None else int(np.prod(shape))


def make(steps):
    # The last result is the answer, of an op with two as well.
    last = steps[-1].results[-1].name
    relu = make_op("relu", {"x": Reference(last)}, "end", "fp32", steps[-1].results[-1].shape)
    return make_program(*steps, relu, classes=classes_of(steps))


@pytest.mark.parametrize("name", FREE)
def test_a_batch_gives_what_its_photos_give_one_by_one(name):
    program = make(FREE[name])
    assert program.single == ""
    together = program.run(PHOTOS)
    alone = np.concatenate([program.run(photo[None]) for photo in PHOTOS])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(together, axis=0)) > 1 or name.startswith("softmax")


@pytest.mark.parametrize("name", SINGLE)
def test_what_mixes_photos_says_so_and_runs_one_by_one(name):
    program = make(SINGLE[name])
    assert program.single.startswith("MIL op ")
    assert program.run(PHOTOS[:1]).shape == (1, classes_of(SINGLE[name]))
    with pytest.raises(ArtifactError, match="takes one photo at a time: MIL op"):
        program.run(PHOTOS)
