"""MIL's ops that move numbers and resize pictures, against torch and their definitions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.shapes import OPS, SPLIT_OPS

X = torch.randn(1, 4, 7, 9, generator=torch.Generator().manual_seed(3)) * 4
ONES = X[:, :1, :1]  # sizes 1, 1, 1, 9
PADS = np.array([1, 2, 3, 4])


def interpolate(size, mode, **more):
    return F.interpolate(X, size, mode=mode, **more)


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("concat", {"values": [X, X + 1], "axis": 1}, torch.cat([X, X + 1], 1)),
        ("concat", {"values": X, "axis": 1}, X),
        (
            "concat",
            {"values": [X, X + 1], "axis": -3, "interleave": True},
            torch.stack([X, X + 1], 2).reshape(1, 8, 7, 9),
        ),
        ("expand_dims", {"x": X, "axes": np.array([0, -1])}, X[None, ..., None]),
        ("expand_dims", {"x": X, "axes": np.array([-2, 1])}, X.unsqueeze(1).unsqueeze(-2)),
        ("pad", {"x": X, "pad": PADS, "constant_val": 7.0}, F.pad(X, (3, 4, 1, 2), value=7.0)),
        ("pad", {"x": X, "pad": np.array([0, 0, 1, 0, 0, 2, 3, 0])}, F.pad(X, (3, 0, 0, 2, 1, 0))),
        ("pad", {"x": X, "pad": PADS, "mode": "reflect"}, F.pad(X, (3, 4, 1, 2), mode="reflect")),
        (
            "pad",
            {"x": X, "pad": np.array([0, 0, 0, 0, 1, 2, 3, 4]), "mode": "replicate"},
            F.pad(X, (3, 4, 1, 2), mode="replicate"),
        ),
        ("reshape", {"x": X, "shape": np.array([0, -1])}, X.flatten(1)),
        ("reshape", {"x": X, "shape": np.array([1, 2, 2, 63])}, X.reshape(1, 2, 2, 63)),
        (
            "resize",
            {"x": X, "shape": np.array([1, 4, 0, 18]), "resized_dims": 2},
            # "DEFAULT" samples at 0, 0.5, 1, 1.5 and so on, and at the end twice.
            torch.stack([X, (X + torch.cat([X[..., 1:], X[..., -1:]], 3)) / 2], 4).flatten(3),
        ),
        (
            "resize",
            {
                "x": X,
                "shape": np.array([14, 5]),
                "resized_dims": 2,
                "interpolation_mode": "NEAREST_NEIGHBOR",
            },
            interpolate((14, 5), "nearest"),
        ),
        (
            "resize_bilinear",
            {
                "x": X,
                "target_size_height": 14,
                "target_size_width": 5,
                "sampling_mode": "UNALIGN_CORNERS",
            },
            interpolate((14, 5), "bilinear"),
        ),
        (
            "resize_bilinear",
            {
                "x": X,
                "target_size_height": 14,
                "target_size_width": 5,
                "sampling_mode": "ALIGN_CORNERS",
            },
            interpolate((14, 5), "bilinear", align_corners=True),
        ),
        (
            "resize_nearest_neighbor",
            {"x": X, "target_size_height": 14, "target_size_width": 5},
            interpolate((14, 5), "nearest"),
        ),
        (
            "slice_by_index",
            {"x": X, "begin": [0, 1, 0, 2], "end": [1, 3, 7, -1], "stride": [1, 1, 2, 3]},
            X[:, 1:3, ::2, 2:-1:3],
        ),
        (
            "slice_by_index",
            {
                "x": X,
                "begin": [0, 3, 5, 2],
                "end": [0, 3, 5, 0],
                "begin_mask": [True, False, False, False],
                "end_mask": [True, False, False, True],
                "squeeze_mask": [False, True, True, False],
            },
            X[:, 3, 5, 2:],
        ),
        (
            "slice_by_size",
            {"x": X, "begin": [0, 1, 2, 3], "size": [1, 2, -1, 4]},
            X[:, 1:3, 2:, 3:7],
        ),
        ("squeeze", {"x": ONES, "axes": np.array([1, 3])}, ONES.squeeze(1)),
        ("squeeze", {"x": ONES}, ONES.reshape(9)),
        ("stack", {"values": [X, X + 1], "axis": 1}, torch.stack([X, X + 1], 1)),
        (
            "tile",
            {"x": X, "reps": np.array([1, 2, 1, 3])},
            torch.cat([X.repeat(1, 1, 1, 3)] * 2, 1),
        ),
        ("transpose", {"x": X, "perm": np.array([0, 2, 3, 1])}, X.permute(0, 2, 3, 1)),
        (
            "upsample_bilinear",
            {"x": X, "scale_factor_height": 2, "scale_factor_width": 3.0, "align_corners": False},
            interpolate((14, 27), "bilinear"),
        ),
        (
            "upsample_bilinear",
            {"x": X, "scale_factor_height": 2, "scale_factor_width": 3.0},
            interpolate((14, 27), "bilinear", align_corners=True),
        ),
        (
            "upsample_nearest_neighbor",
            {"x": X, "scale_factor_height": 2, "scale_factor_width": 1.5},
            interpolate((14, 13), "nearest"),
        ),
    ],
)
def test_an_op_does_what_its_definition_says(kind, args, expected):
    result = OPS[kind](args)
    torch.testing.assert_close(result, expected)


def test_every_op_has_a_test():
    (mark,) = [
        entry
        for entry in test_an_op_does_what_its_definition_says.pytestmark
        if entry.name == "parametrize"
    ]
    assert {kind for kind, _, _ in mark.args[1]} == set(OPS)
    assert set(SPLIT_OPS) == {"split"}


def test_split_gives_several_results():
    uneven = SPLIT_OPS["split"]({"x": X, "axis": -1, "split_sizes": np.array([2, 3, 4])})
    for part, expected in zip(uneven, (X[..., :2], X[..., 2:5], X[..., 5:]), strict=True):
        assert torch.equal(part, expected)
    even = SPLIT_OPS["split"]({"x": X, "axis": 1, "num_splits": 2})
    assert torch.equal(torch.cat(even, 1), X)
    assert len(even) == 2
    with pytest.raises(ArtifactError, match="7 places do not fall into 2 equal parts"):
        SPLIT_OPS["split"]({"x": X, "axis": 2, "num_splits": 2})


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("UNALIGN_CORNERS", 5, [0.0, 0.1, 0.5, 0.9, 1.0]),
        ("STRICT_ALIGN_CORNERS", 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("DEFAULT", 5, [0.0, 0.4, 0.8, 1.0, 1.0]),
        ("OFFSET_CORNERS", 5, [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("STRICT_ALIGN_CORNERS", 1, [0.0]),
        ("ALIGN_CORNERS", 1, [0.5]),
    ],
)
def test_sampling_modes_give_the_grids_of_the_reference(mode, size, expected):
    """The examples of MIL's own page of `resize_bilinear`: the values 0 and 1 are sampled."""
    args = {"target_size_height": 1, "target_size_width": size, "sampling_mode": mode}
    result = OPS["resize_bilinear"]({"x": torch.tensor([[[[0.0, 1.0]]]]), **args})
    torch.testing.assert_close(result.flatten(), torch.tensor(expected))


