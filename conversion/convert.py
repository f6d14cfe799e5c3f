"""From a checkpoint to a build: every format in a process of its own, then the build as a whole.

A converter prints much and imports much, so each one runs as `python -m conversion convert-one`;
what it prints goes to a log that is shown only when it fails.
"""

import importlib
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conversion.artifact import (
    BUILD_NAME,
    LABELS_NAME,
    RUNTIMES,
    Artifact,
    Build,
    artifact_bytes,
    artifact_name,
    check_model_name,
    check_version,
    to_json_text,
)
from conversion.errors import ConversionError
from conversion.variants import find_variant
from training.checkpoint import Checkpoint, load_checkpoint
from training.errors import StorageError
from training.files import new_directory, sha256_bytes, write_atomic, write_sums

# One module a runtime, each with `convert`, `PRECISION` and `PACKAGES`.
CONVERTERS = {
    "executorch": "conversion.executorch",
    "litert": "conversion.tflite",
    "coreml": "conversion.coreml",
}
_LOG_LINES = 40
_POLL_S = 0.1

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What to convert, and under which name.

    Attributes:
        checkpoint: folder of the checkpoint.
        model: see `conversion.artifact.check_model_name`.
        version: see `conversion.artifact.check_version`.
        runtimes: which formats to make, out of `RUNTIMES`.
    """

    checkpoint: Path
    model: str
    version: str
    runtimes: tuple[str, ...] = RUNTIMES

    def __post_init__(self) -> None:
        check_model_name(self.model)
        check_version(self.version)
        unknown = sorted(set(self.runtimes) - set(RUNTIMES))
        if unknown or not self.runtimes:
            raise ConversionError(f"formats are {self.runtimes}: allowed are {', '.join(RUNTIMES)}")


def convert(job: Job, out: Path, jobs: int, tell: Tell) -> Build:
    """Makes a build at `out`; what stood there stays until the new one is whole.

    Args:
        job: what to convert.
        out: the build's folder.
        jobs: how many formats to convert at a time, at least 1.
        tell: takes lines of progress.

    Raises:
        CheckpointError: the checkpoint is incomplete or was changed.
        ConversionError: a converter failed; the message ends with what it printed last.
        StorageError: the disk is full, or `out` cannot be written.
    """
    checkpoint = load_checkpoint(job.checkpoint)
    source, licence = _describe_photos(checkpoint)
    with new_directory(out) as folder:
        # Runtimes in their own order, so that the order of the options changes nothing.
        runtimes = [runtime for runtime in RUNTIMES if runtime in job.runtimes]
        artifacts = _run_all(job, runtimes, folder, jobs, tell)
        metrics = {key: checkpoint.metrics.get(key) for key in ("top1", "top5", "photos")}
        build = Build(
            job.model,
            job.version,
            checkpoint.architecture,
            checkpoint.sha256,
            checkpoint.labels,
            checkpoint.preprocess,
            checkpoint.normalise.mean,
            checkpoint.normalise.std,
            checkpoint.metrics.get("thresholds", {}),
            metrics,
            source,
            licence,
            tuple(artifacts),
        )
        _check_same_checkpoint(job, checkpoint)
        write_atomic(folder / LABELS_NAME, checkpoint.labels.to_text())
        write_atomic(folder / BUILD_NAME, to_json_text(build.to_json()))
        write_sums(folder)
    return build


def convert_one(job: Job, folder: Path) -> Artifact:
    """Makes the artifact of the job's first runtime in this process, and describes it.

    Args:
        job: what to convert.
        folder: where to put the artifact.
    """
    runtime = job.runtimes[0]
    module: Any = importlib.import_module(CONVERTERS[runtime])
    variant = find_variant(f"{runtime}-{module.PRECISION}")
    name = artifact_name(job.model, job.version, variant)
    interface = module.convert(
        load_checkpoint(job.checkpoint), job.model, job.version, folder / name
    )
    data = artifact_bytes(folder / name)
    return Artifact(
        name,
        runtime,
        module.PRECISION,
        variant.backend,
        sha256_bytes(data),
        len(data),
        interface.input,
        interface.output,
        {package: importlib.metadata.version(package) for package in module.PACKAGES},
    )


def _run_all(job: Job, runtimes: list[str], folder: Path, jobs: int, tell: Tell) -> list[Artifact]:
    """Runs the converters, at most `jobs` at a time; stops the others when one fails."""
    waiting, running = list(runtimes), list[_Worker]()
    done: dict[str, Artifact] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Worker(job, waiting.pop(0), folder))
                tell(f"{running[-1].runtime}: converting")
            for worker in [worker for worker in running if worker.process.poll() is not None]:
                running.remove(worker)
                artifact = worker.finish()
                done[worker.runtime] = artifact
                seconds = time.monotonic() - worker.started
                tell(
                    f"{worker.runtime}: {artifact.file_name}, "
                    f"{artifact.size_bytes / 1e6:.1f} MB, {seconds:.0f} s"
                )
            time.sleep(_POLL_S)
    finally:
        for worker in running:
            worker.stop()
    return [done[runtime] for runtime in runtimes]


class _Worker:
    """One converter in a process of its own."""

    def __init__(self, job: Job, runtime: str, folder: Path) -> None:
        self.runtime = runtime
        self.started = time.monotonic()
        self._log = folder / f".{runtime}.log"
        self._answer = folder / f".{runtime}.json"
        command = [sys.executable, "-m", "conversion", "convert-one", str(job.checkpoint)]
        command += ["--model", job.model, "--version", job.version, "--format", runtime]
        command += ["--folder", str(folder), "--answer", str(self._answer)]
        with self._log.open("wb") as log:
            # The pipe closes when this process ends, however it ends: the worker then ends too.
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )

    def finish(self) -> Artifact:
        """Returns what the process made, and removes its log."""
        self._close()
        if self.process.returncode != 0:
            raise self._failure()
        artifact = Artifact(**json.loads(self._answer.read_text(encoding="utf-8")))
        self._log.unlink()
        self._answer.unlink()
        return artifact

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
            return ConversionError(f"{self.runtime}: {own[-1].removeprefix('error: ')}")
        said = "\n".join(lines[-_LOG_LINES:])
        return ConversionError(
            f"the {self.runtime} converter ended with code {self.process.returncode}; "
            f"it printed last:\n{said}"
        )


def write_answer(artifact: Artifact, path: Path) -> None:
    """Writes what `convert-one` made, for the process that started it."""
    write_atomic(path, to_json_text(asdict(artifact)))


def _describe_photos(checkpoint: Checkpoint) -> tuple[str, str]:
    """Returns name and licence of the training photos; they need not be at hand any more."""
    source = checkpoint.metrics.get("source", {})
    return source.get("name", checkpoint.settings.data.source), source.get("licence", "not stated")


def _check_same_checkpoint(job: Job, checkpoint: Checkpoint) -> None:
    """Refuses a build whose parts were made of different states of one folder."""
    if load_checkpoint(job.checkpoint).sha256 != checkpoint.sha256:
        raise ConversionError(f"{job.checkpoint} changed while it was converted: run again")
