"""The evaluation of MIL programs, made by hand and saved by coremltools."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversion.deploy import deploy
from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil.evaluator import MilProgram
from conversion.mil.package import Package, Reference, read_package
from tests.conversion import damage
from tests.conversion.densities import random_density
from tests.conversion.mil.packages import (
    COMPRESSED,
    MEAN,
    STD,
    draw_pictures,
    make_network,
    make_op,
    make_program,
)

PIXELS = np.full((1, 2, 2, 3), 255, np.uint8)
IMAGE = Reference("image")
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


@pytest.fixture
def pictures() -> np.ndarray:
    return draw_pictures()


def ask_network(mil_packages, pictures):
    """Asks PyTorch's network, which the packages were made of."""
    network = make_network().eval()
    network.load_state_dict(torch.load(mil_packages / "network.pt"))
    x_nchw = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        return deploy(network, random_density(), MEAN, STD, "nchw")(x_nchw)[0].numpy()


def test_every_result_is_rounded_to_its_declared_type():
    third = np.array(1 / 3, np.float32)
    for dtype, torch_type in (("fp16", torch.float16), ("fp32", torch.float32)):
        seen = {}
        program = make_program(make_op("mul", {"x": IMAGE, "y": third}, "scaled", dtype))
        program.run(PIXELS, watch=lambda name, value, seen=seen: seen.update({name: value}))
        assert seen["scaled"].dtype == torch_type
        # A constant beside a float16 value is a float16 number itself.
        factor = torch.tensor(third).to(torch_type).float()
        expected = (255 * factor).to(torch_type)
        assert seen["scaled"].flatten()[0] == expected


def test_float16_overflows_as_it_does_on_a_device():
    program = make_program(
        make_op("mul", {"x": IMAGE, "y": 300.0}, "large"),
        make_op("cast", {"x": Reference("large"), "dtype": "fp32"}, "wide", "fp32"),
    )
    assert np.isinf(program.run(PIXELS)).all()


def test_true_magnitudes_can_be_asked_for():
    program = make_program(
        make_op("mul", {"x": IMAGE, "y": 300.0}, "large"),
        make_op("cast", {"x": Reference("large"), "dtype": "fp16"}, "again"),
    )
    for step in program.steps(PIXELS, rounded=False):
        (value,) = step.results
        assert value.dtype == torch.float32
        assert (value == 255 * 300).all()


def test_small_float16_steps_are_lost_one_by_one():
    """2048 + 1 is 2048 in float16: rounding at the end alone would give 2050."""
    zero = make_op("mul", {"x": IMAGE, "y": 0.0}, "zero")
    base = make_op("add", {"x": Reference("zero"), "y": 2048.0}, "base")
    one = make_op("add", {"x": Reference("base"), "y": 1.0}, "one")
    two = make_op("add", {"x": Reference("one"), "y": 1.0}, "two")
    assert (make_program(zero, base, one, two).run(PIXELS) == 2048).all()


@pytest.mark.parametrize("kind", ["einsum", "constexpr_of_tomorrow"])
def test_an_op_that_is_not_known_is_named(kind):
    with pytest.raises(UnknownOpError, match=f"unknown MIL op {kind}: known are"):
        make_program(make_op(kind, {"x": IMAGE}, "y"))


def test_a_result_of_a_type_that_is_not_known_is_named():
    with pytest.raises(UnknownOpError, match=r"MIL op relu \(y\)"):
        make_program(make_op("relu", {"x": IMAGE}, "y", dtype="bf16"))


def test_shapes_that_do_not_fit_name_the_op():
    bad = make_op("add", {"x": IMAGE, "y": np.ones(5, np.float32)}, "sum", "fp32")
    with pytest.raises(ArtifactError, match=r"MIL op add \(sum\) cannot run"):
        make_program(bad).run(PIXELS)


def test_a_result_of_another_shape_than_declared_names_the_op():
    flat = make_op("reshape", {"x": IMAGE, "shape": np.array([1, 12])}, "flat", shape=(1, 3, 4))
    with pytest.raises(ArtifactError, match=r"MIL op reshape \(flat\) gives shape \(1, 12\)"):
        make_program(flat).run(PIXELS)


def test_an_op_gives_as_many_results_as_it_declares():
    halves = make_op("split", {"x": IMAGE, "axis": 2, "num_splits": 2}, "half")
    with pytest.raises(ArtifactError, match="gives 2 results, not 1"):
        make_program(halves).run(PIXELS)


def test_a_program_that_classifies_nothing_is_refused():
    step = make_op("relu", {"x": IMAGE}, "y")
    with pytest.raises(ArtifactError, match="not in 'classify'"):
        MilProgram(Package("image", 2, "RGB", (step,)))


def test_photos_of_another_size_are_refused():
    program = make_program(make_op("relu", {"x": IMAGE}, "y"))
    for x_nhwc in (PIXELS[0], PIXELS[:, :1], np.zeros((2, 3, 2, 2), np.uint8)):
        with pytest.raises(ArtifactError, match=r"\[N, 2, 2, 3\] is expected"):
            program.run(x_nhwc)


