"""Small torch modules, converted by coremltools as a GhostNet variant would be, and evaluated."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from conversion.formats.coreml_tools import ct
from conversion.mil.arguments import DTYPES
from conversion.mil.evaluator import MilProgram

SIDE_PX, CLASSES = 16, 6
mb = ct.converters.mil.Builder


class Attention(nn.Module):
    """GhostNetV2's DFC attention (Tang et al. 2022, figure 4), as its authors write it."""

    def __init__(self):
        super().__init__()
        self.reduce = nn.Conv2d(3, 6, 1, bias=False)
        self.across = nn.Conv2d(6, 6, (1, 5), padding=(0, 2), groups=6, bias=False)
        self.down = nn.Conv2d(6, 6, (5, 1), padding=(2, 0), groups=6, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.main = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        small = self.norm(self.down(self.across(self.reduce(F.avg_pool2d(x, 2, 2)))))
        gate = F.interpolate(torch.sigmoid(small), size=x.shape[-2:], mode="nearest")
        return self.main(x) * gate


class Shuffle(nn.Module):
    """Channel shuffle by reshape and transpose, slices, and a split."""

    def forward(self, x):
        n, _, h, w = x.shape
        both = torch.cat([x, x * 0.5], 1).reshape(n, 2, 3, h, w).transpose(1, 2)
        first, second = both.reshape(n, 6, h, w).split(3, dim=1)
        return torch.cat([first[:, :, 1:, ::2], second[:, 1:, 1:, 1::2]], 1)


class Tokens(nn.Module):
    """Self-attention over places: matmul, softmax, layer norm, GELU."""

    def forward(self, x):
        rows = F.layer_norm(x.flatten(2).transpose(1, 2), (3,))
        mixed = torch.softmax(rows @ rows.transpose(1, 2) / 3**0.5, dim=-1) @ rows
        return F.gelu(mixed).transpose(1, 2).unsqueeze(-1)


class Pads(nn.Module):
    def forward(self, x):
        mirrored = F.pad(x, (1, 2, 3, 0), mode="reflect")
        return F.pad(mirrored, (1, 0, 0, 1), value=0.25) + F.pad(mirrored, (1, 0, 0, 1))


class Resizes(nn.Module):
    def forward(self, x):
        corners = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        centres = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return corners + F.interpolate(centres, size=(11, 7), mode="nearest").amax((2, 3), True)


class Unit(nn.Module):
    """Features of length 1, as an embedding is given."""

    def forward(self, x):
        return F.normalize(x[:, :, 0, 0], dim=1)


class Mobile(nn.Module):
    """Activations of MobileNetV3, EfficientNet and their kind."""

    def forward(self, x):
        parts = [
            F.hardswish(x),
            F.hardsigmoid(x),
            F.silu(x),
            F.leaky_relu(x, 0.1),
            F.elu(x),
            F.softplus(x),
            F.gelu(x, approximate="tanh"),
            x.clamp(-0.5, 0.5),
            torch.tanh(x),
            F.relu6(x),
            (x.abs() + 0.5).rsqrt(),
            (x * x).exp().log().sqrt(),
        ]
        return torch.cat(parts, 1)


MODULES = {
    "attention": Attention(),
    "shuffle": Shuffle(),
    "tokens": Tokens(),
    "pads": Pads(),
    "resizes": Resizes(),
    "mobile": Mobile(),
    "unit": Unit(),
    "max pool": nn.MaxPool2d(3, 2, 1),
    "average pool": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "rounded-up pool": nn.MaxPool2d(2, 3, ceil_mode=True),
    "adaptive pool": nn.AdaptiveAvgPool2d(1),
    "parametric relu": nn.PReLU(3, 0.3),
    "same padding": nn.Conv2d(3, 4, 4, padding="same", dilation=2),
    "instance norm": nn.InstanceNorm2d(3, affine=True),
}


class Classifier(nn.Module):
    """Pixels to probabilities through a module, with something that tells photos apart."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        with torch.no_grad():
            width = body(torch.zeros(1, 3, SIDE_PX, SIDE_PX)).flatten(1).shape[1]
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x):
        features = self.body((x - 128) / 64).flatten(1)
        return torch.softmax(10 * self.head(features), 1)


@pytest.fixture
def converted(tmp_path):
    """Converts a module as a classifier of images, and reads the saved package."""

    def convert(body, target, precision):
        torch.manual_seed(4)
        network = Classifier(body.eval()).eval()
        shape = (1, 3, SIDE_PX, SIDE_PX)
        package = ct.convert(
            torch.jit.trace(network, torch.zeros(shape)),
            inputs=[ct.ImageType("image", shape)],
            classifier_config=ct.ClassifierConfig([str(index) for index in range(CLASSES)]),
            minimum_deployment_target=target,
            compute_precision=precision,
            convert_to="mlprogram",
            skip_model_load=True,
        )
        package.save(str(tmp_path / "small.mlpackage"))
        return network, MilProgram.from_path(tmp_path / "small.mlpackage")

    return convert


@pytest.fixture
def pixels():
    return np.random.default_rng(2).integers(0, 256, (4, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("target", [ct.target.iOS16, ct.target.iOS18], ids=["iOS16", "iOS18"])
@pytest.mark.parametrize("name", MODULES)
def test_a_converted_module_answers_like_torch(converted, pixels, name, target):
    network, program = converted(MODULES[name], target, ct.precision.FLOAT32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()
    assert program.single == ""
    np.testing.assert_allclose(program.run(pixels), expected, atol=2e-5)
    assert np.ptp(expected, axis=0).max() > 0.05  # else any constant would do


@pytest.mark.slow
@pytest.mark.parametrize("name", ["attention", "mobile", "tokens"])
def test_float16_stays_near(converted, pixels, name):
    network, program = converted(MODULES[name], ct.target.iOS17, ct.precision.FLOAT16)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()
    np.testing.assert_allclose(program.run(pixels), expected, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("axis", [None, 1])
def test_quantised_activations_are_evaluated_as_coremltools_saves_them(
    pixels, tmp_path, signed, axis
):
    """`quantize` and `dequantize`, as activation quantisation puts them around an op."""
    dtype = np.int8 if signed else np.uint8
    zero = dtype(0) if signed else dtype(128)
    scale = np.float16(1.5)
    if axis is not None:
        scale, zero = np.full(3, scale) * np.array([1, 2, 3], np.float16), np.full(3, zero)
    more = {} if axis is None else {"axis": axis}

    @mb.program(
        input_specs=[mb.TensorSpec((1, 3, SIDE_PX, SIDE_PX))], opset_version=ct.target.iOS17
    )
    def program(image):
        x = mb.sub(x=mb.cast(x=image, dtype="fp16"), y=np.float16(100))
        name = "int8" if signed else "uint8"
        x = mb.quantize(input=x, scale=scale, zero_point=zero, output_dtype=name, **more)
        x = mb.dequantize(input=x, scale=scale, zero_point=zero, **more)
        x = mb.reduce_mean(x=x, axes=[2, 3], keep_dims=False)
        return mb.cast(x=x, dtype="fp32")

    package = ct.convert(
        program,
        inputs=[ct.ImageType("image", (1, 3, SIDE_PX, SIDE_PX))],
        classifier_config=ct.ClassifierConfig(["a", "b", "c"]),
        minimum_deployment_target=ct.target.iOS17,
        convert_to="mlprogram",
        skip_model_load=True,
        pass_pipeline=ct.PassPipeline.EMPTY,
    )
    package.save(str(tmp_path / "quantised.mlpackage"))
    evaluated = MilProgram.from_path(tmp_path / "quantised.mlpackage")
    kinds = [step.kind for step in evaluated.package.operations]
    assert {"quantize", "dequantize"} <= set(kinds)
    types = {}
    answers = evaluated.run(pixels, watch=lambda name, value: types.update({name: value.dtype}))
    assert DTYPES["int8" if signed else "uint8"] in types.values()

    steps = np.rint((pixels.astype(np.float32) - 100) / np.float32(scale))
    # With a zero point of 128, unsigned numbers have the range of signed ones.
    widened = (np.clip(steps, -128, 127) * np.float32(scale)).astype(np.float16)
    expected = widened.astype(np.float32).mean((1, 2)).astype(np.float16)
    np.testing.assert_array_equal(answers, expected)
