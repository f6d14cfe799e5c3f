"""Runs artifacts, each in its own runtime. A runtime is imported only when a runner needs it.

Importing this file takes neither torch nor any runtime: `LiteRtRunner` needs ai-edge-litert
alone, `ExecuTorchRunner` executorch and torch, `CoreMlRunner` coremltools (and torch off macOS).
"""

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from conversion.artifact import KNOWN_SCORE, LABELS_NAME, PROBABILITIES, RUNTIMES
from conversion.errors import ArtifactError, RuntimeMissingError
from training.answers import Answers

PixelsNhwc = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_Given = TypeVar("_Given", PixelsNhwc, Floats)
_METADATA_NAME = b"TFLITE_METADATA"
# Photos that the MIL evaluation takes at a time: more of them no longer fit the cores' caches.
_MIL_BATCH = 8
# ExecuTorch's file format: offset of the root table, "ETxx", "eh00", then the sizes of the
# extended header, the program, the space before the segments, and the segments.
_PTE_HEADER = struct.Struct("<I2s2s4sIQQQ")


class Runner(Protocol):
    """Answers with an artifact.

    Attributes:
        evaluator: what runs it, in words for a report.
        packages: the installed packages that take part.
        labels: class names found inside the file; None where the format holds none.
    """

    evaluator: str
    packages: tuple[str, ...]
    labels: tuple[str, ...] | None

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        """Answers for preprocessed photos.

        Args:
            x_nhwc: uint8, shape [N, side, side, 3], RGB.

        Raises:
            ArtifactError: the shape is not the artifact's, or an answer is not finite.
        """
        ...


def open_runner(path: Path, runtime: str) -> Runner:
    """Opens an artifact in its runtime.

    Args:
        path: the file, or the `.mlpackage` folder.
        runtime: one of `RUNTIMES`.

    Raises:
        RuntimeMissingError: the runtime is not installed.
        ArtifactError: the artifact is missing, damaged, or not one image in, one row of
            probabilities and one known score out; or there is no such runtime.
    """
    if runtime == "litert":
        return LiteRtRunner(path)
    if runtime == "executorch":
        return ExecuTorchRunner(path)
    if runtime == "coreml":
        return open_core_ml(path)
    raise ArtifactError(f"runtime is {runtime!r}: allowed are {', '.join(RUNTIMES)}")


class LiteRtRunner:
    """Runs a `.tflite` in LiteRT's interpreter on the CPU.

    One runner answers one call at a time: the interpreter keeps its tensors between calls.
    """

    evaluator = "LiteRT runtime"
    packages: tuple[str, ...] = ("ai-edge-litert",)
    _runtime = "LiteRT"

    def __init__(self, artifact: Path | bytes, threads: int = 1) -> None:
        """Loads the model.

        Args:
            artifact: the file, or its bytes.
            threads: CPU threads, at least 1.

        Raises:
            RuntimeMissingError: ai-edge-litert is not installed.
            ArtifactError: see `open_runner`.
        """
        make_interpreter = self._import_interpreter()
        self._where = "the .tflite" if isinstance(artifact, bytes) else str(artifact)
        data = artifact if isinstance(artifact, bytes) else _read(artifact)
        try:
            self._model = make_interpreter(model_content=data, num_threads=threads)
            self._model.allocate_tensors()
        # The interpreter raises ValueError or RuntimeError by the kind of damage.
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(
                f"{self._where}: {self._runtime} refuses it: {_brief(error)}"
            ) from error
        self._input = self._find_input()
        self._outputs = self._find_outputs()
        self._shape = tuple(int(size) for size in self._input["shape"])
        if self._shape[0] != 1 or self._shape[3] != 3 or self._shape[1] != self._shape[2]:
            raise ArtifactError(
                f"{self._where}: its input is {self._shape}, not [1, side, side, 3]"
            )
        self.labels = _read_labels(data, self._where)
        classes = int(self._outputs[0]["shape"][1])
        if self.labels is not None and len(self.labels) != classes:
            raise ArtifactError(f"{self._where}: {len(self.labels)} labels, {classes} outputs")

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        """Answers for preprocessed photos; see `Runner`."""
        _check_pixels(x_nhwc, self._shape[1], self._where)
        return _collect(x_nhwc, self._ask, self._where)

    def answer_floats(self, x_nhwc: Floats) -> Answers:
        """Answers for pixels that need not be whole numbers.

        Args:
            x_nhwc: float32, shape [N, side, side, 3], RGB, 0 to 255.

        Raises:
            ArtifactError: see `Runner`.
        """
        if x_nhwc.shape[1:] != self._shape[1:]:
            raise ArtifactError(
                f"{self._where}: pixels are {x_nhwc.shape[1:]}, it takes {self._shape[1:]}"
            )
        return _collect(x_nhwc, self._ask, self._where)

    def _import_interpreter(self) -> Callable[..., Any]:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise _missing("ai-edge-litert", error) from error
        make: Callable[..., Any] = Interpreter
        return make

    def _ask(self, x_hwc: PixelsNhwc | Floats) -> tuple[Floats, float]:
        self._model.set_tensor(self._input["index"], x_hwc[None].astype(np.float32))
        self._model.invoke()
        row, score = (self._model.get_tensor(detail["index"]) for detail in self._outputs)
        return row[0], float(score[0, 0])

    def _find_input(self) -> dict[str, Any]:
        details = self._model.get_input_details()
        if len(details) != 1 or len(details[0]["shape"]) != 4:
            raise ArtifactError(
                f"{self._where}: input shapes {_shapes(details)}: one of 4 dimensions"
            )
        return self._check_type(details[0])

    def _find_outputs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        details = self._model.get_output_details()
        named = {detail["name"]: self._check_type(detail) for detail in details}
        if set(named) != {PROBABILITIES, KNOWN_SCORE}:
            raise ArtifactError(
                f"{self._where}: outputs {', '.join(named)}: {PROBABILITIES} and {KNOWN_SCORE} "
                "are needed"
            )
        row, score = named[PROBABILITIES], named[KNOWN_SCORE]
        if len(row["shape"]) != 2 or tuple(score["shape"]) != (1, 1):
            raise ArtifactError(
                f"{self._where}: output shapes {_shapes([row, score])}: [1, classes] and [1, 1]"
            )
        return row, score

    def _check_type(self, detail: dict[str, Any]) -> dict[str, Any]:
        if detail["dtype"] is not np.float32:
            raise ArtifactError(f"{self._where}: {detail['name']} is not float32")
        return detail


