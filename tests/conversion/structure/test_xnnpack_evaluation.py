"""XNNPACK's ops against torch, and the evaluation of whole programs against the runtime."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conversion.errors import ArtifactError, UnknownOpError
from conversion.localise.pte import trace_executorch
from conversion.runners import open_runner
from conversion.structure.pte_file import parse_pte, read_pte
from conversion.structure.xnnpack_evaluation import dequantise, evaluate
from conversion.structure.xnnpack_graph import XnnGraph, XnnNode, XnnValue, parse_xnnpack

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(1, 7, 9, 4)).astype(np.float32)
WIDE = (-np.inf, np.inf)
CONV = {
    "top": 0,
    "right": 0,
    "bottom": 0,
    "left": 0,
    "stride_height": 1,
    "stride_width": 1,
    "dilation_height": 1,
    "dilation_width": 1,
    "groups": 1,
    "flags": 0,
}


def value(shape=(), data=None, dtype="float32", scales=(), zero_point=0) -> XnnValue:
    return XnnValue(dtype, shape, data, scales, zero_point, 0, 0)


def run(kind, *inputs, numbers=None, lists=None, limits=WIDE, result=None) -> np.ndarray:
    """Evaluates a graph of one op; the first input is the photo, the others are stored."""
    values = {0: value(), 99: result or value()}
    for id_, data in enumerate(inputs[1:], start=1):
        values[id_] = value(data.shape, data)
    node = XnnNode(kind, tuple(range(len(inputs))), 99, numbers or {}, lists or {}, limits)
    return evaluate(XnnGraph("XN01", values, (node,), (0,), (99,)), {0: inputs[0]})[99]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Hardswish", F.hardswish(torch.from_numpy(X))),
        ("Sigmoid", torch.from_numpy(X).sigmoid()),
        ("Softmax", torch.from_numpy(X).softmax(-1)),
        ("GlobalAvgPooling2d", torch.from_numpy(X).mean((1, 2), keepdim=True)),
        ("Convert", torch.from_numpy(X)),
    ],
)
def test_an_op_of_one_input_does_what_torch_does(kind, expected):
    torch.testing.assert_close(torch.from_numpy(run(kind, X)), expected)


@pytest.mark.parametrize(
    ("kind", "function"),
    [("Add", np.add), ("Subtract", np.subtract), ("Multiply", np.multiply), ("Div", np.divide)],
)
def test_an_op_of_two_inputs_does_what_numpy_does(kind, function):
    other = RANDOM.normal(size=(4,)).astype(np.float32)
    np.testing.assert_allclose(run(kind, X, other), function(X, other), rtol=1e-6)


def test_shapes_are_changed_as_told():
    np.testing.assert_array_equal(
        run("StaticTranspose", X, lists={"order": (0, 3, 1, 2)}), X.transpose(0, 3, 1, 2)
    )
    np.testing.assert_array_equal(
        run("StaticReshape", X, lists={"shape": (1, 252)}), X.reshape(1, 252)
    )
    np.testing.assert_array_equal(
        run("Concatenate2", X, X, numbers={"axis": 3}), np.concatenate([X, X], axis=3)
    )
    padded = run(
        "StaticConstantPad",
        X,
        numbers={"value": 0},
        lists={"before": (0, 1, 2, 0), "after": (0, 3, 0, 0)},
    )
    np.testing.assert_array_equal(padded, np.pad(X, ((0, 0), (1, 3), (2, 0), (0, 0))))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_pads_each_side_by_its_own_amount(stride):
    w_ohwi = RANDOM.normal(size=(5, 3, 3, 4)).astype(np.float32)
    bias = np.arange(5, dtype=np.float32)
    sides = {"top": 1, "bottom": 2, "left": 0, "right": 3}
    strides = {"stride_height": stride, "stride_width": stride}
    own = run("Conv2d", X, w_ohwi, bias, numbers=CONV | sides | strides, limits=(0.0, np.inf))
    x_nchw = F.pad(torch.from_numpy(X).permute(0, 3, 1, 2), (0, 3, 1, 2))
    w_oihw = torch.from_numpy(w_ohwi).permute(0, 3, 1, 2)
    expected = F.conv2d(x_nchw, w_oihw, torch.from_numpy(bias), stride).relu()
    torch.testing.assert_close(torch.from_numpy(own), expected.permute(0, 2, 3, 1))


def test_a_depthwise_convolution_takes_each_channel_alone():
    w_1hwo = RANDOM.normal(size=(1, 3, 3, 4)).astype(np.float32)
    own = run("DepthwiseConv2d", X, w_1hwo, numbers=CONV)
    w_oihw = torch.from_numpy(w_1hwo).permute(3, 0, 1, 2)
    expected = F.conv2d(torch.from_numpy(X).permute(0, 3, 1, 2), w_oihw, groups=4)
    torch.testing.assert_close(torch.from_numpy(own), expected.permute(0, 2, 3, 1))


def test_a_quantised_result_is_rounded_to_its_scale_and_kept_in_its_range():
    x = np.array([[-9.0, -0.3, 0.24, 0.26, 9.0]], np.float32)
    result = value(dtype="int8", scales=(0.5,), zero_point=120)
    # -9 is step -18; 9 would be step 18, but 127 - 120 = 7 is the last one.
    np.testing.assert_array_equal(run("Convert", x, result=result), [[-9, -0.5, 0, 0.5, 3.5]])


def test_stored_numbers_stand_for_step_times_scale():
    data = np.array([[1, 2], [3, -4]], np.int8)
    per_channel = XnnValue("int8", (2, 2), data, (0.5, 2.0), 0, 0, 0)
    np.testing.assert_array_equal(dequantise(per_channel, data), [[0.5, 1], [6, -8]])
    per_tensor = XnnValue("int8", (2, 2), data, (0.5,), 1, 0, 0)
    np.testing.assert_array_equal(dequantise(per_tensor, data), [[0, 0.5], [1, -2.5]])


@pytest.mark.parametrize("channel_dim", [0, 7])
def test_scales_that_do_not_fit_are_a_typed_error(channel_dim):
    data = np.zeros((2, 2), np.int8)
    with pytest.raises(ArtifactError, match="3 scales along dimension"):
        dequantise(XnnValue("int8", (2, 2), data, (1.0, 1.0, 1.0), 0, channel_dim, 0), data)


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("Gelu", {}, "unknown XNNPACK op Gelu"),
        ("Conv2d", CONV | {"flags": 4}, "SAME padding"),
        ("StaticConstantPad", {"value": 1}, "another value than 0"),
    ],
)
def test_an_op_or_a_form_that_is_not_known_is_named(kind, numbers, words):
    weight = np.zeros((1, 1, 1, 4), np.float32)
    with pytest.raises(UnknownOpError, match=words):
        run(kind, X, weight, numbers=numbers, lists={"before": (), "after": ()})


def test_shapes_that_do_not_fit_are_a_typed_error():
    with pytest.raises(ArtifactError, match="Add cannot run"):
        run("Add", X, np.zeros((3,), np.float32))


@pytest.mark.parametrize(("key", "least"), [("executorch-fp32", 1e-4), ("executorch-int8", 0.25)])
def test_a_whole_program_gives_what_the_runtime_gives(key, least, paths, photos):
    trace = trace_executorch(paths[key], photos)
    own, runtime = trace.values[trace.answer], open_runner(paths[key], "executorch")
    wanted = runtime.answer(photos).probabilities
    assert np.abs(own - wanted).max() < least
    assert np.mean(own.argmax(1) == wanted.argmax(1)) > 0.9


def test_constants_of_a_program_are_those_of_the_network(paths, checkpoint):
    program = read_pte(paths["executorch-fp32"])
    (call,) = program.delegates
    graph = parse_xnnpack(call.data, program.named, "test")
    stem = next(node for node in graph.nodes if node.kind == "Conv2d")
    assert graph.values[stem.inputs[1]].shape == (8, 3, 3, 3)
    stored = [np.frombuffer(entry.data, np.float32) for entry in program.constants]
    mean = 255 * np.asarray(checkpoint.normalise.mean)
    assert any(np.allclose(entry, mean) for entry in stored if entry.size == 3)


def test_a_program_whose_segment_is_cut_off_is_refused(paths):
    data = paths["executorch-fp32"].read_bytes()
    for end in (10, 60, 500, len(data) - 1):
        with pytest.raises(ArtifactError):
            parse_pte(data[:end], "a file")
