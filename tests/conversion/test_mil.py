"""MIL ops against torch, and the evaluation of a saved package."""

import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conversion.coreml_tools import ct
from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil import MilProgram
from conversion.mil_ops import OPS
from conversion.mil_package import Operation, Package, Reference, read_package
from tests.conversion import damage

X = torch.randn(1, 4, 7, 9, generator=torch.Generator().manual_seed(3)) * 4
Y = torch.randn(1, 4, 1, 1, generator=torch.Generator().manual_seed(4))
ROWS = X.reshape(9, 28)
WEIGHT = torch.randn(5, 28, generator=torch.Generator().manual_seed(5))
BIAS = torch.randn(5, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("add", {"x": X, "y": Y}, X + Y),
        ("sub", {"x": X, "y": Y}, X - Y),
        ("mul", {"x": X, "y": 0.25}, X / 4),
        ("real_div", {"x": X, "y": Y}, X / Y),
        ("relu", {"x": X}, F.relu(X)),
        ("relu6", {"x": X}, F.relu6(X)),
        ("softmax", {"x": X, "axis": 1}, X.softmax(1)),
        ("softmax", {"x": X}, X.softmax(-1)),
        ("concat", {"values": [X, X + 1], "axis": 1}, torch.cat([X, X + 1], 1)),
        ("reshape", {"x": X, "shape": np.array([0, -1])}, X.flatten(1)),
        (
            "reduce_mean",
            {"x": X, "axes": np.array([2, 3]), "keep_dims": True},
            X.mean((2, 3), keepdim=True),
        ),
        ("reduce_mean", {"x": X, "axes": np.array([-1])}, X.mean(-1)),
        ("linear", {"x": ROWS, "weight": WEIGHT, "bias": BIAS}, F.linear(ROWS, WEIGHT, BIAS)),
        ("linear", {"x": ROWS, "weight": WEIGHT}, ROWS @ WEIGHT.T),
        ("cast", {"x": X, "dtype": "fp16"}, X.half()),
        ("cast", {"x": X.half(), "dtype": "fp32"}, X.half().float()),
    ],
)
def test_an_op_does_what_torch_does(kind, args, expected):
    result = OPS[kind](args)
    assert result.dtype == expected.dtype
    torch.testing.assert_close(result, expected)


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


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("conv", {"x": X, "weight": X, "pad_type": "same"}, "pad_type 'same'"),
        ("conv", {"x": X, "weight": X[0]}, "over 1 dimensions"),
        ("concat", {"values": [X, X], "axis": 1, "interleave": True}, "interleave"),
        ("cast", {"x": X, "dtype": "int32"}, "'int32'"),
    ],
)
def test_a_form_of_an_op_that_is_not_known_is_named(kind, args, words):
    with pytest.raises(UnknownOpError, match=words):
        OPS[kind](args)


def make_program(*steps: Operation, side_px: int = 2) -> MilProgram:
    inputs = {"probabilities": Reference(steps[-1].output), "classes": ["a", "b"]}
    last = Operation("classify", inputs, "label", "")
    return MilProgram(Package("image", side_px, "RGB", (*steps, last)))


PIXELS = np.full((2, 2, 3), 255, np.uint8)


def test_every_result_is_rounded_to_its_declared_type():
    third = np.array(1 / 3, np.float32)
    for dtype, torch_type in (("fp16", torch.float16), ("fp32", torch.float32)):
        seen = {}
        program = make_program(
            Operation("mul", {"x": Reference("image"), "y": third}, "scaled", dtype)
        )
        program.run(PIXELS, watch=lambda name, value, seen=seen: seen.update({name: value}))
        assert seen["scaled"].dtype == torch_type
        expected = torch.tensor(255 * third).to(torch_type)
        assert torch.equal(seen["scaled"].flatten()[0], expected)


def test_float16_overflows_as_it_does_on_a_device():
    program = make_program(
        Operation("mul", {"x": Reference("image"), "y": 300.0}, "large", "fp16"),
        Operation("cast", {"x": Reference("large"), "dtype": "fp32"}, "wide", "fp32"),
    )
    assert torch.isinf(program.run(PIXELS)).all()