def test_a_float16_package_answers_like_the_network(mil_packages, pictures):
    expected = ask_network(mil_packages, pictures)
    answers = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage").run(pictures)
    assert answers.dtype == np.float32
    assert len(set(expected.argmax(axis=1))) > 1  # else any constant would do
    np.testing.assert_allclose(answers, expected, atol=0.05)


@pytest.mark.parametrize("name", ["ios16-fp16", "ios18-palette6-groups"])
def test_a_batch_answers_as_its_photos_do_one_by_one(mil_packages, pictures, name):
    program = MilProgram.from_path(mil_packages / f"{name}.mlpackage")
    assert program.single == ""
    alone = np.concatenate([program.run(photo[None]) for photo in pictures])
    np.testing.assert_array_equal(program.run(pictures), alone)
    np.testing.assert_array_equal(program.run(pictures[3:8]), alone[3:8])


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_package_answers_as_coremltools_decompresses_it(mil_packages, pictures, name):
    path = mil_packages / f"{name}.mlpackage"
    plain = MilProgram.from_path(mil_packages / f"{name}-plain.mlpackage")
    program = MilProgram.from_path(path)
    assert any(step.kind.startswith("constexpr_") for step in program.package.operations)
    assert not any(step.kind.startswith("constexpr_") for step in plain.package.operations)
    answers = program.run(pictures)
    np.testing.assert_array_equal(answers, plain.run(pictures))
    # And compression shows: these are not simply the float16 weights.
    whole = MilProgram.from_path(mil_packages / f"{name.split('-')[0]}-fp16.mlpackage")
    assert np.abs(answers - whole.run(pictures)).max() > 1e-4


def test_a_saved_package_answers_like_the_checkpoint(paths, checkpoint, photos):
    program = MilProgram.from_path(paths["coreml"])
    answers = program.run(photos)
    np.testing.assert_allclose(answers, checkpoint.answer(photos).probabilities, atol=0.05)
    assert program.labels == checkpoint.labels.names


def test_the_package_holds_float16_and_its_steps_are_watched(mil_packages, pictures):
    program = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage")
    types = set()
    names = []
    program.run(pictures, watch=lambda name, value: (names.append(name), types.add(value.dtype)))
    assert types == {torch.float16, torch.float32}
    assert len(names) == len(program.package.operations) - 1


def test_a_float32_package_is_evaluated_without_rounding(mil_packages, pictures):
    """The same evaluator, one type up, must agree to float32: so float16 is all that differs.

    A relative difference of probabilities is a difference of logits. Both float32 computations are
    up to 6e-5 away from float64 (which sums come first depends on the processor), float16 0.15.
    """
    answers = ask_network(mil_packages, pictures)
    program = MilProgram.from_path(mil_packages / "ios16-fp32.mlpackage")
    np.testing.assert_allclose(program.run(pictures), answers, rtol=1e-3)
    rounded = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage").run(pictures)
    assert not np.allclose(rounded, answers, rtol=1e-2)


@pytest.fixture
def copy(mil_packages, tmp_path):
    """A package to damage, with weights of 6 bits and of 16."""
    folder = tmp_path / "copy.mlpackage"
    shutil.copytree(mil_packages / "ios18-palette6-groups.mlpackage", folder)
    return folder


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("part", ["Manifest.json", damage.SPECIFICATION, WEIGHTS])
def test_a_truncated_package_is_a_typed_error(copy, part, share):
    data = (copy / part).read_bytes()
    (copy / part).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ArtifactError):
        MilProgram.from_path(copy)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    part=st.sampled_from([damage.SPECIFICATION, WEIGHTS]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_damaged_package_runs_or_is_a_typed_error(copy, pictures, part, changes):
    whole = (copy / part).read_bytes()
    data = bytearray(whole)
    for share, byte in changes:
        data[int(share * len(data))] = byte
    (copy / part).write_bytes(data)
    try:
        program = MilProgram.from_path(copy)
        assert program.run(pictures[:1]).shape == (1, len(program.labels))
    except ArtifactError:
        pass
    finally:
        (copy / part).write_bytes(whole)


def test_weights_are_not_read_from_outside_of_the_package(copy):
    def point_outside(model):
        for operation in damage.block_of(model).operations:
            value = operation.attributes["val"]
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = "@model_path/../../../../secret.bin"

    damage.edit_specification(copy, point_outside)
    with pytest.raises(ArtifactError, match="outside of the package"):
        read_package(copy)


def test_a_specification_is_not_read_from_outside_of_the_package(copy):
    manifest = (copy / "Manifest.json").read_text()
    (copy / "Manifest.json").write_text(
        manifest.replace("com.apple.CoreML/model.mlmodel", "../../model.mlmodel")
    )
    (copy.parent / "model.mlmodel").write_bytes((copy / damage.SPECIFICATION).read_bytes())
    with pytest.raises(ArtifactError, match="lies outside of it"):
        read_package(copy)


def test_an_input_that_is_no_colour_image_is_refused(copy):
    def make_grey(model):
        image = model.description.input[0].type.imageType
        image.colorSpace = image.ColorSpace.Value("GRAYSCALE")

    damage.edit_specification(copy, make_grey)
    with pytest.raises(ArtifactError, match="GRAYSCALE"):
        read_package(copy)
