"""The smaller precisions of a `.tflite`: float16, dynamic int8 and static int8."""

from typing import Any

from ai_edge_quantizer import qtyping
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.quantizer import Quantizer
from ai_edge_quantizer.recipe_manager import RecipeManager

from conversion.errors import ConversionError
from conversion.formats.tflite_ranges import measure_ranges
from conversion.request import Request
from conversion.variants import Variant

_OPS = qtyping.TFLOperationName
_EVERYTHING = ".*"
# Parts of the network that may stay in float, by the torch modules that name the tensors.
_PIXEL_SCALING = r"^[^/]*Deployed[^/]*$"
# The last op of it is called by the name of the output.
_KNOWN_SCORE = "KnownScore|^serving_default_output_1"
_SCOPES = {
    "gates": "SqueezeExcite",
    "first": r"conv_stem|Sequential_blocks/[^/]*Sequential_0/",
    "last": "classifier",
}


def quantise(plain: bytes, variant: Variant, request: Request) -> bytes:
    """Returns the model at the precision of a variant; input and output stay float32.

    Args:
        plain: the float32 model, without metadata.
        variant: one of LiteRT's.
        request: names the parts to keep in float and holds the calibration photos.

    Raises:
        ConversionError: there are no calibration photos, or no such precision.
    """
    if variant.precision == "fp32":
        return plain
    recipe = make_recipe(variant.precision, request.quantisation.parts_for(variant))
    quantizer = Quantizer(plain)
    quantizer.load_quantization_recipe(recipe.get_quantization_recipe())
    ranges = measure_ranges(plain, request.calibration()) if variant.calibrated else None
    model = quantizer.quantize(ranges).quantized_model
    if model is None:
        raise ConversionError(f"ai-edge-quantizer made no model of precision {variant.precision}")
    return bytes(model)


def make_recipe(precision: str, parts: tuple[str, ...]) -> RecipeManager:
    """Returns the quantiser's settings; later rules override earlier ones.

    Args:
        precision: "fp16", "dynamic-int8" or "int8".
        parts: left in float, out of `conversion.variants.PARTS`; float16 has no such parts.

    Raises:
        ConversionError: there is no such precision.
    """
    recipe = RecipeManager()
    if precision == "fp16":
        _add_float16(recipe)
        _keep_float(recipe, _KNOWN_SCORE, _OPS.ALL_SUPPORTED)
        return recipe
    if precision == "dynamic-int8":
        recipe.add_dynamic_config(_EVERYTHING, _OPS.ALL_SUPPORTED, num_bits=8)
    elif precision == "int8":
        recipe.add_static_config(
            _EVERYTHING, _OPS.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
        )
        # The browser's runtime refuses int8 tensors, and an app would have to scale by hand.
        _keep_float(recipe, _EVERYTHING, _OPS.INPUT)
        _keep_float(recipe, _EVERYTHING, _OPS.OUTPUT)
        # In int8 a softmax gives probabilities in steps of 1/256, most of them 0.
        _keep_float(recipe, _EVERYTHING, _OPS.SOFTMAX)
        # Pixels are scaled per channel: int8 before and after would round twice, and coarsely.
        _keep_float(recipe, _PIXEL_SCALING, _OPS.ALL_SUPPORTED)
    else:
        raise ConversionError(f"LiteRT precision is {precision!r}: not one that is made here")
    # The small difference of large sums, of which fewer bits would leave nothing.
    _keep_float(recipe, _KNOWN_SCORE, _OPS.ALL_SUPPORTED)
    for part in parts:
        _keep_float(recipe, _SCOPES[part], _OPS.ALL_SUPPORTED)
    return recipe


def _add_float16(recipe: RecipeManager) -> None:
    """Weights as float16, which the runtime widens; activations stay float32."""
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    recipe.add_quantization_config(
        _EVERYTHING,
        _OPS.ALL_SUPPORTED,
        qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        AlgorithmName.FLOAT_CASTING,
    )


def _keep_float(recipe: RecipeManager, scope: str, operation: Any) -> None:
    recipe.add_quantization_config(scope, operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
