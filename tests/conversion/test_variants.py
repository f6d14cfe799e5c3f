"""The kinds of artifact, and which of them a command means."""

import pytest

from conversion.converters import CONVERTERS, converter_of
from conversion.errors import ConversionError
from conversion.request import Quantisation
from conversion.variants import KEYS, PARTS, PRECISIONS, VARIANTS, choose_variants, find_variant


def test_every_key_is_unique_and_finds_its_variant():
    assert len(set(KEYS)) == len(VARIANTS)
    assert [find_variant(key) for key in KEYS] == list(VARIANTS)
    assert {variant.precision for variant in VARIANTS} == set(PRECISIONS)


def test_an_unknown_key_names_those_that_are_allowed():
    with pytest.raises(ConversionError, match="'onnx-fp32': allowed are executorch-fp32, "):
        find_variant("onnx-fp32")


def test_nothing_named_means_all_and_names_keep_the_order():
    assert choose_variants((), ()) == VARIANTS
    chosen = choose_variants(("litert-int8", "executorch-fp32"), ())
    assert [variant.key for variant in chosen] == ["executorch-fp32", "litert-int8"]
    assert {variant.runtime for variant in choose_variants((), ("coreml",))} == {"coreml"}


def test_only_delegates_of_phones_are_not_executed_here():
    away = [variant.key for variant in VARIANTS if not variant.executed_here]
    assert away == ["executorch-coreml-fp16", "executorch-vulkan-fp16"]


def test_every_variant_has_one_converter_and_every_converter_a_variant():
    assert {converter_of(variant) for variant in VARIANTS} == set(CONVERTERS)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"keep_float": ("head",)}, "allowed are gates, first, last"),
        ({"calibration_photos": 7}, "allowed are 8 to 10000"),
        ({"qat_steps": -1}, "allowed are 0 to 100000"),
    ],
)
def test_quantisation_that_is_not_possible_says_what_is_allowed(values, words):
    with pytest.raises(ConversionError, match=words):
        Quantisation(**values)


def test_parts_that_are_named_override_the_variants_own_choice():
    for variant in VARIANTS:
        assert set(Quantisation().parts_for(variant)) <= set(PARTS)
        assert Quantisation(keep_float=()).parts_for(variant) == ()
        assert Quantisation(keep_float=("gates",)).parts_for(variant) == ("gates",)
