"""Where a Core ML program comes near to what float16 can hold, on real photos.

A float16 program is evaluated twice: without rounding, which shows the true magnitude of every
intermediate where float16 would show infinity only, and with it, which shows what breaks. A
device may also add up in float16 inside of an op, so sums are listed beside results.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conversion.deploy import one_thread
from conversion.errors import ParityError
from conversion.mil.arguments import Arguments, to_float, to_ints, to_tensor
from conversion.mil.evaluator import MilProgram, Step
from conversion.mil.ops import OPS

# IEEE 754-2008 binary16: the largest number, and the smallest that keeps all 11 bits.
FP16_MAX = 65504.0
FP16_MIN_NORMAL = 2.0**-14
# What a row speaks of: a result; the largest partial sum that any order of adding can reach; or
# an upper bound of that, the sum of |x| * |weight|, which signs may keep far from being reached.
RESULT, SUM, BOUND = "result", "sum", "bound"
_BATCH = 8
_SUMS = ("avg_pool", "reduce_l2_norm", "reduce_mean", "reduce_sum", "reduce_sum_square")
_SQUARES = ("reduce_l2_norm", "reduce_sum_square")
_BOUNDS = ("conv", "linear", "matmul")

PixelsNhwc = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Hazard:
    """The largest magnitude of one intermediate over all photos.

    Attributes:
        tensor: its name in the program.
        op: kind of the op that gives it.
        place: "result", "sum" or "bound".
        dtype: what the program declares for the result.
        largest: largest magnitude without rounding; may be infinite.
        subnormal_share: share of numbers that are not 0 but too small for all 11 bits of float16.
        breaks: whether the rounded program gives infinities or NaN here.
        first: whether it does though everything that goes in is finite.
    """

    tensor: str
    op: str
    place: str
    dtype: str
    largest: float
    subnormal_share: float
    breaks: bool
    first: bool

    @property
    def headroom(self) -> float:
        """How many times larger it could be in float16; below 1 it cannot be held."""
        return FP16_MAX / self.largest if self.largest else float("inf")

    @property
    def overflows(self) -> bool:
        """Whether float16, where the program declares it, cannot hold this. A bound proves none."""
        too_large = self.dtype == "fp16" and not self.largest <= FP16_MAX
        return self.breaks or (too_large and self.place != BOUND)

    def to_json(self) -> dict[str, Any]:
        """Returns it for JSON, which has no infinity: null stands for it."""
        value = asdict(self) | {"headroom": self.headroom, "overflows": self.overflows}
        return {
            key: None if isinstance(entry, float) and not np.isfinite(entry) else entry
            for key, entry in value.items()
        }


def find_hazards(
    program: MilProgram,
    batches: Iterable[PixelsNhwc],
    with_bounds: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Hazard]:
    """Measures every intermediate of a program over photos.

    Args:
        program: any; results that it declares as float32 are listed too, but cannot overflow.
        batches: uint8, shape [N, side, side, 3] each.
        with_bounds: list upper bounds of the sums inside of convolutions and products too.
        tell: takes lines of progress.

    Returns:
        The worst first.

    Raises:
        ArtifactError: the program cannot run on these photos.
        ParityError: there are no photos.
    """
    tallies: dict[tuple[str, str], _Tally] = {}
    photos = 0
    with one_thread(), torch.inference_mode():
        for batch in batches:
            size = 1 if program.single else _BATCH
            for start in range(0, len(batch), size):
                _measure(program, batch[start : start + size], with_bounds, tallies)
            photos += len(batch)
            tell(f"hazards: {photos} photos")
    if not photos:
        raise ParityError("there are no photos to look for hazards on")
    hazards = [tally.to_hazard() for tally in tallies.values()]
    return sorted(hazards, key=lambda entry: (not entry.overflows, entry.headroom))


@dataclass
class _Tally:
    """A hazard while photos are still being added; see `Hazard`."""

    tensor: str
    op: str
    place: str
    dtype: str
    largest: float = 0.0
    subnormal: int = 0
    count: int = 0
    breaks: bool = False
    first: bool = False

    def add(self, values: Tensor) -> None:
        low, high = map(float, values.aminmax())
        # NaN follows from infinity: what gave it is beyond all bounds.
        largest = float("inf") if np.isnan(high) else max(abs(low), abs(high))
        self.largest = max(self.largest, largest)
        below = torch.count_nonzero(values.abs() < FP16_MIN_NORMAL)
        self.subnormal += int(below) - (values.numel() - int(torch.count_nonzero(values)))
        self.count += values.numel()

    def to_hazard(self) -> Hazard:
        share = self.subnormal / max(1, self.count)
        names = (self.tensor, self.op, self.place, self.dtype)
        return Hazard(*names, self.largest, share, self.breaks, self.first)


def _measure(
    program: MilProgram,
    x_nhwc: PixelsNhwc,
    with_bounds: bool,
    tallies: dict[tuple[str, str], _Tally],
) -> None:
    pairs = zip(program.steps(x_nhwc, rounded=False), program.steps(x_nhwc), strict=True)
    for true, rounded in pairs:
        kind = true.operation.kind
        inner = _inner_values(true, with_bounds)
        for result, value, held in zip(
            true.operation.results, true.results, rounded.results, strict=True
        ):
            if not value.is_floating_point() or not value.numel():
                continue
            for place, values in [(RESULT, value), *inner]:
                key = (result.name, place)
                start = _Tally(result.name, kind, place, result.dtype)
                tallies.setdefault(key, start).add(values.float())
            if not _is_finite(held):
                tally = tallies[result.name, RESULT]
                tally.breaks = True
                tally.first |= _all_finite(rounded.inputs)


def _all_finite(inputs: Arguments) -> bool:
    values = [part for item in inputs.values() for part in (item if _is_list(item) else [item])]
    return all(_is_finite(value) for value in values if isinstance(value, Tensor))


def _is_finite(value: Tensor) -> bool:
    return value.numel() == 0 or bool(np.isfinite([float(end) for end in value.aminmax()]).all())


def _is_list(item: Any) -> bool:
    return isinstance(item, list)


def _inner_values(step: Step, with_bounds: bool) -> list[tuple[str, Tensor]]:
    """Returns what an op adds up before its result is there."""
    if step.operation.kind in _SUMS:
        x = to_float(step.inputs["x"])
        if step.operation.kind in _SQUARES:
            x = x.square()
        # Some order of adding reaches the sum of all positive, or of all negative, numbers.
        sums = [_add_up(step, part) for part in (x.clamp_min(0), x.clamp_max(0))]
        return [(SUM, torch.stack(sums))]
    if with_bounds and step.operation.kind in _BOUNDS:
        inputs = {
            name: to_tensor(value).abs() if name in ("x", "y", "weight", "bias") else value
            for name, value in step.inputs.items()
        }
        return [(BOUND, OPS[step.operation.kind](inputs))]
    return []


def _add_up(step: Step, x: Tensor) -> Tensor:
    inputs = {**step.inputs, "x": x}
    if step.operation.kind != "avg_pool":
        return OPS["reduce_sum"](inputs)
    # A mean that counts the padding too is the sum over the window's size.
    inputs["exclude_padding_from_average"] = False
    height, width = to_ints(step.inputs["kernel_sizes"])
    return OPS["avg_pool"](inputs) * (height * width)
