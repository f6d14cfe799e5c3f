"""Ranges of activations, measured on a file's own runtime."""

import numpy as np
import pytest

from conversion.formats import tflite_ranges
from conversion.formats.tflite_int8 import make_recipe
from conversion.formats.tflite_ranges import measure_ranges
from conversion.request import Quantisation


def test_ranges_are_those_of_the_pixels_but_for_the_tails(paths, photos, monkeypatch):
    model = paths["litert-fp32"].read_bytes()
    monkeypatch.setattr(tflite_ranges, "TAIL", 0.0)
    monkeypatch.setattr(tflite_ranges, "PHOTOS_BEYOND", 0.0)
    outer = measure_ranges(model, photos)
    (given,) = [name for name in outer if "args_0" in name]
    assert float(outer[given]["min"].item()) == photos.min()
    assert float(outer[given]["max"].item()) == photos.max()
    assert outer[given]["min"].shape == (1, 1, 1, 1)
    monkeypatch.undo()
    inner = measure_ranges(model, photos)
    assert set(inner) == set(outer)
    for name in outer:
        assert outer[name]["min"] <= inner[name]["min"] <= inner[name]["max"]
        assert inner[name]["max"] <= outer[name]["max"]
    assert any((inner[name]["max"] < outer[name]["max"]).all() for name in outer)


def test_every_result_of_an_op_has_a_range(paths, photos):
    from ai_edge_litert.interpreter import Interpreter

    model = paths["litert-fp32"].read_bytes()
    ranges = measure_ranges(model, photos[:1])
    interpreter = Interpreter(model_content=model)
    results = {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    names = {d["name"] for d in interpreter.get_tensor_details() if d["index"] in results}
    assert {name for name in names if "XNNPACK" not in name} <= set(ranges)
    assert all(np.isfinite(ends["max"]).all() for ends in ranges.values())


@pytest.mark.parametrize("precision", ["fp16", "dynamic-int8", "int8"])
def test_a_recipe_needs_photos_exactly_where_activations_are_static(precision):
    recipe = make_recipe(precision, Quantisation().keep_float or ())
    assert recipe.need_calibration() == (precision == "int8")
