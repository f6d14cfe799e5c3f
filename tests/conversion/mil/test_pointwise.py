"""MIL's pointwise ops against torch, and against their definitions written out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.pointwise import OPS

X = torch.randn(1, 4, 7, 9, generator=torch.Generator().manual_seed(3)) * 4
Y = torch.randn(1, 4, 1, 1, generator=torch.Generator().manual_seed(4))
ALPHA = torch.tensor([0.1, 0.2, 0.3, 0.4])
ABOVE = X.abs() + 0.01
HALVES = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("abs", {"x": X}, X.abs()),
        ("add", {"x": X, "y": Y}, X + Y),
        ("cast", {"x": X, "dtype": "fp32"}, X),
        ("cast", {"x": X.half(), "dtype": "fp32"}, X.half().float()),
        ("cast", {"x": X, "dtype": "int32"}, X.trunc().int()),
        ("cast", {"x": X.relu(), "dtype": "bool"}, X > 0),
        (
            "clamped_relu",
            {"x": X, "alpha": 0.5, "beta": 2.0},
            (X.relu() - F.relu(-X) / 2).clamp(max=2),
        ),
        (
            "clamped_relu",
            {"x": X, "alpha": -3.0, "beta": 2.0},
            (X.relu() + 3 * F.relu(-X)).clamp(max=2),
        ),
        ("clip", {"x": X, "alpha": -1.0, "beta": 2.0}, X.clamp(-1, 2)),
        ("elu", {"x": X, "alpha": 0.7}, F.elu(X, 0.7)),
        ("erf", {"x": X}, torch.erf(X)),
        ("exp", {"x": X}, torch.exp(X)),
        ("floor", {"x": X}, X.floor()),
        ("gelu", {"x": X}, F.gelu(X)),
        ("gelu", {"x": X, "mode": "TANH_APPROXIMATION"}, F.gelu(X, approximate="tanh")),
        ("gelu", {"x": X, "mode": "SIGMOID_APPROXIMATION"}, X / (1 + torch.exp(-1.702 * X))),
        ("identity", {"x": X}, X),
        ("inverse", {"x": ABOVE}, 1 / (ABOVE + 1e-4)),
        ("inverse", {"x": ABOVE, "epsilon": 0.5}, 1 / (ABOVE + 0.5)),
        ("leaky_relu", {"x": X, "alpha": 0.2}, F.leaky_relu(X, 0.2)),
        ("linear_activation", {"x": X, "alpha": 3.0, "beta": -1.0}, 3 * X - 1),
        ("log", {"x": ABOVE}, ABOVE.log()),
        ("log", {"x": ABOVE, "epsilon": 0.5}, (ABOVE + 0.5).log()),
        ("maximum", {"x": X, "y": Y}, torch.maximum(X, Y)),
        ("minimum", {"x": X, "y": Y}, torch.minimum(X, Y)),
        ("mul", {"x": X, "y": 0.25}, X / 4),
        ("mul", {"x": 0.25, "y": X}, X / 4),
        ("pow", {"x": X, "y": 2.0}, X * X),
        ("prelu", {"x": X, "alpha": ALPHA}, X.relu() - ALPHA.reshape(1, 4, 1, 1) * F.relu(-X)),
        ("real_div", {"x": X, "y": Y}, X / Y),
        ("relu", {"x": X}, F.relu(X)),
        ("relu6", {"x": X}, F.relu6(X)),
        ("round", {"x": HALVES}, torch.tensor([-2.0, -2.0, -0.0, 0.0, 2.0, 2.0])),
        ("rsqrt", {"x": ABOVE}, 1 / (ABOVE + 1e-12).sqrt()),
        ("rsqrt", {"x": ABOVE, "epsilon": 0.5}, 1 / (ABOVE + 0.5).sqrt()),
        ("sigmoid", {"x": X}, 1 / (1 + torch.exp(-X))),
        ("sigmoid_hard", {"x": X, "alpha": 1 / 6, "beta": 0.5}, F.hardsigmoid(X)),
        ("silu", {"x": X}, F.silu(X)),
        ("softplus", {"x": X}, F.softplus(X)),
        ("softplus", {"x": torch.tensor([200.0, -200.0])}, torch.tensor([200.0, 0.0])),
        ("softsign", {"x": X}, X / (1 + X.abs())),
        ("sqrt", {"x": ABOVE}, ABOVE**0.5),
        ("square", {"x": X}, X * X),
        ("sub", {"x": X, "y": Y}, X - Y),
        ("tanh", {"x": X}, X.tanh()),
        ("thresholded_relu", {"x": X, "alpha": 0.5}, X * (X >= 0.5)),
        ("threshold", {"x": X, "alpha": -0.5}, X.clamp_min(-0.5)),
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
    tested = {kind for kind, _, _ in mark.args[1]} | {"quantize", "dequantize"}
    assert tested == set(OPS)


def test_a_default_epsilon_is_a_number_of_the_type_of_x():
    """1e-12 is 0 in float16."""
    zero = torch.zeros(1)
    assert OPS["rsqrt"]({"x": zero}) == 1e6
    assert OPS["rsqrt"]({"x": zero.half()}) == math.inf


@pytest.mark.parametrize("kind", ["add", "sub", "mul", "real_div"])
def test_float16_arithmetic_computes_wider_and_rounds_once(kind):
    generator = torch.Generator().manual_seed(8)
    x = (torch.randn(200_000, generator=generator) * 300).half()
    y = (torch.randn(200_000, generator=generator) * 3).half()
    wide = OPS[kind]({"x": x.float(), "y": y.float()})
    result = OPS[kind]({"x": x, "y": y})
    assert torch.equal(result, wide.half())
    assert not torch.equal(result.float(), wide)


def test_a_constant_beside_a_float16_value_is_a_float16_number():
    x = torch.full((1, 2), 1.0).half()
    constant = torch.tensor([[0.1, 0.2]]).half().float()
    result = OPS["add"]({"x": x, "y": constant})
    assert torch.equal(result, (1 + constant).half())


@given(
    values=st.lists(st.floats(-300, 300, width=16), min_size=1, max_size=20),
    scale=st.floats(0.0625, 4, width=16),
    zero_point=st.integers(-100, 100),
)
def test_quantize_and_dequantize_do_what_their_formulas_say(values, scale, zero_point):
    x = torch.tensor(values)
    args = {"scale": scale, "zero_point": zero_point}
    quantised = OPS["quantize"]({"input": x, "output_dtype": "int8", **args})
    steps = np.rint(np.array(values, np.float32) / np.float32(scale))
    expected = np.clip(steps + zero_point, -128, 127)
    np.testing.assert_array_equal(quantised.numpy(), expected)
    back = OPS["dequantize"]({"input": quantised.to(torch.int8), **args})
    np.testing.assert_array_equal(back.numpy(), (expected - zero_point) * np.float32(scale))


def test_quantize_clips_and_rounds_halves_to_even():
    x = torch.tensor([-1000.0, -0.5, 0.5, 1.5, 1000.0])
    signed = OPS["quantize"]({"input": x, "scale": 1.0, "output_dtype": "int8"})
    assert signed.tolist() == [-128, 0, 0, 2, 127]
    unsigned = OPS["quantize"](
        {"input": x, "scale": 1.0, "zero_point": 128, "output_dtype": "uint8"}
    )
    assert unsigned.tolist() == [0, 128, 128, 130, 255]


def test_quantize_takes_a_scale_for_each_channel():
    scale, zero_point = torch.tensor([0.5, 1.0, 2.0, 4.0]), np.array([1, 2, 3, 4], np.int8)
    args = {"scale": scale, "zero_point": zero_point, "axis": -3}
    quantised = OPS["quantize"]({"input": X, "output_dtype": "int8", **args})
    for channel in range(4):
        expected = (X[:, channel] / scale[channel]).round() + int(zero_point[channel])
        torch.testing.assert_close(quantised[:, channel], expected)
    back = OPS["dequantize"]({"input": quantised.to(torch.int8), **args})
    assert ((back - X).abs().amax((0, 2, 3)) <= scale / 2 + 1e-6).all()


def test_scales_that_do_not_fit_the_axis_are_refused():
    args = {"input": X, "scale": torch.ones(3), "axis": 1, "output_dtype": "int8"}
    with pytest.raises(ArtifactError, match="3 numbers for axis 1"):
        OPS["quantize"](args)


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("cast", {"x": X, "dtype": "complex64"}, "cast with dtype 'complex64'"),
        ("gelu", {"x": X, "mode": "ROUGH"}, "gelu with mode 'ROUGH'"),
        ("quantize", {"input": X, "scale": 1.0, "output_dtype": "int4"}, "output_dtype 'int4'"),
    ],
)
def test_a_form_of_an_op_that_is_not_known_is_named(kind, args, words):
    with pytest.raises(UnknownOpError, match=words):
        OPS[kind](args)
