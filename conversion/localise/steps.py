"""Where does an artifact leave the network that it was made of?

The scheme, which needs no names to agree:

1. Layers are paired by their weights. A convolution keeps its weights in every format, whatever
   the converter called it, fused into it or put before it; of the layers of one shape, the
   pairs with the most similar weights are taken first.
2. A pair gives up to two values that both sides have: what goes into the layer before padding,
   and what comes out after the activation that directly follows. These inputs also cover what
   lies between layers: pixel normalisation, concatenations, sums, squeeze-and-excite products.
   The probabilities are one more.
3. Each value is compared twice. "Own" noise: the network computes the value from the artifact's
   own values just before it, so that only the error of this one step counts; noise that merely
   arrives is not blamed on it. "Total" noise: against the network's value for the photo.
   Of a layer whose products cancel out, the signal is that of the products: their rounding
   does not cancel.
4. A step leaves the network if its own signal-to-noise ratio is below what its precision gives
   (`EXPECTED_DB`), if one of its channels is scaled (`_find_scaled_channel`), or if it makes
   numbers that are not finite out of finite ones.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.artifact import artifact_bytes
from conversion.errors import ArtifactError
from conversion.localise.reference import Reference
from conversion.localise.trace import Floats, Trace, TracedLayer
from conversion.runners import open_runner
from conversion.variants import Variant
from training.checkpoint import Checkpoint
from training.files import sha256_bytes

# Smallest own signal-to-noise ratio of a step, in dB. Measured on artifacts that answer like
# their network (`python -m conversion localise`, width 0.5 at 64 pixels and 1.0 at 224), the
# smallest of any step: fp32 117, fp16 64, dynamic-int8 32, int8-weights 42, palette8 45,
# palette6 30, and int8 24, but 11 in a squeeze-and-excite gate that 32 calibration photos had
# not shown in full. A padding moved by one pixel gives 1, in every precision.
EXPECTED_DB = {
    "fp32": 90.0,
    "fp16": 50.0,
    "int8": 8.0,
    "dynamic-int8": 20.0,
    "int8-weights": 32.0,
    "palette8": 32.0,
    "palette6": 20.0,
}
# Ratios beyond this are given as this: equal values, and values that are not finite.
LIMIT_DB = 200.0
# A channel counts as scaled if its gain is off by a quarter and its noise stands 20 dB out:
# a channel whose largest values are cut off by calibration was measured with a gain of 0.82.
_GAIN_TOLERANCE = 0.25
_OUTSTANDING = 100.0
# Channels with less than this share of the mean channel's signal are not judged: a ReLU leaves
# some of them alive at a few places only, where rounding decides. Nor are they with so few values.
_LIVE = 0.1
_MIN_VALUES = 64
# Values that reach less than this share of the network's were probably cut off by calibration.
_CUT_OFF = 0.9
# Layers with less similar weights than this, at the median, are another network's.
_MIN_SIMILARITY = 0.5
# Largest difference of a probability between the evaluation here and the runtime. Whole numbers
# may be rounded the other way, and dynamic ranges are found in other ways: 0.13 was measured.
_RUNTIME_TOLERANCE = {"fp32": 1e-3, "fp16": 0.02}
_INT8_RUNTIME_TOLERANCE = 0.25


@dataclass(frozen=True)
class Step:
    """One value that both sides have.

    Attributes:
        layer: what it is called in the network.
        tensor: what it is called in the artifact.
        own_db: signal-to-noise ratio of this step alone.
        total_db: signal-to-noise ratio of everything up to here.
        fault: why the step leaves the network, in words; empty if it does not.
    """

    layer: str
    tensor: str
    own_db: float
    total_db: float
    fault: str


@dataclass(frozen=True)
class Localisation:
    """What the search found.

    Attributes:
        artifact: file name.
        artifact_sha256: of `conversion.artifact.artifact_bytes`.
        checkpoint_sha256: what it was held against.
        evaluator: what computed the artifact's values.
        photos: how many photos.
        expected_db: smallest own ratio of a faithful step of this precision.
        steps: every value compared, in order of execution.
        runtime: the runtime that the evaluation was held against.
        runtime_difference: largest difference of a probability between the two; None where the
            evaluation's are not finite, which a runtime refuses.
        runtime_tolerance: largest such difference of this precision.
        unmatched: layers that only one side has, in words.
    """

    artifact: str
    artifact_sha256: str
    checkpoint_sha256: str
    evaluator: str
    photos: int
    expected_db: float
    steps: tuple[Step, ...]
    runtime: str
    runtime_difference: float | None
    runtime_tolerance: float
    unmatched: tuple[str, ...]

    @property
    def first(self) -> Step | None:
        """The first step that leaves the network."""
        return next((step for step in self.steps if step.fault), None)

    @property
    def ranked(self) -> tuple[Step, ...]:
        """The steps, worst first."""
        return tuple(sorted(self.steps, key=lambda step: (not step.fault, step.own_db)))

    def reasons(self) -> list[str]:
        """Returns why the artifact is not the network, in words; empty if it is."""
        found = [f"{entry} has no counterpart" for entry in self.unmatched]
        if self.first is not None:
            first = self.first
            found.append(f"first leaves at {first.layer} ({first.tensor}): {first.fault}")
        difference = self.runtime_difference
        if difference is not None and not difference <= self.runtime_tolerance:
            found.append(
                f"{self.runtime} gives other probabilities than {self.evaluator}, by up to "
                f"{difference:.2g}: what was found is not of the file as it runs"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns a JSON object, with the steps in order of execution."""
        first = asdict(self.first) if self.first is not None else None
        return asdict(self) | {"first": first, "reasons": self.reasons()}


