"""The smaller precisions of an `.mlpackage`: int8 weights, and palettes of 256 or 64 values.

Weights are stored in fewer bits and widened to float16 as the program is loaded; activations
stay float16.
"""

from typing import Any

from conversion.artifact import KNOWN_SCORE
from conversion.errors import ConversionError
from conversion.formats.coreml_tools import cto
from conversion.request import Request
from conversion.variants import Variant

# Smaller weights gain little, and biases would lose accuracy: coremltools' default is 2048.
MIN_WEIGHTS = 512
_PALETTE_BITS = {"palette8": 8, "palette6": 6}
# A palette of 256 float16 values pays from 1024 weights on.
_MIN_PALETTE_WEIGHTS = 1024
# Parts of the network that may stay in float, by the names of their weights.
_NAMES = {"gates": ("_se_conv_",), "first": ("conv_stem", "blocks_0_"), "last": ("classifier",)}


def compress(model: Any, variant: Variant, request: Request) -> Any:
    """Returns a coremltools model at the precision of a variant.

    Args:
        model: the float16 program; it is not changed.
        variant: one of Core ML's.
        request: names the parts to keep in float16.

    Raises:
        ConversionError: there is no such precision.
    """
    if variant.precision == "fp16":
        return model
    kept = _weights_of(model, request.quantisation.parts_for(variant))
    if variant.precision == "int8-weights":
        settings = cto.OpLinearQuantizerConfig(
            mode="linear_symmetric", granularity="per_channel", weight_threshold=MIN_WEIGHTS
        )
        return cto.linear_quantize_weights(model, _configure(settings, kept))
    if variant.precision not in _PALETTE_BITS:
        raise ConversionError(f"Core ML precision is {variant.precision!r}: not one made here")
    settings = cto.OpPalettizerConfig(
        mode="kmeans",
        nbits=_PALETTE_BITS[variant.precision],
        weight_threshold=_MIN_PALETTE_WEIGHTS,
    )
    return cto.palettize_weights(model, _configure(settings, kept))


def _configure(settings: Any, kept: list[str]) -> Any:
    return cto.OptimizationConfig(settings, op_name_configs=dict.fromkeys(kept))


def _weights_of(model: Any, parts: tuple[str, ...]) -> list[str]:
    """Returns the names of the constants of parts of the network, and of the known score."""
    marks = [KNOWN_SCORE, *(mark for part in parts for mark in _NAMES[part])]
    names = cto.get_weights_metadata(model, weight_threshold=MIN_WEIGHTS)
    return [name for name in names if any(mark in name for mark in marks)]