def test_small_float16_steps_are_lost_one_by_one():
    """2048 + 1 is 2048 in float16: rounding at the end alone would give 2050."""
    zero = Operation("mul", {"x": Reference("image"), "y": 0.0}, "zero", "fp16")
    base = Operation("add", {"x": Reference("zero"), "y": 2048.0}, "base", "fp16")
    one = Operation("add", {"x": Reference("base"), "y": 1.0}, "one", "fp16")
    two = Operation("add", {"x": Reference("one"), "y": 1.0}, "two", "fp16")
    assert make_program(zero, base, one, two).run(PIXELS)[0] == 2048


def test_an_op_that_is_not_known_is_named():
    with pytest.raises(UnknownOpError, match="unknown MIL op gelu"):
        make_program(Operation("gelu", {"x": Reference("image")}, "y", "fp16"))


def test_shapes_that_do_not_fit_name_the_op():
    bad = Operation("add", {"x": Reference("image"), "y": np.ones(5, np.float32)}, "sum", "fp32")
    with pytest.raises(ArtifactError, match=r"MIL op add \(sum\) cannot run"):
        make_program(bad).run(PIXELS)


def test_a_program_that_classifies_nothing_is_refused():
    step = Operation("relu", {"x": Reference("image")}, "y", "fp16")
    with pytest.raises(ArtifactError, match="not in 'classify'"):
        MilProgram(Package("image", 2, "RGB", (step,)))


def test_a_saved_package_answers_like_the_checkpoint(paths, checkpoint, photos):
    program = MilProgram.from_path(paths["coreml"])
    answers = np.stack([program.run(photo).numpy() for photo in photos])
    np.testing.assert_allclose(answers, checkpoint.probabilities(photos), atol=0.05)
    assert program.labels == checkpoint.labels.names


def test_the_package_holds_float16_and_its_steps_are_watched(paths, photos):
    program = MilProgram.from_path(paths["coreml"])
    types = set()
    names = []
    program.run(photos[0], watch=lambda name, value: (names.append(name), types.add(value.dtype)))
    assert types == {torch.float16, torch.float32}
    assert len(names) == len(program.package.operations) - 1


def test_a_float32_package_is_evaluated_without_rounding(checkpoint, photos, tmp_path):
    """The same evaluator, one type up, must agree to float32: so float16 is all that differs."""
    from conversion.deploy import deploy

    normalise, side = checkpoint.normalise, checkpoint.preprocess.input_px
    deployed = deploy(checkpoint.model, normalise.mean, normalise.std, "nchw")
    package = ct.convert(
        torch.jit.trace(deployed, torch.zeros(1, 3, side, side)),
        inputs=[ct.ImageType("image", (1, 3, side, side), color_layout=ct.colorlayout.RGB)],
        classifier_config=ct.ClassifierConfig(list(checkpoint.labels.names)),
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT32,
        convert_to="mlprogram",
        skip_model_load=True,
    )
    package.save(str(tmp_path / "wide.mlpackage"))
    program = MilProgram.from_path(tmp_path / "wide.mlpackage")
    answers = np.stack([program.run(photo).numpy() for photo in photos])
    np.testing.assert_allclose(answers, checkpoint.probabilities(photos), atol=1e-5)


def copy_of_package(paths, tmp_path):
    copy = tmp_path / paths["coreml"].name
    shutil.copytree(paths["coreml"], copy)
    return copy


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize(
    "part", ["Manifest.json", damage.SPECIFICATION, "Data/com.apple.CoreML/weights/weight.bin"]
)
def test_a_truncated_package_is_a_typed_error(paths, tmp_path, part, share):
    copy = copy_of_package(paths, tmp_path)
    data = (copy / part).read_bytes()
    (copy / part).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ArtifactError):
        MilProgram.from_path(copy)


def test_weights_are_not_read_from_outside_of_the_package(paths, tmp_path):
    copy = copy_of_package(paths, tmp_path)

    def point_outside(model):
        for operation in damage.block_of(model).operations:
            value = operation.attributes["val"]
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = "@model_path/../../../../secret.bin"

    damage.edit_specification(copy, point_outside)
    with pytest.raises(ArtifactError, match="outside of the package"):
        read_package(copy)


def test_an_input_that_is_no_colour_image_is_refused(paths, tmp_path):
    copy = copy_of_package(paths, tmp_path)

    def make_grey(model):
        image = model.description.input[0].type.imageType
        image.colorSpace = image.ColorSpace.Value("GRAYSCALE")

    damage.edit_specification(copy, make_grey)
    with pytest.raises(ArtifactError, match="GRAYSCALE"):
        read_package(copy)
