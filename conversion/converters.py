"""Which module makes which variants, and what decides the bytes that it writes. Free of torch."""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from conversion.variants import Variant

_ROOT = Path(__file__).parents[1]
_SHARED_SOURCES = (
    "conversion/deploy.py",
    "conversion/request.py",
    "conversion/spreading.py",
    "training/networks/branches.py",
    "training/networks/ghostnet*.py",
    "training/networks/known_score.py",
)


@dataclass(frozen=True)
class Converter:
    """One module that makes variants, in a process of its own.

    Attributes:
        name: for progress and logs.
        module: holds `convert(request)`.
        packages: the installed packages that take part.
        sources: patterns of our own files that take part, below the root of the code.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    sources: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """Returns the versions of the packages, by name."""
        return {name: importlib.metadata.version(name) for name in self.packages}

    def hash_sources(self) -> str:
        """Returns one SHA-256 over our own files that take part."""
        patterns = (*self.sources, *_SHARED_SOURCES)
        files = sorted({path for pattern in patterns for path in _ROOT.glob(pattern)})
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


_XNNPACK = ("executorch", "torch", "torchao")
_EXECUTORCH_SOURCES = ("conversion/formats/executorch*.py",)
# The longest first: what is left at the end then fits beside each other.
CONVERTERS = (
    Converter("executorch-int8", "conversion.formats.executorch", _XNNPACK, _EXECUTORCH_SOURCES),
    Converter(
        "litert",
        "conversion.formats.tflite",
        ("litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer", "torch"),
        ("conversion/formats/tflite*.py", "conversion/zips.py"),
    ),
    Converter(
        "coreml",
        "conversion.formats.coreml",
        ("coremltools", "torch"),
        ("conversion/formats/coreml*.py",),
    ),
    Converter(
        "executorch-delegates",
        "conversion.formats.executorch_delegates",
        ("executorch", "torch", "coremltools"),
        _EXECUTORCH_SOURCES,
    ),
    Converter("executorch-fp32", "conversion.formats.executorch", _XNNPACK, _EXECUTORCH_SOURCES),
)


def converter_of(variant: Variant) -> Converter:
    """Returns what makes a variant."""
    name = variant.runtime
    if variant.runtime == "executorch":
        name = variant.key if variant.executed_here else "executorch-delegates"
    (found,) = (converter for converter in CONVERTERS if converter.name == name)
    return found