def localise(
    path: Path, variant: Variant, checkpoint: Checkpoint, x_nhwc: npt.NDArray[np.uint8]
) -> Localisation:
    """Looks for the first step at which an artifact leaves the network.

    Args:
        path: the artifact.
        variant: what it is.
        checkpoint: what it should be; its own mean and deviation count.
        x_nhwc: preprocessed photos, uint8, shape [N, side, side, 3]; a few are enough.

    Raises:
        ArtifactError: it is damaged, of another network, or cannot be looked into.
        RuntimeMissingError: its runtime is not installed.
    """
    reference = Reference(checkpoint)
    runner = open_runner(path, variant.runtime)
    trace = _tracer(variant.runtime)(path, x_nhwc)
    answers = trace.values[trace.answer]
    difference = None
    if np.isfinite(answers).all():
        difference = float(np.abs(runner.answer(x_nhwc).probabilities - answers).max())
    pairs, unmatched = match_layers(reference.layers, trace.layers)
    x_nchw = np.ascontiguousarray(x_nhwc.transpose(0, 3, 1, 2), np.float32)
    expected_db = EXPECTED_DB[variant.precision]
    return Localisation(
        path.name,
        sha256_bytes(artifact_bytes(path)),
        checkpoint.sha256,
        trace.evaluator,
        len(x_nhwc),
        expected_db,
        _compare(reference, trace, pairs, x_nchw, expected_db),
        runner.evaluator,
        difference,
        _RUNTIME_TOLERANCE.get(variant.precision, _INT8_RUNTIME_TOLERANCE),
        tuple(unmatched),
    )


def match_layers(
    wanted: tuple[TracedLayer, ...], own: tuple[TracedLayer, ...]
) -> tuple[list[tuple[TracedLayer, TracedLayer]], list[str]]:
    """Pairs layers of one shape by their weights, the most similar ones first.

    Args:
        wanted: the network's.
        own: the artifact's.

    Returns:
        Pairs in the network's order, and the layers that are left over, in words.

    Raises:
        ArtifactError: the weights are not those of this network.
    """
    similar = [
        # In few digits: rounding must not order the two sums of a known score.
        (round(_similarity(first.weight, second.weight), 5), -index, -place)
        for index, first in enumerate(wanted)
        for place, second in enumerate(own)
        if first.weight.shape == second.weight.shape
    ]
    chosen: dict[int, int] = {}
    scores = []
    # Of equally similar ones the first in both orders, so indices are negative here.
    for score, index, place in sorted(similar, reverse=True):
        if -index not in chosen and -place not in chosen.values():
            chosen[-index] = -place
            scores.append(score)
    if not scores or np.median(scores) < _MIN_SIMILARITY:
        raise ArtifactError(
            f"{len(scores)} of {len(wanted)} layers have a counterpart of their shape, and their "
            "weights are others: the artifact was made of another network"
        )
    unmatched = [f"layer {wanted[i].name}" for i in range(len(wanted)) if i not in chosen]
    taken = set(chosen.values())
    unmatched += [f"the artifact's {own[i].name}" for i in range(len(own)) if i not in taken]
    return [(wanted[index], own[chosen[index]]) for index in sorted(chosen)], unmatched


def _similarity(first: Floats, second: Floats) -> float:
    """Returns the cosine of the angle between two weights, 0 where one is all zeros."""
    with np.errstate(all="ignore"):
        norms = float(np.linalg.norm(first) * np.linalg.norm(second))
        cosine = float(np.vdot(first, second)) / norms if norms else 0.0
    return cosine if np.isfinite(cosine) else 0.0


