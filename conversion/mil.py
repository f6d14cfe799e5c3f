"""MIL reference evaluation: runs an `.mlpackage` where Core ML itself cannot run.

The saved package is read from disk and evaluated op by op. Every op computes in float32 and its
result is rounded to the type that the program declares, so that a float16 program gives what
float16 storage between ops gives. It is not Core ML: a device may sum in another order, or in
float16 inside an op.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conversion.deploy import one_thread
from conversion.errors import ArtifactError, UnknownOpError
from conversion.mil_ops import DTYPES, OPS
from conversion.mil_package import Operation, Package, Reference, read_package

# Sees the name and the rounded result of every op.
Watch = Callable[[str, Tensor], None]


class MilProgram:
    """An image classifier's MIL program.

    Attributes:
        labels: class names, in output order, from the `classify` op.
        side_px: side of the square input, in pixels.
    """

    def __init__(self, package: Package) -> None:
        """Prepares a package.

        Raises:
            ArtifactError: the program does not end in one `classify` op.
            UnknownOpError: names the op that is not known.
        """
        self.package = package
        self.side_px = package.side_px
        *steps, last = package.operations
        if last.kind != "classify":
            raise ArtifactError(f"the MIL program ends in {last.kind!r}, not in 'classify'")
        unknown = sorted({step.kind for step in steps} - set(OPS))
        if unknown:
            raise UnknownOpError(
                f"unknown MIL op {', '.join(unknown)}: known are {', '.join(OPS)}, classify"
            )
        # `tensor_operation.classify`: probabilities, and the class names in their order.
        self.labels = tuple(str(name) for name in last.inputs["classes"])
        self._result = last.inputs["probabilities"].name
        self._steps = [(step, _prepare(step.inputs)) for step in steps]
        self._last_use = _find_last_uses(steps, self._result)

    @classmethod
    def from_path(cls, path: Path) -> "MilProgram":
        """Reads a package from disk; see `conversion.mil_package.read_package`."""
        return cls(read_package(path))

    def run(self, x_hwc: npt.NDArray[np.uint8], watch: Watch | None = None) -> Tensor:
        """Answers for one photo.

        Args:
            x_hwc: uint8, shape [side_px, side_px, 3], RGB. It is given to the program in the
                colour order that the package declares.
            watch: called after every op.

        Returns:
            float32 probabilities, shape [classes].
        """
        pixels = x_hwc if self.package.colour_order == "RGB" else x_hwc[..., ::-1]
        x_nchw = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
        values = {self.package.input_name: x_nchw}
        with torch.inference_mode(), one_thread():
            for index, (step, inputs) in enumerate(self._steps):
                result = _run_step(step, inputs, values)
                values[step.output] = result
                if watch is not None:
                    watch(step.output, result)
                for name in self._last_use.get(index, ()):
                    values.pop(name, None)
            return values[self._result].float().reshape(-1)


def _run_step(step: Operation, inputs: dict[str, Any], values: dict[str, Tensor]) -> Tensor:
    try:
        result = OPS[step.kind]({name: _resolve(item, values) for name, item in inputs.items()})
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ArtifactError(f"MIL op {step.kind} ({step.output}) cannot run: {error}") from error
    if step.dtype not in DTYPES:
        raise UnknownOpError(f"MIL op {step.kind} ({step.output}): neither fp16 nor fp32")
    return result.to(DTYPES[step.dtype])


def _resolve(item: Any, values: dict[str, Tensor]) -> Any:
    if isinstance(item, Reference):
        return values[item.name]
    if isinstance(item, list):
        return [_resolve(part, values) for part in item]
    return item


def _prepare(inputs: dict[str, Any]) -> dict[str, Any]:
    """Turns constant arrays of floats into float32 tensors once: the values stay the same."""
    return {
        name: torch.from_numpy(value.astype(np.float32))
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
        for name, value in inputs.items()
    }


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