class ExecuTorchRunner:
    """Runs a `.pte` in the ExecuTorch runtime on the CPU.

    The runtime ends the process on some kinds of damage. Truncated and foreign files are refused
    before they reach it; against changed bytes within, open only files whose hash was checked.
    """

    evaluator = "ExecuTorch runtime"
    packages: tuple[str, ...] = ("executorch",)
    labels: tuple[str, ...] | None = None  # a .pte holds none

    def __init__(self, path: Path) -> None:
        """Loads the program.

        Raises:
            RuntimeMissingError: executorch or torch is not installed.
            ArtifactError: see `open_runner`.
        """
        try:
            import torch
            from executorch.runtime import Runtime
        except ImportError as error:
            raise _missing("executorch", error) from error
        self._to_tensor = torch.from_numpy
        self._where = str(path)
        self._data = _read(path)  # the program refers to these bytes: they must outlive it
        _check_pte(self._data, path)
        try:
            program = Runtime.get().load_program(self._data)
            self._method = program.load_method("forward")
        except RuntimeError as error:
            raise ArtifactError(f"{path}: ExecuTorch refuses it: {_brief(error)}") from error
        if self._method is None:
            raise ArtifactError(f"{path}: it has no method forward")
        meta = self._method.metadata
        if (meta.num_inputs(), meta.num_outputs()) != (1, 2):
            raise ArtifactError(
                f"{path}: {meta.num_inputs()} inputs and {meta.num_outputs()} outputs: 1 and 2"
            )
        shape = tuple(meta.input_tensor_meta(0).sizes())
        if len(shape) != 4 or shape[:2] != (1, 3) or shape[2] != shape[3]:
            raise ArtifactError(f"{path}: its input is {shape}, not [1, 3, side, side]")
        self._side_px = int(shape[2])

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        """Answers for preprocessed photos; see `Runner`."""
        _check_pixels(x_nhwc, self._side_px, self._where)
        return _collect(x_nhwc, self._ask, self._where)

    def _ask(self, x_hwc: PixelsNhwc) -> tuple[Floats, float]:
        x_nchw = np.ascontiguousarray(x_hwc.transpose(2, 0, 1)[None], dtype=np.float32)
        row, score = self._method.execute([self._to_tensor(x_nchw)])
        # A copy: the runtime writes the next answer into the same memory.
        return np.array(row.numpy()[0], np.float32), float(score.numpy()[0, 0])


class MilRunner:
    """Runs an `.mlpackage` by our own evaluation of its MIL program."""

    evaluator = "MIL reference evaluation"
    packages: tuple[str, ...] = ("coremltools", "torch")

    def __init__(self, path: Path) -> None:
        """Reads the package.

        Raises:
            RuntimeMissingError: coremltools or torch is not installed.
            ArtifactError: see `open_runner`.
        """
        try:
            from conversion.mil.evaluator import MilProgram
        except ImportError as error:
            raise _missing("coremltools", error) from error
        self._where = str(path)
        self._program = MilProgram.from_path(path)
        self._batch = 1 if self._program.single else _MIL_BATCH
        self.labels: tuple[str, ...] | None = self._program.labels

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        """Answers for preprocessed photos; see `Runner`."""
        _check_pixels(x_nhwc, self._program.side_px, self._where)
        starts = range(0, len(x_nhwc), self._batch)
        answers = [self._program.answer(x_nhwc[start : start + self._batch]) for start in starts]
        return _check_answers(Answers.concatenate(answers), self._where)


