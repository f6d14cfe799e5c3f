"""MIL's ops that sum against torch, and against their definitions written out."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conversion.errors import UnknownOpError
from conversion.mil.layers import OPS

X = torch.randn(1, 4, 7, 9, generator=torch.Generator().manual_seed(3)) * 4
ROWS = X.reshape(9, 28)
WEIGHT = torch.randn(5, 28, generator=torch.Generator().manual_seed(5))
BIAS = torch.randn(5, generator=torch.Generator().manual_seed(6))
MEAN, VARIANCE, GAMMA, BETA = torch.rand(4, 4, generator=torch.Generator().manual_seed(9)) + 0.1
LEFT = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(10))
RIGHT = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(11))
AXES = {"axes": np.array([2, 3]), "keep_dims": True}
WINDOW = {"kernel_sizes": np.array([3, 2]), "strides": np.array([2, 2])}
SYMMETRIC = {"pad_type": "custom", "pad": np.array([1, 1, 1, 1])}
UNEVEN = {"pad_type": "custom", "pad": np.array([0, 1, 2, 0])}
INF = float("inf")


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("softmax", {"x": X, "axis": 1}, X.softmax(1)),
        ("softmax", {"x": X}, X.softmax(-1)),
        ("reduce_mean", {"x": X, **AXES}, X.mean((2, 3), keepdim=True)),
        ("reduce_mean", {"x": X, "axes": np.array([-1])}, X.mean(-1)),
        ("reduce_mean", {"x": X}, X.mean()),
        ("reduce_sum", {"x": X, **AXES}, X.sum((2, 3), keepdim=True)),
        ("reduce_sum", {"x": X}, X.sum()),
        ("reduce_sum_square", {"x": X, **AXES}, (X * X).sum((2, 3), keepdim=True)),
        ("reduce_l2_norm", {"x": X, "axes": np.array([1])}, X.norm(dim=1)),
        ("reduce_max", {"x": X, **AXES}, X.amax((2, 3), keepdim=True)),
        ("reduce_min", {"x": X, "axes": np.array([1])}, X.amin(1)),
        ("linear", {"x": ROWS, "weight": WEIGHT, "bias": BIAS}, F.linear(ROWS, WEIGHT, BIAS)),
        ("linear", {"x": ROWS, "weight": WEIGHT}, ROWS @ WEIGHT.T),
        ("matmul", {"x": LEFT, "y": RIGHT}, LEFT @ RIGHT),
        ("matmul", {"x": LEFT.mT, "y": RIGHT, "transpose_x": True}, LEFT @ RIGHT),
        ("matmul", {"x": LEFT, "y": RIGHT.mT, "transpose_y": True}, LEFT @ RIGHT),
        ("matmul", {"x": LEFT, "y": RIGHT[0]}, LEFT @ RIGHT[0]),
        ("matmul", {"x": LEFT[0], "y": RIGHT}, LEFT[0] @ RIGHT),
        ("matmul", {"x": LEFT, "y": RIGHT[:1]}, LEFT @ RIGHT[:1]),
        ("matmul", {"x": LEFT, "y": RIGHT[0, :, 0]}, LEFT @ RIGHT[0, :, 0]),
        (
            "batch_norm",
            {"x": X, "mean": MEAN, "variance": VARIANCE, "gamma": GAMMA, "beta": BETA},
            F.batch_norm(X, MEAN, VARIANCE, GAMMA, BETA),
        ),
        (
            "batch_norm",
            {"x": X, "mean": MEAN, "variance": VARIANCE, "epsilon": 0.5},
            (X - MEAN.reshape(1, 4, 1, 1)) / (VARIANCE.reshape(1, 4, 1, 1) + 0.5).sqrt(),
        ),
        (
            "instance_norm",
            {"x": X, "gamma": GAMMA, "beta": BETA},
            F.instance_norm(X, None, None, GAMMA, BETA),
        ),
        ("layer_norm", {"x": X, "axes": np.array([-1])}, F.layer_norm(X, (9,))),
        ("layer_norm", {"x": X, "axes": np.array([2, 3])}, F.layer_norm(X, (7, 9))),
        (
            "avg_pool",
            {"x": X, "kernel_sizes": np.array([3, 2]), "pad_type": "valid"},
            F.avg_pool2d(X, (3, 2), 1),
        ),
        ("avg_pool", {"x": X, **WINDOW, **SYMMETRIC}, F.avg_pool2d(X, (3, 2), 2, 1)),
        (
            "avg_pool",
            {"x": X, **WINDOW, **SYMMETRIC, "exclude_padding_from_average": True},
            F.avg_pool2d(X, (3, 2), 2, 1, count_include_pad=False),
        ),
        (
            "avg_pool",
            {"x": X, **WINDOW, **SYMMETRIC, "ceil_mode": True},
            F.avg_pool2d(X, (3, 2), 2, 1, ceil_mode=True),
        ),
        ("avg_pool", {"x": X, **WINDOW, **UNEVEN}, F.avg_pool2d(F.pad(X, (2, 0, 0, 1)), (3, 2), 2)),
        ("max_pool", {"x": X, **WINDOW, "pad_type": "valid"}, F.max_pool2d(X, (3, 2), 2)),
        ("max_pool", {"x": -X.abs(), **WINDOW, **SYMMETRIC}, F.max_pool2d(-X.abs(), (3, 2), 2, 1)),
        (
            "max_pool",
            {"x": -X.abs(), **WINDOW, **UNEVEN},
            F.max_pool2d(F.pad(-X.abs(), (2, 0, 0, 1), value=-INF), (3, 2), 2),
        ),
        (
            "max_pool",
            {"x": X, **WINDOW, **SYMMETRIC, "ceil_mode": True},
            F.max_pool2d(X, (3, 2), 2, 1, ceil_mode=True),
        ),
    ],
)
def test_an_op_does_what_its_definition_says(kind, args, expected):
    result = OPS[kind](args)
    assert result.dtype == expected.dtype
    torch.testing.assert_close(result, expected)


def test_every_op_has_a_test():
    (mark,) = [
        entry
        for entry in test_an_op_does_what_its_definition_says.pytestmark
        if entry.name == "parametrize"
    ]
    assert {kind for kind, _, _ in mark.args[1]} | {"conv"} == set(OPS)


def test_uneven_padding_can_be_left_out_of_an_average():
    ones = torch.ones(1, 1, 4, 4)
    args = {"x": ones, **WINDOW, **UNEVEN, "exclude_padding_from_average": True}
    result = OPS["avg_pool"](args)
    # The first column of windows covers padding only: there is no average of nothing.
    assert result[..., 0].isnan().all()
    assert (result[..., 1:] == 1).all()


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("pad_type", "pad"), [("valid", 0), ("custom", 2)])
def test_a_convolution_does_what_torch_does(groups, stride, pad_type, pad):
    weight = torch.randn(8, 4 // groups, 3, 3, generator=torch.Generator().manual_seed(7))
    bias = torch.arange(8.0)
    args = {
        "x": X,
        "weight": weight,
        "bias": bias,
        "strides": np.array([stride, stride]),
        "pad_type": pad_type,
        "pad": np.array([2, 2, 2, 2]),
        "dilations": np.array([1, 1]),
        "groups": groups,
    }
    torch.testing.assert_close(OPS["conv"](args), F.conv2d(X, weight, bias, stride, pad, 1, groups))


def test_a_convolution_pads_each_side_by_its_own_amount():
    weight = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(8))
    args = {"x": X, "weight": weight, "pad_type": "custom", "pad": np.array([0, 1, 2, 3])}
    expected = F.conv2d(F.pad(X, (2, 3, 0, 1)), weight)
    torch.testing.assert_close(OPS["conv"](args), expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(3, 3), (2, 4)])
@pytest.mark.parametrize(("pad_type", "odd_one"), [("same", "after"), ("same_lower", "before")])
def test_same_padding_keeps_the_size_over_the_stride(stride, size, pad_type, odd_one):
    weight = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(8))
    strides = np.array([stride, stride])
    result = OPS["conv"]({"x": X, "weight": weight, "pad_type": pad_type, "strides": strides})
    assert tuple(result.shape[2:]) == (-(-7 // stride), -(-9 // stride))
    sides = []
    for length, window in zip((9, 7), reversed(size), strict=True):
        total = max(0, (-(-length // stride) - 1) * stride + window - length)
        small, large = total // 2, total - total // 2
        sides += [small, large] if odd_one == "after" else [large, small]
    torch.testing.assert_close(result, F.conv2d(F.pad(X, sides), weight, stride=stride))


def test_a_photo_gets_the_same_bits_in_any_company():
    """Small feature maps: there libraries do choose another order of sums for more photos."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 672, 1, 1, generator=generator).half()
    weight = torch.randn(168, 672, 1, 1, generator=generator)
    together = OPS["conv"]({"x": x, "weight": weight})
    alone = torch.cat([OPS["conv"]({"x": one, "weight": weight}) for one in torch.split(x, 1)])
    assert torch.equal(together, alone)
    channels_last = x.to(memory_format=torch.channels_last)
    assert torch.equal(OPS["conv"]({"x": channels_last, "weight": weight}), alone)


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("conv", {"x": X, "weight": X, "pad_type": "mirror"}, "pad_type 'mirror'"),
        ("conv", {"x": X, "weight": X[0]}, "over 1 dimensions"),
        (
            "conv",
            {"x": X, "weight": X, "pad_type": "custom", "pad": [10**6] * 4},
            "conv of 1000000",
        ),
        ("avg_pool", {"x": X, "kernel_sizes": np.array([2])}, "avg_pool over 1 dimensions"),
        ("max_pool", {"x": X, **WINDOW, "pad_type": "mirror"}, "max_pool with pad_type"),
        ("layer_norm", {"x": X, "axes": np.array([1])}, r"layer_norm over axes \[1\]"),
    ],
)
def test_a_form_of_an_op_that_is_not_known_is_named(kind, args, words):
    with pytest.raises(UnknownOpError, match=words):
        OPS[kind](args)
