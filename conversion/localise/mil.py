"""The values inside of an `.mlpackage`, from our evaluation of its MIL program."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.artifact import KNOWN_SCORE
from conversion.deploy import one_thread
from conversion.errors import ArtifactError
from conversion.localise.trace import Floats, Trace, TracedLayer, follow
from conversion.mil.evaluator import MilProgram
from conversion.mil.package import Operation, Reference

_LAYERS = ("conv", "linear")
_PADS = ("pad",)
# Ops that work on each element alone, if all their inputs but one are constants.
_ELEMENTWISE = {
    "add",
    "cast",
    "clip",
    "maximum",
    "minimum",
    "mul",
    "real_div",
    "relu",
    "relu6",
    "sigmoid",
    "sigmoid_hard",
    "sub",
}


def trace_core_ml(path: Path, x_nhwc: npt.NDArray[np.uint8]) -> Trace:
    """Evaluates a package op by op.

    Args:
        path: the package.
        x_nhwc: uint8 photos, shape [N, side, side, 3].

    Raises:
        ArtifactError: it is damaged, or cannot run.
    """
    program = MilProgram.from_path(path)
    operations = program.package.operations
    layers = {op.output: _ends(op, operations) for op in operations if op.kind in _LAYERS}
    answer = _name_of(operations[-1].inputs["probabilities"])
    wanted = {key for ends in layers.values() for key in ends} | {answer, KNOWN_SCORE}
    weights: dict[str, Floats] = {}
    parts = np.split(x_nhwc, len(x_nhwc)) if program.single else [x_nhwc]
    with one_thread():
        rows = [_run(program, part, wanted, weights) for part in parts]
    missing = sorted(wanted - set(rows[0]))
    if missing or not layers:
        raise ArtifactError(f"{path}: it has {len(layers)} layers, and no op gives {missing}")
    return Trace(
        "MIL reference evaluation",
        tuple(
            TracedLayer(result, weights[output], source, result)
            for output, (source, result) in layers.items()
        ),
        {key: np.concatenate([row[key] for row in rows]) for key in wanted},
        {key: key for key in wanted},
        answer,
        KNOWN_SCORE,
    )


def _run(
    program: MilProgram,
    x_nhwc: npt.NDArray[np.uint8],
    wanted: set[str],
    weights: dict[str, Floats],
) -> dict[str, Floats]:
    """Returns the wanted values, and puts in the weights of the layers on the way."""
    row: dict[str, Floats] = {}
    for step in program.steps(x_nhwc):
        for result, value in zip(step.operation.results, step.results, strict=True):
            if result.name in wanted:
                row[result.name] = value.float().numpy()
        if step.operation.kind in _LAYERS:
            weight = np.asarray(step.inputs["weight"], np.float32)
            weights[step.operation.output] = weight.reshape(*weight.shape, *[1] * (4 - weight.ndim))
    return row


def _ends(operation: Operation, operations: tuple[Operation, ...]) -> tuple[str, str]:
    """Returns the value before the padding of a layer, and the one that the layer ends in."""
    makers = {result.name: other for other in operations for result in other.results}
    readers: dict[str, list[str]] = {}
    for other in operations:
        computed = _references(list(other.inputs.values()))
        passes = other.kind in _ELEMENTWISE and len(computed) == 1
        for name in computed:
            readers.setdefault(name, []).append(other.output if passes else "")
    source = _name_of(operation.inputs["x"])
    while source in makers and makers[source].kind in _PADS:
        source = _name_of(makers[source].inputs["x"])
    return source, follow(operation.output, readers)


def _name_of(value: Any) -> str:
    if not isinstance(value, Reference):
        raise ArtifactError("a layer of the MIL program takes a constant for a photo's values")
    return value.name


def _references(value: Any) -> list[str]:
    if isinstance(value, Reference):
        return [value.name]
    return [name for part in value for name in _references(part)] if isinstance(value, list) else []