def _compare(
    reference: Reference,
    trace: Trace,
    pairs: list[tuple[TracedLayer, TracedLayer]],
    x_nchw: Floats,
    expected_db: float,
) -> tuple[Step, ...]:
    """Compares every value that both sides have, in the network's order."""
    counterparts = {
        reference.answer: trace.answer,
        reference.known_score: trace.known_score,
    }
    for wanted, own in pairs:
        counterparts[wanted.result] = own.result
    for wanted, own in pairs:  # a value that is another layer's result is compared as that
        counterparts.setdefault(wanted.source, own.source)
    total, _ = reference.run(x_nchw, {})
    values, steps, names = {}, [], reference.names
    misfits = {}
    for key, counterpart in counterparts.items():
        value = trace.values[counterpart]
        if value.size == total[key].size:
            values[key] = value.reshape(total[key].shape)
        else:
            misfits[key] = f"its shape is {list(value.shape)}, not {list(total[key].shape)}"
    alone, terms = reference.run(x_nchw, values)
    for key in reference.compared:
        if key not in counterparts:
            continue
        own_db, total_db, fault = -LIMIT_DB, -LIMIT_DB, misfits.get(key, "")
        if key in values:
            own_db = signal_to_noise_db(alone[key], values[key], terms.get(key, 0))
            total_db = signal_to_noise_db(total[key], values[key])
            fault = find_fault(alone[key], values[key], own_db, expected_db)
        tensor = trace.names[counterparts[key]]
        steps.append(Step(names[key], tensor, own_db, total_db, fault))
    return tuple(steps)


def signal_to_noise_db(wanted: Floats, own: Floats, least_signal: float = 0.0) -> float:
    """Returns 10 log10(|wanted|^2 / |wanted - own|^2), within `LIMIT_DB` either way.

    Where the two hold a number that is not finite, the ratio is the lowest.

    Args:
        wanted: the signal.
        own: the signal with noise.
        least_signal: smallest sum of squares that the signal counts as.
    """
    if not np.isfinite(wanted).all() or not np.isfinite(own).all():
        return -LIMIT_DB
    signal = max(float(np.square(wanted, dtype=np.float64).sum()), least_signal)
    noise = float(np.square(np.subtract(wanted, own, dtype=np.float64)).sum())
    if noise == 0:
        return LIMIT_DB
    return float(np.clip(10 * np.log10(max(signal, 1e-300) / noise), -LIMIT_DB, LIMIT_DB))


def find_fault(wanted: Floats, own: Floats, own_db: float, expected_db: float) -> str:
    """Returns why a step leaves the network, in words; empty if it does not.

    Args:
        wanted: what the network makes of the artifact's values before the step.
        own: what the artifact makes of them.
        own_db: signal-to-noise ratio of the two.
        expected_db: smallest ratio that passes.
    """
    if not np.isfinite(wanted).all():
        return ""  # numbers that were not finite before this step are not its fault
    broken = int(own.size - np.isfinite(own).sum())
    if broken:
        return (
            f"{broken} of {own.size} values are not finite; the network's reach "
            f"{np.abs(wanted).max():.3g}"
        )
    scaled = _find_scaled_channel(wanted, own)
    if own_db >= expected_db and not scaled:
        return ""
    reason = f"own signal-to-noise ratio {own_db:.1f} dB, at least {expected_db:.0f} expected"
    reach, wanted_reach = float(np.abs(own).max()), float(np.abs(wanted).max())
    if reach < _CUT_OFF * wanted_reach:
        reason += f"; it reaches {reach:.3g}, the network's {wanted_reach:.3g}"
    return f"{scaled}; {reason}" if scaled else reason


def _find_scaled_channel(wanted: Floats, own: Floats) -> str:
    """Returns which channel is scaled, in words; empty if none is.

    Rounding leaves a channel's gain at 1 and spreads its noise evenly over the channels, as
    they share their scale or their number of bits. So one channel of which the noise stands out
    while its gain, by least squares, is off, was multiplied by something.
    """
    if wanted.ndim < 2 or wanted[:, 0].size < _MIN_VALUES:
        return ""
    axes = tuple(axis for axis in range(wanted.ndim) if axis != 1)
    first, second = wanted.astype(np.float64), own.astype(np.float64)
    signal = np.square(first).sum(axes)
    live = np.flatnonzero(signal > _LIVE * signal.mean())
    noise = np.square(first - second).sum(axes)
    gains = (first * second).sum(axes)[live] / signal[live]
    outstanding = noise[live] > _OUTSTANDING * np.median(noise[live])
    scaled = live[outstanding & (np.abs(gains - 1) > _GAIN_TOLERANCE)]
    if not len(scaled):
        return ""
    worst = scaled[noise[scaled].argmax()]
    others = f" and {len(scaled) - 1} more" if len(scaled) > 1 else ""
    return f"channel {worst}{others} is multiplied by {gains[live == worst][0]:.3g}"


def _tracer(runtime: str) -> Callable[[Path, npt.NDArray[np.uint8]], Trace]:
    """Returns what looks into a format; each needs its own packages."""
    if runtime == "litert":
        from conversion.localise.litert import trace_litert

        return trace_litert
    if runtime == "executorch":
        from conversion.localise.pte import trace_executorch

        return trace_executorch
    from conversion.localise.mil import trace_core_ml

    return trace_core_ml
