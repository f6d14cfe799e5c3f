"""MIL reference evaluation: runs an `.mlpackage` where Core ML itself cannot run.

The saved package is read from disk and evaluated op by op. Every op computes in float32 and its
result is rounded to the type that the program declares, so that a float16 program gives what
float16 storage between ops gives. It is not Core ML: a device may sum in another order, or in
float16 inside an op.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conversion.artifact import KNOWN_SCORE
from conversion.deploy import one_thread
from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil import constexpr as mil_constexpr
from conversion.mil.arguments import DTYPES, Arguments
from conversion.mil.batch import free_first_dimension
from conversion.mil.ops import NAMES, OPS, SPLIT_OPS
from conversion.mil.package import Operation, Package, Reference, Result, read_package
from training.answers import Answers

# Sees the name and the rounded result of every op, all photos of the batch in it.
Watch = Callable[[str, Tensor], None]


@dataclass(frozen=True)
class Step:
    """One op that was just computed.

    Attributes:
        operation: the op.
        inputs: what it was given.
        results: what it gave, in the order of `operation.results`.
    """

    operation: Operation
    inputs: Arguments
    results: tuple[Tensor, ...]


class MilProgram:
    """An image classifier's MIL program.

    Attributes:
        package: what was read.
        labels: class names, in output order, from the `classify` op.
        side_px: side of the square input, in pixels.
        single: why the program takes one photo at a time; "" where it takes any number.
    """

    def __init__(self, package: Package) -> None:
        """Prepares a package: compressed weights are computed here, once.

        Raises:
            ArtifactError: the program does not end in one `classify` op, or its weights do not
                fit.
            UnknownOpError: names the op that is not known.
        """
        self.package = package
        self.side_px = package.side_px
        *all_steps, last = package.operations
        if last.kind != "classify" or not {"classes", "probabilities"} <= set(last.inputs):
            raise ArtifactError(f"the MIL program ends in {last.kind!r}, not in 'classify'")
        steps = [step for step in all_steps if not step.kind.startswith(mil_constexpr.PREFIX)]
        _check_known(steps)
        # `tensor_operation.classify`: probabilities, and the class names in their order.
        self.labels = tuple(str(name) for name in last.inputs["classes"])
        self._result = last.inputs["probabilities"].name
        weights = mil_constexpr.decompress(package.operations)
        # After this, references are to values of the photo alone.
        steps = [_put_in(step, weights) for step in steps]
        shape = (1, 3, self.side_px, self.side_px)
        steps, self.single = free_first_dimension(steps, package.input_name, shape)
        self._steps = [(step, _prepare(step.inputs)) for step in steps]
        self._last_use = _find_last_uses(steps, self._result)

    @classmethod
    def from_path(cls, path: Path) -> "MilProgram":
        """Reads a package from disk; see `conversion.mil.package.read_package`."""
        return cls(read_package(path))

    def answer(self, x_nhwc: npt.NDArray[np.uint8]) -> Answers:
        """Answers for photos, all of them in one pass; see `run`.

        Raises:
            ArtifactError: as `run`; or the program gives no known score.
            UnknownOpError: as `run`.
        """
        found = self._compute(x_nhwc, KNOWN_SCORE)
        if KNOWN_SCORE not in found or found[KNOWN_SCORE].numel() != len(x_nhwc):
            raise ArtifactError(f"the MIL program does not give one {KNOWN_SCORE} a photo")
        scores = found[KNOWN_SCORE].reshape(len(x_nhwc)).numpy()
        return Answers(self._to_rows(found, len(x_nhwc)), scores)

    def run(
        self, x_nhwc: npt.NDArray[np.uint8], watch: Watch | None = None
    ) -> npt.NDArray[np.float32]:
        """Gives probabilities for photos, all of them in one pass.

        Args:
            x_nhwc: uint8, shape [N, side_px, side_px, 3], RGB. It is given to the program in the
                colour order that the package declares. N is 1 where `single` says why.
            watch: called after every op, for each of its results.

        Returns:
            float32 probabilities, shape [N, classes].

        Raises:
            ArtifactError: the shape is another, or the program cannot run.
            UnknownOpError: it uses a form of an op that is not known.
        """
        return self._to_rows(self._compute(x_nhwc, watch=watch), len(x_nhwc))

    def _compute(
        self, x_nhwc: npt.NDArray[np.uint8], *wanted: str, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """Runs the program; returns the probabilities and what else is wanted of it, by name."""
        found: dict[str, Tensor] = {}
        with one_thread():
            for step in self.steps(x_nhwc):
                for result, value in zip(step.operation.results, step.results, strict=True):
                    if watch is not None:
                        watch(result.name, value)
                    if result.name in (self._result, *wanted):
                        found[result.name] = value.float()
        return found

    def _to_rows(self, found: dict[str, Tensor], photos: int) -> npt.NDArray[np.float32]:
        rows = found.get(self._result)
        if rows is None or rows.numel() != photos * len(self.labels):
            raise ArtifactError("the MIL program does not give one probability a class")
        return rows.reshape(photos, len(self.labels)).numpy()

    def steps(self, x_nhwc: npt.NDArray[np.uint8], rounded: bool = True) -> Iterator[Step]:
        """Computes the ops one by one, in the program's order.

        Args:
            x_nhwc: see `run`.
            rounded: round every result to its declared type; else those that are declared as
                floats stay in float32, which shows magnitudes that float16 cannot hold.

        Yields:
            Each op, when it has been computed.

        Raises:
            ArtifactError, UnknownOpError: see `run`.
        """
        photos = self._check_photos(x_nhwc)
        pixels = x_nhwc if self.package.colour_order == "RGB" else x_nhwc[..., ::-1]
        x_nchw = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32, order="C"))
        values = {self.package.input_name: x_nchw}
        for index, (operation, inputs) in enumerate(self._steps):
            with torch.inference_mode():
                step = _run_step(operation, inputs, values, photos, rounded)
            for result, value in zip(operation.results, step.results, strict=True):
                values[result.name] = value
            yield step
            for name in self._last_use.get(index, ()):
                values.pop(name, None)

    def _check_photos(self, x_nhwc: npt.NDArray[np.uint8]) -> int:
        if x_nhwc.ndim != 4 or x_nhwc.shape[1:] != (self.side_px, self.side_px, 3):
            raise ArtifactError(
                f"photos are {x_nhwc.shape}: [N, {self.side_px}, {self.side_px}, 3] is expected"
            )
        if self.single and len(x_nhwc) != 1:
            raise ArtifactError(f"the MIL program takes one photo at a time: {self.single}")
        return len(x_nhwc)


def _check_known(steps: list[Operation]) -> None:
    unknown = sorted({step.kind for step in steps} - set(NAMES))
    if unknown:
        known = ", ".join((*NAMES, *mil_constexpr.OPS, "classify"))
        raise UnknownOpError(f"unknown MIL op {', '.join(unknown)}: known are {known}")
    for step in steps:
        if any(result.dtype not in DTYPES for result in step.results):
            raise UnknownOpError(
                f"MIL op {step.kind} ({step.output}): a result of a type that is not known; "
                f"known are {', '.join(DTYPES)}"
            )


def _run_step(
    operation: Operation,
    prepared: dict[str, Any],
    values: dict[str, Tensor],
    photos: int,
    rounded: bool,
) -> Step:
    where = f"MIL op {operation.kind} ({operation.output})"
    try:
        inputs = {name: _resolve(item, values) for name, item in prepared.items()}
        if operation.kind in SPLIT_OPS:
            results = SPLIT_OPS[operation.kind](inputs)
        else:
            results = [OPS[operation.kind](inputs)]
    except UnknownOpError:
        raise
    except (ArtifactError, KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(f"{where} cannot run: {error}") from error
    if len(results) != len(operation.results):
        raise ArtifactError(f"{where} gives {len(results)} results, not {len(operation.results)}")
    declared = zip(operation.results, results, strict=True)
    return Step(
        operation,
        inputs,
        tuple(_declare(result, value, photos, rounded, where) for result, value in declared),
    )


def _declare(result: Result, value: Tensor, photos: int, rounded: bool, where: str) -> Tensor:
    """Brings a result to its declared type, and checks that it has its declared shape."""
    if result.shape is not None:
        wanted = (photos, *result.shape[1:]) if photos > 1 else result.shape
        if len(wanted) != value.dim() or any(
            size not in (-1, there) for size, there in zip(wanted, value.shape, strict=True)
        ):
            raise ArtifactError(f"{where} gives shape {tuple(value.shape)}, not {wanted}")
    dtype = DTYPES[result.dtype]
    return value.to(torch.float32 if dtype == torch.float16 and not rounded else dtype)


def _resolve(item: Any, values: dict[str, Tensor]) -> Any:
    if isinstance(item, Reference):
        return values[item.name]
    if isinstance(item, list):
        return [_resolve(part, values) for part in item]
    return item


def _put_in(step: Operation, weights: dict[str, npt.NDArray[Any]]) -> Operation:
    """Returns an op with the values of the weights that it refers to."""
    inputs = {
        name: weights.get(item.name, item) if isinstance(item, Reference) else item
        for name, item in step.inputs.items()
    }
    return Operation(step.kind, inputs, step.results)


def _prepare(inputs: dict[str, Any]) -> dict[str, Any]:
    """Turns constant arrays into tensors once: the values stay the same."""
    return {
        name: _to_tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
    }


def _to_tensor(array: npt.NDArray[Any]) -> Tensor:
    wide = {"f": np.float32, "b": np.bool_}.get(array.dtype.kind, np.int64)
    return torch.from_numpy(array.astype(wide))


def _find_last_uses(steps: list[Operation], result: str) -> dict[int, list[str]]:
    """Returns which values no later op needs, by the index of the op after which that is so."""
    last: dict[str, int] = {}
    for index, step in enumerate(steps):
        for value in step.inputs.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Reference):
                    last[item.name] = index
    freed: dict[int, list[str]] = {}
    for name, index in last.items():
        if name != result:
            freed.setdefault(index, []).append(name)
    return freed
