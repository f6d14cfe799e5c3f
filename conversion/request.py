"""What a converter is asked for, the same for every format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.artifact import KNOWN_SCORE, PROBABILITIES, artifact_name
from conversion.errors import ConversionError
from conversion.variants import PARTS, Variant
from training.checkpoint import Checkpoint

PixelsNhwc = npt.NDArray[np.uint8]
# What is left in float unless told otherwise, by variant; docs/quantization.md has the
# comparison behind each.
KEEP_FLOAT: dict[str, tuple[str, ...]] = {
    "executorch-int8": ("first",),
    "litert-int8": ("first",),
}


@dataclass(frozen=True)
class Quantisation:
    """How variants of fewer bits are made.

    Attributes:
        keep_float: parts left in float, out of `PARTS`; None for each variant's default.
        calibration_photos: training photos that the ranges of activations are learnt from.
        qat_steps: steps of quantisation-aware training tried for ExecuTorch's int8, 0 for none.
    """

    keep_float: tuple[str, ...] | None = None
    calibration_photos: int = 128
    qat_steps: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.keep_float or ()) - set(PARTS))
        if unknown:
            raise ConversionError(
                f"parts to keep in float are {', '.join(unknown)}: allowed are {', '.join(PARTS)}"
            )
        if not 8 <= self.calibration_photos <= 10_000:
            raise ConversionError(
                f"calibration photos are {self.calibration_photos}: allowed are 8 to 10000"
            )
        if not 0 <= self.qat_steps <= 100_000:
            raise ConversionError(f"QAT steps are {self.qat_steps}: allowed are 0 to 100000")

    def parts_for(self, variant: Variant) -> tuple[str, ...]:
        """Returns the parts of a variant that stay in float."""
        return KEEP_FLOAT.get(variant.key, ()) if self.keep_float is None else self.keep_float


@dataclass(frozen=True)
class Interface:
    """What goes into an artifact and what comes out.

    Attributes:
        input: name, layout, dtype, shape, range.
        outputs: name, dtype and shape of each, in the file's order; see `describe_outputs`.
    """

    input: dict[str, Any]
    outputs: tuple[dict[str, Any], ...]


def describe_outputs(
    probabilities: list[int], known_score: list[int]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what every artifact gives, given the shapes of both outputs in its format."""
    shapes = {PROBABILITIES: probabilities, KNOWN_SCORE: known_score}
    first, second = (
        {"name": name, "dtype": "float32", "shape": shape} for name, shape in shapes.items()
    )
    return first, second


@dataclass(frozen=True)
class Request:
    """What one converter shall make of one checkpoint.

    Attributes:
        checkpoint: what to convert.
        model: name of the model.
        version: semantic version.
        folder: where to write the artifacts, each under its own name.
        variants: which ones, all of one runtime.
        quantisation: how those of fewer bits are made.
        calibration_nhwc: uint8 [N, side, side, 3] training photos; None where no variant needs
            them.
    """

    checkpoint: Checkpoint
    model: str
    version: str
    folder: Path
    variants: tuple[Variant, ...]
    quantisation: Quantisation = field(default_factory=Quantisation)
    calibration_nhwc: PixelsNhwc | None = None

    @property
    def side_px(self) -> int:
        """Side of the network's square input, in pixels."""
        return self.checkpoint.preprocess.input_px

    def path(self, variant: Variant) -> Path:
        """Returns where the artifact of a variant goes."""
        return self.folder / artifact_name(self.model, self.version, variant)

    def calibration(self) -> PixelsNhwc:
        """Returns the calibration photos.

        Raises:
            ConversionError: there are none, which would leave the ranges to chance.
        """
        if self.calibration_nhwc is None or not len(self.calibration_nhwc):
            raise ConversionError("static int8 needs calibration photos, and none were given")
        return self.calibration_nhwc


# What a converter gives for each variant, in turn, once its file is written.
Made = Iterator[tuple[Variant, Interface]]
