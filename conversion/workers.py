"""Converters in processes of their own, some at a time.

A converter prints much and imports much, so each one runs as `python -m conversion convert-one`;
what it prints goes to a log that is shown only when it fails.
"""

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conversion.artifact import Artifact, artifact_bytes, to_json_text
from conversion.converters import CONVERTERS, Converter, converter_of
from conversion.errors import ConversionError
from conversion.request import Quantisation, Request
from conversion.variants import Variant, find_variant
from training.checkpoint import load_checkpoint
from training.errors import StorageError
from training.files import sha256_bytes, write_atomic

# Begins a line of a converter's output that people should see though all went well.
NOTE = "note: "
_LOG_LINES = 40
_POLL_S = 0.1

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What one process shall make; travels as a JSON file.

    Attributes:
        checkpoint: folder of the checkpoint.
        model: name of the model.
        version: semantic version.
        folder: where the artifacts go.
        variants: keys of the variants.
        keep_float: see `Quantisation`.
        calibration_photos: see `Quantisation`.
        qat_steps: see `Quantisation`.
        calibration: `.npy` file with the calibration photos' pixels; empty for none.
    """

    checkpoint: str
    model: str
    version: str
    folder: str
    variants: tuple[str, ...]
    keep_float: tuple[str, ...] | None
    calibration_photos: int
    qat_steps: int
    calibration: str


def run_order(path: Path) -> None:
    """Makes the artifacts of an order in this process, and describes each beside it.

    Args:
        path: the order's JSON file, in the folder that it names.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    order = Order(**json.loads(path.read_text(encoding="utf-8")))
    variants = tuple(find_variant(key) for key in order.variants)
    keep_float = None if order.keep_float is None else tuple(order.keep_float)
    request = Request(
        load_checkpoint(Path(order.checkpoint)),
        order.model,
        order.version,
        Path(order.folder),
        variants,
        Quantisation(keep_float, order.calibration_photos, order.qat_steps),
        np.load(order.calibration) if order.calibration else None,
    )
    converter = converter_of(variants[0])
    module: Any = importlib.import_module(converter.module)
    for variant, interface in module.convert(request):
        data = artifact_bytes(request.path(variant))
        artifact = Artifact(
            request.path(variant).name,
            variant.runtime,
            variant.precision,
            variant.backend,
            sha256_bytes(data),
            len(data),
            interface.input,
            interface.outputs,
            converter.versions(),
        )
        write_atomic(_answer_path(request.folder, variant), to_json_text(asdict(artifact)))


def run_workers(order: Order, jobs: int, tell: Tell) -> dict[Variant, Artifact]:
    """Makes the variants of an order, each converter in a process of its own.

    Args:
        order: everything that shall be made.
        jobs: how many processes at a time, at least 1.
        tell: takes lines of progress.

    Raises:
        ConversionError: a converter failed; the message ends with what it printed last. The
            others are stopped.
    """
    variants = [find_variant(key) for key in order.variants]
    waiting = [
        (converter, chosen)
        for converter in CONVERTERS
        if (chosen := [v for v in variants if converter_of(v) == converter])
    ]
    running: list[_Worker] = []
    done: dict[Variant, Artifact] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Worker(order, *waiting.pop(0)))
                tell(f"{running[-1].name}: converting")
            for worker in list(running):
                ended = worker.process.poll() is not None
                for variant, artifact in worker.collect():
                    done[variant] = artifact
                    size = f"{artifact.size_bytes / 1e6:.1f} MB"
                    tell(f"{artifact.file_name}: {size}, after {worker.age_s:.0f} s")
                if ended:
                    running.remove(worker)
                    for note in worker.finish():
                        tell(f"{worker.name}: {note}")
            time.sleep(_POLL_S)
    finally:
        for worker in running:
            worker.stop()
    return done


class _Worker:
    """One converter in a process of its own."""

    def __init__(self, order: Order, converter: Converter, variants: list[Variant]) -> None:
        self.name = converter.name
        self._started = time.monotonic()
        self._folder = Path(order.folder)
        self._missing = list(variants)
        self._log = self._folder / f".{self.name}.log"
        self._order = self._folder / f".{self.name}.order"
        own = asdict(order) | {"variants": [variant.key for variant in variants]}
        write_atomic(self._order, to_json_text(own))
        command = [sys.executable, "-m", "conversion", "convert-one", str(self._order)]
        with self._log.open("wb") as log:
            # The pipe closes when this process ends, however it ends: the worker then ends too.
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def collect(self) -> Iterator[tuple[Variant, Artifact]]:
        """Returns the artifacts that were finished since the last call."""
        for variant in list(self._missing):
            path = _answer_path(self._folder, variant)
            if path.exists():
                self._missing.remove(variant)
                yield variant, Artifact(**json.loads(path.read_text(encoding="utf-8")))
                path.unlink()

    def finish(self) -> list[str]:
        """Removes the process's log and returns the notes in it, or says why it failed."""
        self._close()
        if self.process.returncode != 0 or self._missing:
            raise self._failure()
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        self._log.unlink()
        self._order.unlink()
        return [line.removeprefix(NOTE) for line in lines if line.startswith(NOTE)]

    def stop(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _failure(self) -> ConversionError | StorageError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        own = [line for line in lines if line.startswith("error: ")]
        if own:  # a typed error of the worker says all that is needed
            return ConversionError(f"{self.name}: {own[-1].removeprefix('error: ')}")
        said = "\n".join(lines[-_LOG_LINES:])
        return ConversionError(
            f"the {self.name} converter ended with code {self.process.returncode}; "
            f"it printed last:\n{said}"
        )


def _answer_path(folder: Path, variant: Variant) -> Path:
    return folder / f".{variant.key}.json"


def _end_with_parent() -> None:
    """Ends this process when the one that started it ends: its end of the pipe closes then."""
    os.read(0, 1)  # not through `sys.stdin`, whose lock would be held at our own end
    os._exit(1)
