"""Magnitudes against what float16 can hold: planted overflows are found, and nothing else."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from conversion.cli import main
from conversion.errors import ParityError
from conversion.mil.evaluator import MilProgram
from conversion.mil.package import Reference
from conversion.parity.hazards import FP16_MAX, find_hazards
from tests.conversion import damage
from tests.conversion.mil.packages import SIDE_PX, draw_pictures, make_op, make_program

IMAGE = Reference("image")
WHITE = np.full((3, 2, 2, 3), 255, np.uint8)


@pytest.fixture
def pictures() -> np.ndarray:
    return draw_pictures()


def by_place(hazards):
    return {(entry.tensor, entry.place): entry for entry in hazards}


def test_a_planted_overflow_is_found_and_is_the_worst(mil_packages, pictures):
    sane = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage")
    planted = MilProgram.from_path(mil_packages / "planted-fp16.mlpackage")
    hazards = find_hazards(planted, [pictures])
    (first,) = [entry for entry in hazards if entry.first]
    assert first.op == "conv"
    assert first.largest > FP16_MAX
    assert first.headroom < 1
    assert first.overflows
    # What lies beyond float16 stands before everything that it can hold, the worst first.
    overflowing = [entry for entry in hazards if entry.overflows]
    assert hazards[: len(overflowing)] == overflowing
    assert first.headroom == min(e.headroom for e in hazards if e.place == "result")
    # The true magnitudes do not break anything: the network answers as without the factor.
    *_, last = planted.steps(pictures, rounded=False)
    np.testing.assert_allclose(last.results[0].numpy(), sane.run(pictures), atol=0.05)
    assert not np.isfinite(planted.run(pictures)).all()


def test_a_sane_network_has_no_overflow(mil_packages, pictures):
    program = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage")
    hazards = find_hazards(program, [pictures[:5], pictures[5:]])
    assert not any(entry.overflows or entry.breaks for entry in hazards)
    headrooms = [entry.headroom for entry in hazards]
    assert headrooms == sorted(headrooms)
    steps = len(program.package.operations) - 1
    assert sum(entry.place == "result" for entry in hazards) == steps
    assert by_place(hazards)["image_to_fp16", "result"].largest == pictures.max()


def test_batches_do_not_change_what_is_found(mil_packages, pictures):
    program = MilProgram.from_path(mil_packages / "ios16-fp16.mlpackage")
    together = find_hazards(program, [pictures])
    assert together == find_hazards(program, [photo[None] for photo in pictures])


def test_sums_inside_of_a_mean_are_seen_though_the_mean_is_small():
    """Four pixels of 255 * 100: their mean can be held, their sum cannot."""
    large = make_op("mul", {"x": IMAGE, "y": 100.0}, "large")
    axes = {"axes": np.array([2, 3]), "keep_dims": True}
    mean = make_op("reduce_mean", {"x": Reference("large"), **axes}, "mean", shape=(1, 3, 1, 1))
    found = by_place(find_hazards(make_program(large, mean, classes=3), [WHITE]))
    assert found["mean", "result"].largest == 25500
    assert not found["mean", "result"].overflows
    assert found["mean", "sum"].largest == 4 * 25500
    assert found["mean", "sum"].overflows


def test_numbers_of_both_signs_do_not_hide_a_sum():
    """+25500 twice and -25500 twice: their sum is 0, but not on the way there."""
    signs = np.array([1, 1, -1, -1], np.float32).reshape(1, 1, 2, 2) * 100
    mixed = make_op("mul", {"x": IMAGE, "y": signs}, "mixed")
    axes = {"axes": np.array([2, 3])}
    total = make_op("reduce_sum", {"x": Reference("mixed"), **axes}, "total", shape=(1, 3))
    found = by_place(find_hazards(make_program(mixed, total, classes=3), [WHITE]))
    assert found["total", "result"].largest == 0
    assert found["total", "sum"].largest == 2 * 25500


def test_sums_of_squares_are_seen_in_a_norm():
    axes = {"axes": np.array([1]), "keep_dims": True}
    norm = make_op("reduce_l2_norm", {"x": IMAGE, **axes}, "norm", shape=(1, 1, 2, 2))
    found = by_place(find_hazards(make_program(norm, classes=4), [WHITE]))
    assert found["norm", "result"].largest == pytest.approx(255 * 3**0.5)
    assert found["norm", "sum"].largest == 3 * 255**2
    assert found["norm", "sum"].overflows


def test_sums_of_a_pool_are_those_of_its_windows():
    window = {"kernel_sizes": np.array([2, 2]), "pad_type": "valid"}
    pool = make_op("avg_pool", {"x": IMAGE, **window}, "pool", shape=(1, 3, 1, 1))
    found = by_place(find_hazards(make_program(pool, classes=3), [WHITE]))
    assert found["pool", "sum"].largest == 4 * 255


def test_bounds_of_convolutions_are_listed_on_demand_and_never_fail():
    """300 - 300 is 0, but |300| + |300| times 255 is more than float16 holds."""
    weight = np.array([300, -300, 0], np.float32).reshape(1, 3, 1, 1)
    conv = make_op("conv", {"x": IMAGE, "weight": weight}, "conv", shape=(1, 1, 2, 2))
    program = make_program(conv, classes=4)
    assert [entry.place for entry in find_hazards(program, [WHITE])] == ["result"]
    found = by_place(find_hazards(program, [WHITE], with_bounds=True))
    assert found["conv", "result"].largest == 0
    assert found["conv", "bound"].largest == 600 * 255
    assert not found["conv", "bound"].overflows


def test_the_first_op_that_breaks_is_told_from_those_that_pass_it_on():
    large = make_op("mul", {"x": IMAGE, "y": 300.0}, "large")
    after = make_op("relu", {"x": Reference("large")}, "after")
    wide = make_op("cast", {"x": Reference("after"), "dtype": "fp32"}, "wide", "fp32")
    found = by_place(find_hazards(make_program(large, after, wide), [WHITE]))
    assert [(e.breaks, e.first) for e in found.values()].count((True, True)) == 1
    assert found["large", "result"].first
    assert found["wide", "result"].breaks
    assert found["wide", "result"].largest == 300 * 255


def test_float32_holds_what_float16_cannot():
    large = make_op("mul", {"x": IMAGE, "y": 300.0}, "large", "fp32")
    (hazard,) = find_hazards(make_program(large), [WHITE])
    assert hazard.headroom < 1
    assert not hazard.overflows


def test_numbers_too_small_for_all_bits_are_counted():
    small = np.array([1, 2.0**-24, 0], np.float32).reshape(1, 3, 1, 1)
    (hazard,) = find_hazards(make_program(make_op("mul", {"x": IMAGE, "y": small}, "y")), [WHITE])
    assert hazard.subnormal_share == pytest.approx(1 / 3)


def test_infinity_is_null_in_json():
    huge = make_op("mul", {"x": IMAGE, "y": 3e38}, "huge", "fp32")
    (hazard,) = find_hazards(make_program(huge), [WHITE])
    value = json.loads(json.dumps(hazard.to_json(), allow_nan=False))
    assert value["largest"] is None
    assert value["overflows"] is True
    (zero,) = find_hazards(make_program(make_op("mul", {"x": IMAGE, "y": 0.0}, "y")), [WHITE])
    assert zero.to_json()["headroom"] is None
    assert zero.to_json()["overflows"] is False


def test_no_photos_are_an_error():
    with pytest.raises(ParityError, match="no photos"):
        find_hazards(make_program(make_op("relu", {"x": IMAGE}, "y")), [])


@pytest.fixture
def folder(tmp_path, pictures):
    """Photos in two classes, as the source "folder" wants them."""
    for part in ("train", "val"):
        for index, picture in enumerate(pictures[:4]):
            place = tmp_path / "photos" / part / "ab"[index % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(place / f"{index}.png")
    return tmp_path / "photos"


def with_preprocess(package, tmp_path, text):
    """A copy of a package that names its preprocessing, as our converter writes it."""
    import shutil

    copy = tmp_path / package.name
    shutil.copytree(package, copy)

    def write(model):
        model.description.metadata.userDefined["ghostlens.preprocess"] = text

    damage.edit_specification(copy, write)
    return copy


PREPROCESS = json.dumps({"input_px": SIDE_PX, "resize_px": SIDE_PX, "resampler": "bilinear"})


def run_command(*arguments):
    return CliRunner().invoke(main, ["hazards", *map(str, arguments)])


@pytest.mark.parametrize(("name", "code"), [("ios16-fp16", 0), ("planted-fp16", 1)])
def test_the_command_exits_1_where_something_overflows(mil_packages, tmp_path, folder, name, code):
    package = with_preprocess(mil_packages / f"{name}.mlpackage", tmp_path, PREPROCESS)
    done = run_command(package, "--data", folder, "--top", 3)
    assert done.exit_code == code, done.output
    assert ("OVERFLOWS" in done.output) == bool(code)
    assert "4 photos" in done.output
    assert "rows with more headroom" in done.output
    done = run_command(package, "--data", folder, "--photos", 2, "--json")
    assert done.exit_code == code
    value = json.loads(done.stdout)
    assert value["photos"] == 2
    assert (value["overflows"] > 0) == bool(code)
    assert value["hazards"][0]["tensor"]


def test_the_command_says_what_it_lacks(mil_packages, tmp_path, folder):
    plain = mil_packages / "ios16-fp16.mlpackage"
    done = run_command(plain, "--data", folder)
    assert done.exit_code == 1
    assert "does not say its preprocessing: give --checkpoint" in done.output
    package = with_preprocess(plain, tmp_path, PREPROCESS)
    done = run_command(package)
    assert done.exit_code == 1
    assert "give --data, or --checkpoint" in done.output
    damaged = with_preprocess(plain, tmp_path / "damaged", '{"input_px": ')
    done = run_command(damaged, "--data", folder)
    assert done.exit_code == 1
    assert "preprocessing is damaged" in done.output
    done = run_command(tmp_path / "missing.mlpackage", "--data", folder)
    assert done.exit_code == 1
    assert "not a readable .mlpackage" in done.output


def test_the_command_takes_photos_and_preprocessing_from_a_checkpoint(
    mil_packages, trained_checkpoint
):
    done = run_command(
        mil_packages / "ios16-fp16.mlpackage", "--checkpoint", trained_checkpoint, "--photos", 3
    )
    assert done.exit_code == 0, done.output
    assert "3 photos: 0 of" in done.output
