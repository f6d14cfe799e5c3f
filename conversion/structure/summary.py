"""What really stands in an artifact: its ops, their types, and what a phone needs to run it.

Read from the bytes of the file itself, never from its name: a public "int8" MobileNetV3 held
only float32. Importing this file takes neither torch nor any runtime.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conversion.artifact import RUNTIMES
from conversion.errors import ArtifactError
from training.files import sha256_bytes


@dataclass(frozen=True)
class Feature:
    """An input or an output.

    Attributes:
        name: as the file has it; empty where the format names none.
        dtype: e.g. "float32", "image RGB".
        shape: sizes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """What stands in one artifact.

    Weights are its constants of two dimensions or more, in a float type or one of at most
    8 bits: biases and shapes are not counted. Activations are the values that ops compute for
    one photo.

    Attributes:
        runtime: one of `RUNTIMES`.
        size_bytes: of all files together.
        inputs: what goes in.
        outputs: what comes out.
        ops: kind -> how many, constants left out. Of a `.pte`: of the graph inside the delegate.
        outside_ops: kernels of a `.pte` that no delegate runs, kind -> how many.
        backends: names of the delegates in the file; empty where the device chooses.
        delegated_share: share of ops inside of delegates; None where the file names no
            delegate, or holds one whose ops cannot be counted beside kernels outside.
        weights: type -> number of values: "float32", "float16", "int8", "palette6" …
        activations: type -> number of values.
        compression: how weights are stored, in words.
        schema: version of the file format.
        minimum_runtime: oldest runtime that runs it.
        minimum_systems: system -> oldest version.
        preprocess_sha256: see `preprocess_sha256`; empty where the file does not state it.
        notes: where the minimum versions come from, and what could not be read.
    """

    runtime: str
    size_bytes: int
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    ops: dict[str, int]
    outside_ops: dict[str, int]
    backends: tuple[str, ...]
    delegated_share: float | None
    weights: dict[str, int]
    activations: dict[str, int]
    compression: str
    schema: str
    minimum_runtime: str
    minimum_systems: dict[str, str]
    preprocess_sha256: str = ""
    notes: tuple[str, ...] = field(default=())

    def weight_share(self, *kinds: str) -> float:
        """Returns which share of weight values is of these types; 0 if there are none."""
        return _share(self.weights, kinds)

    def activation_share(self, *kinds: str) -> float:
        """Returns which share of activation values is of these types; 0 if there are none."""
        return _share(self.activations, kinds)

    @property
    def weight_bits(self) -> float:
        """Mean bits of a weight value, tables and scales not counted; 0 if there are none."""
        total = sum(self.weights.values())
        bits = sum(_bits(kind) * count for kind, count in self.weights.items())
        return bits / total if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns a JSON object, shares included so that a reader need not compute them."""
        return asdict(self) | {
            "int8_weight_share": self.weight_share(*INT8),
            "int8_activation_share": self.activation_share(*INT8),
            "weight_bits": self.weight_bits,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Structure":
        """Reads what `to_json` wrote.

        Raises:
            ArtifactError: it is not a structure.
        """
        derived = {"int8_weight_share", "int8_activation_share", "weight_bits"}
        try:
            fields = {name: item for name, item in value.items() if name not in derived}
            for name in ("inputs", "outputs"):
                fields[name] = tuple(
                    Feature(**{**entry, "shape": tuple(entry["shape"])}) for entry in fields[name]
                )
            for name in ("backends", "notes"):
                fields[name] = tuple(fields[name])
            return cls(**fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"not the structure of an artifact: {error!r}") from error


# 8-bit whole numbers, signed or not: what int8 kernels take.
INT8 = ("int8", "uint8")
FLOATS = ("float32", "float16", "bfloat16")
# A claim holds for a file that keeps at least this share of weight values in the type claimed.
# Measured (`python -m conversion inspect`, widths 0.5 to 1.0): at least 0.97; what is left in
# float are layers too small to gain by compression. A file of float weights has 0.
MIN_WEIGHT_SHARE = 0.9
# The same of activation values, for static int8. Measured: 0.95 to 1.0 with everything in int8, and
# 0.77 to 0.82 where pixel scaling and the first bottleneck, whose pictures are the largest, stay
# in float. A file that computes in float has 0.
MIN_ACTIVATION_SHARE = 0.6


@dataclass(frozen=True)
class Claim:
    """What a precision promises.

    Attributes:
        weights: the types that weights may have.
        activations: the types that activations may have.
    """

    weights: tuple[str, ...]
    activations: tuple[str, ...]


_CLAIMS = {
    "fp32": Claim(("float32",), ("float32",)),
    "int8": Claim(INT8, INT8),
    "dynamic-int8": Claim(INT8, ("float32", "float16")),
    "int8-weights": Claim(INT8, ("float16",)),
    "palette8": Claim(("palette8",), ("float16",)),
    "palette6": Claim(("palette6",), ("float16",)),
}
# float16 is a way to store weights in LiteRT, which computes in float32; Core ML computes in it.
_FP16 = {
    "litert": Claim(("float16",), ("float32",)),
    "coreml": Claim(("float16",), ("float16",)),
    "executorch": Claim(("float16",), ("float16",)),
}


def preprocess_sha256(preprocess: dict[str, Any]) -> str:
    """Names a preprocessing: the SHA-256 of its JSON, keys sorted.

    Args:
        preprocess: what `training.preprocess.Preprocess.to_json` returns.
    """
    return sha256_bytes(json.dumps(preprocess, sort_keys=True).encode())


def inspect(path: Path, runtime: str) -> Structure:
    """Reads an artifact.

    Args:
        path: the file, or the `.mlpackage` folder.
        runtime: one of `RUNTIMES`.

    Raises:
        ArtifactError: it is missing, damaged, or of another format; or there is no such runtime.
    """
    readers: dict[str, Callable[[Path], Structure]] = {
        "litert": _inspect_litert,
        "executorch": _inspect_executorch,
        "coreml": _inspect_core_ml,
    }
    if runtime not in readers:
        raise ArtifactError(f"runtime is {runtime!r}: allowed are {', '.join(RUNTIMES)}")
    return readers[runtime](path)


def faults(structure: Structure, precision: str) -> list[str]:
    """Returns how the file breaks what its precision promises, in words; empty if it keeps it.

    Args:
        structure: of the file.
        precision: see `conversion.variants.PRECISIONS`.

    Raises:
        ArtifactError: there is no such precision.
    """
    claim = _FP16[structure.runtime] if precision == "fp16" else _CLAIMS.get(precision)
    if claim is None:
        raise ArtifactError(
            f"precision is {precision!r}: allowed are fp16, {', '.join(sorted(_CLAIMS))}"
        )
    found = []
    if not structure.weights and structure.delegated_share != 1.0:
        found.append(f"claims {precision}: it holds no weights")
    if structure.weights:
        found += _check(structure.weights, claim.weights, "weight", precision, MIN_WEIGHT_SHARE)
    if structure.activations:
        kinds = structure.activations
        found += _check(kinds, claim.activations, "activation", precision, MIN_ACTIVATION_SHARE)
    if structure.outside_ops:
        words = ", ".join(f"{count} {kind}" for kind, count in structure.outside_ops.items())
        found.append(f"not all of it runs in {' or '.join(structure.backends)}: {words} outside")
    return found


def _check(
    counts: dict[str, int], allowed: tuple[str, ...], what: str, precision: str, least: float
) -> list[str]:
    share = _share(counts, allowed)
    # A float file has no excuse for a minority of another type; a compressed one has.
    least = 1.0 if precision == "fp32" else least
    if share >= least:
        return []
    others = {kind: count for kind, count in counts.items() if kind not in allowed}
    worst = max(others, key=lambda kind: others[kind])
    return [
        f"claims {precision}: {share:.0%} of {what} values are {' or '.join(allowed)}, at least "
        f"{least:.0%} expected; {_share(counts, (worst,)):.0%} are {worst}"
    ]


def _share(counts: dict[str, int], kinds: tuple[str, ...]) -> float:
    total = sum(counts.values())
    return sum(counts.get(kind, 0) for kind in kinds) / total if total else 0.0


def _bits(kind: str) -> int:
    return int("".join(letter for letter in kind if letter.isdigit()) or 0)


def _inspect_litert(path: Path) -> Structure:
    from conversion.structure.tflite import inspect_tflite

    return inspect_tflite(path)


def _inspect_executorch(path: Path) -> Structure:
    from conversion.structure.pte import inspect_pte

    return inspect_pte(path)


def _inspect_core_ml(path: Path) -> Structure:
    from conversion.structure.mil import inspect_package

    return inspect_package(path)