class CoreMlRunner:
    """Runs an `.mlpackage` in Core ML itself, which exists on macOS only."""

    evaluator = "Core ML (macOS)"
    packages: tuple[str, ...] = ("coremltools",)

    def __init__(self, path: Path) -> None:
        """Loads the package.

        Raises:
            RuntimeMissingError: coremltools is not installed.
            ArtifactError: see `open_runner`.
        """
        try:
            from conversion.formats.coreml_tools import ct
            from conversion.mil.package import read_package
        except ImportError as error:
            raise _missing("coremltools", error) from error
        package = read_package(path)
        self._where = str(path)
        self._input, self._side_px = package.input_name, package.side_px
        self._names = tuple(str(name) for name in package.operations[-1].inputs["classes"])
        self.labels: tuple[str, ...] | None = self._names
        try:
            self._model = ct.models.MLModel(str(path))
        except (RuntimeError, ValueError, OSError) as error:
            raise ArtifactError(f"{path}: Core ML refuses it: {_brief(error)}") from error
        self._output = self._model.get_spec().description.predictedProbabilitiesName

    def answer(self, x_nhwc: PixelsNhwc) -> Answers:
        """Answers for preprocessed photos; see `Runner`."""
        _check_pixels(x_nhwc, self._side_px, self._where)
        return _collect(x_nhwc, self._ask, self._where)

    def _ask(self, x_hwc: PixelsNhwc) -> tuple[Floats, float]:
        # Core ML brings an image into the colour order that the model declares.
        answer = self._model.predict({self._input: Image.fromarray(x_hwc)})
        row = np.array([answer[self._output][name] for name in self._names], np.float32)
        return row, float(np.asarray(answer[KNOWN_SCORE]).reshape(()))


def open_core_ml(path: Path) -> Runner:
    """Opens an `.mlpackage` in Core ML on macOS, and in our MIL reference evaluation elsewhere."""
    return CoreMlRunner(path) if sys.platform == "darwin" else MilRunner(path)


def _collect(x_nhwc: _Given, ask: Callable[[_Given], tuple[Floats, float]], where: str) -> Answers:
    try:
        rows, scores = zip(*(ask(x_hwc) for x_hwc in x_nhwc), strict=True)
    except RuntimeError as error:
        raise ArtifactError(f"{where}: it cannot run: {_brief(error)}") from error
    answers = Answers(np.stack(rows).astype(np.float32), np.array(scores, np.float32))
    return _check_answers(answers, where)


def _check_answers(answers: Answers, where: str) -> Answers:
    numbers = (answers.probabilities, answers.known_scores)
    if not all(np.isfinite(part).all() for part in numbers):
        raise ArtifactError(f"{where}: its answers are not finite numbers")
    return answers


def _shapes(details: list[dict[str, Any]]) -> list[list[int]]:
    return [list(map(int, detail["shape"])) for detail in details]


def _check_pixels(x_nhwc: PixelsNhwc, side_px: int, where: str) -> None:
    if x_nhwc.dtype != np.uint8 or x_nhwc.ndim != 4 or x_nhwc.shape[0] < 1:
        raise ArtifactError(
            f"{where}: photos are {x_nhwc.dtype} {x_nhwc.shape}: at least one, uint8 "
            "[N, side, side, 3], is expected"
        )
    if x_nhwc.shape[1:] != (side_px, side_px, 3):
        raise ArtifactError(
            f"{where}: photos are {x_nhwc.shape[1:]}, it takes {(side_px, side_px, 3)}"
        )


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact {path}: {error.strerror}") from error
    if not data:
        raise ArtifactError(f"{path} is empty")
    return data


def _check_pte(data: bytes, path: Path) -> None:
    if len(data) < _PTE_HEADER.size:
        raise ArtifactError(f"{path} is truncated: it has {len(data)} bytes")
    root, kind, _, extended, _, program, base, segments = _PTE_HEADER.unpack_from(data)
    if kind != b"ET" or extended != b"eh00" or not _PTE_HEADER.size <= root < program:
        raise ArtifactError(f"{path} is not an ExecuTorch program")
    if max(program, base + segments) > len(data):
        raise ArtifactError(
            f"{path} is truncated: {len(data)} bytes of {max(program, base + segments)}"
        )


def _read_labels(data: bytes, where: str) -> tuple[str, ...] | None:
    """Returns the names in the archive behind a `.tflite`, None where there is no archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text = archive.read(LABELS_NAME).decode()
    except zipfile.BadZipFile:
        if _METADATA_NAME in data:
            raise ArtifactError(f"{where} is truncated: its metadata names labels") from None
        return None
    except (KeyError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{where}: no readable {LABELS_NAME} inside: {error}") from error
    return tuple(text.splitlines())


def _missing(package: str, error: ImportError) -> RuntimeMissingError:
    return RuntimeMissingError(
        f"{package} is needed to run this artifact and is not installed: {error}"
    )


def _brief(error: Exception) -> str:
    """Returns the first line of what a runtime said: the rest is often a native stack trace."""
    return (str(error) or type(error).__name__).splitlines()[0]
