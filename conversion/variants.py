"""The variants of a build: which files one checkpoint becomes. Free of torch and converters."""

from collections.abc import Iterable
from dataclasses import dataclass

from conversion.errors import ConversionError

# What stands in the weights of each precision, in words for people.
PRECISIONS = {
    "fp32": "float32 weights and activations",
    "fp16": "float16 weights",
    "int8": "int8 weights per channel, int8 activations (static)",
    "dynamic-int8": "int8 weights per channel, activations quantised as they come",
    "int8-weights": "int8 weights per channel, float16 activations",
    "palette8": "weights out of 256 values a layer, float16 activations",
    "palette6": "weights out of 64 values a layer, float16 activations",
}


@dataclass(frozen=True)
class Variant:
    """One kind of artifact.

    Attributes:
        runtime: "executorch", "litert" or "coreml".
        precision: one of `PRECISIONS`.
        backend: for ExecuTorch, the delegate that runs the network: "xnnpack", "coreml" or
            "vulkan"; empty for the other runtimes, which choose one on the device.
    """

    runtime: str
    precision: str
    backend: str = ""

    @property
    def key(self) -> str:
        """Its name on the command line and in file names; XNNPACK is not said."""
        parts = (self.runtime, self.backend if self.backend != "xnnpack" else "", self.precision)
        return "-".join(part for part in parts if part)

    @property
    def executed_here(self) -> bool:
        """Whether this machine can run it; the Core ML and Vulkan delegates need a phone."""
        return self.backend in ("", "xnnpack")

    @property
    def calibrated(self) -> bool:
        """Whether making it takes photos, to learn the ranges of activations."""
        return self.precision == "int8"


# Parts of the network that quantisation may leave in float: the squeeze-and-excite gates, the
# first convolution with the first bottleneck, and the classifier. Pixel scaling and softmax of
# int8 files are float always.
PARTS = ("gates", "first", "last")
# In each runtime the most faithful first: what a pull takes unless told otherwise.
VARIANTS = (
    Variant("executorch", "fp32", "xnnpack"),
    Variant("executorch", "int8", "xnnpack"),
    Variant("executorch", "fp16", "coreml"),
    Variant("executorch", "fp16", "vulkan"),
    Variant("litert", "fp32"),
    Variant("litert", "fp16"),
    Variant("litert", "dynamic-int8"),
    Variant("litert", "int8"),
    Variant("coreml", "fp16"),
    Variant("coreml", "int8-weights"),
    Variant("coreml", "palette8"),
    Variant("coreml", "palette6"),
)
KEYS = tuple(variant.key for variant in VARIANTS)


def find_variant(key: str) -> Variant:
    """Returns the variant of that key.

    Raises:
        ConversionError: there is none.
    """
    for variant in VARIANTS:
        if variant.key == key:
            return variant
    raise ConversionError(f"variant is {key!r}: allowed are {', '.join(KEYS)}")


def choose_variants(keys: Iterable[str], runtimes: Iterable[str]) -> tuple[Variant, ...]:
    """Returns the variants that are named, in the order of `VARIANTS`; all if nothing is named.

    Args:
        keys: keys of variants.
        runtimes: runtimes of which every variant is meant.

    Raises:
        ConversionError: a key is not known.
    """
    wanted = {find_variant(key) for key in keys}
    wanted |= {variant for variant in VARIANTS if variant.runtime in set(runtimes)}
    return tuple(variant for variant in VARIANTS if not wanted or variant in wanted)