def test_float16_is_moved_as_it_is():
    half = X.half()
    for kind, args in (
        ("concat", {"values": [half, half], "axis": 1}),
        ("pad", {"x": half, "pad": PADS}),
        ("upsample_nearest_neighbor", {"x": half, "scale_factor_height": 2}),
    ):
        assert OPS[kind](args).dtype == torch.float16


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("pad", {"x": X, "pad": PADS, "mode": "wrap"}, "pad with mode 'wrap'"),
        ("pad", {"x": X, "pad": np.ones(8, int), "mode": "reflect"}, "spatial dimensions"),
        (
            "slice_by_index",
            {"x": X, "begin": [3] * 4, "end": [0] * 4, "stride": [-1] * 4},
            "stride -1",
        ),
        (
            "upsample_bilinear",
            {"x": X, "align_corners": True, "half_pixel_centers": True},
            "half_pixel_centers True",
        ),
        ("pad", {"x": X, "pad": PADS * 10**6}, "pad of 4000000 pixels"),
        ("upsample_nearest_neighbor", {"x": X, "scale_factor_width": 1e6}, "resize of 9000000"),
        ("resize_bilinear", {"x": X, "sampling_mode": "BY_EYE"}, "sampling_mode 'BY_EYE'"),
        ("resize", {"x": X, "shape": [1, 2, 3, 4], "resized_dims": 3}, "resized_dims 3"),
        (
            "resize",
            {"x": X, "shape": [2, 2], "resized_dims": 2, "interpolation_mode": "CUBIC"},
            "interpolation_mode 'CUBIC'",
        ),
        (
            "resize",
            {
                "x": X,
                "shape": [2, 2],
                "resized_dims": 2,
                "interpolation_mode": "NEAREST_NEIGHBOR",
                "sampling_mode": "ALIGN_CORNERS",
            },
            "sampling_mode 'ALIGN_CORNERS'",
        ),
    ],
)
def test_a_form_of_an_op_that_is_not_known_is_named(kind, args, words):
    with pytest.raises(UnknownOpError, match=words):
        OPS[kind](args)
