"""Benchmark: how long does every artifact of a build take here, beside PyTorch and ONNX Runtime?

Every contender is a process of its own that stays open. They take turns, in every round in another
order, so that whatever else the machine does hits all alike; ratios compare within a round.
"""

import importlib.metadata
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.answers import Tell, without_folder
from conversion.artifact import PARITY_NAME, Artifact, Build, read_build, read_golden, to_json_text
from conversion.benchmark.contenders import KINDS
from conversion.benchmark.machine import Bystanders, describe_machine, usable_cores
from conversion.benchmark.onnx_export import export_onnx
from conversion.benchmark.report import draw, to_markdown
from conversion.benchmark.result import (
    ARTIFACT,
    BENCHMARK_NAME,
    RESULT_NAME,
    YARDSTICK,
    Benchmark,
    Entry,
    Ratio,
    Timing,
    title_of,
)
from conversion.benchmark.turns import (
    RELOADS,
    THREADS,
    TIMED,
    WARM_UP,
    Key,
    Measured,
    Options,
    Subject,
    take_turns,
)
from conversion.errors import BenchmarkError
from conversion.spread import spread_places
from training.checkpoint import WEIGHTS_NAME, Checkpoint
from training.errors import GhostlensError
from training.files import new_directory, write_atomic, write_sums
from training.sources.data import open_source

EAGER, ONNX = "eager-pytorch", "onnx-runtime"
PHOTOS = 8
# Both compute the same float32 network; only the order of sums differs. See gate.MAX_DIFFERENCE.
MAX_ONNX_DIFFERENCE = 1e-3

PixelsNhwc = npt.NDArray[np.uint8]


def run_benchmark(
    directory: Path, checkpoint: Checkpoint, options: Options, out: Path | None, tell: Tell
) -> Benchmark:
    """Times every artifact that can run here, and writes what came out, whole.

    Args:
        directory: the build's folder.
        checkpoint: what it was made of.
        options: how to run.
        out: the folder to write; `benchmark/` in the build's if not given.
        tell: takes lines of progress.

    Raises:
        ArtifactError: the build is incomplete or was changed.
        BenchmarkError: the build is of another checkpoint, a yardstick cannot run or answers
            otherwise, or a folder that is no benchmark stands at `out`.
        RuntimeMissingError: onnx, onnxscript or onnxruntime is not installed.
        StorageError: the disk is full, or the folder cannot be written.
    """
    target = out or directory / BENCHMARK_NAME
    _check_target(target)
    build = read_build(directory)
    if build.checkpoint_sha256 != checkpoint.sha256:
        raise BenchmarkError(
            f"{directory} was made of checkpoint {build.checkpoint_sha256}; "
            f"{checkpoint.directory} is checkpoint {checkpoint.sha256}"
        )
    bystanders = Bystanders()
    with tempfile.TemporaryDirectory(prefix="ghostlens-benchmark-") as temporary:
        work = Path(temporary)
        x_nhwc, photos = choose_pixels(directory, checkpoint)
        np.save(work / "pixels.npy", x_nhwc)
        subjects = _list_subjects(directory, build, checkpoint, work, tell)
        measured, failures = take_turns(subjects, work, options, tell)
    _check_yardsticks(measured, failures)
    result = Benchmark(
        build.model,
        build.version,
        build.checkpoint_sha256,
        build.preprocess.input_px,
        describe_machine() | {"busy_with_others": bystanders.share()},
        _describe_method(options, photos),
        _list_versions(subjects),
        tuple(_list_entries(build, subjects, measured, failures, directory)),
    )
    with new_directory(target) as folder:
        write_atomic(folder / RESULT_NAME, to_json_text(result.to_json()))
        write_atomic(folder / "benchmark.md", to_markdown(result))
        write_atomic(folder / "benchmark.png", draw(result))
        write_sums(folder)
    return result


def choose_pixels(directory: Path, checkpoint: Checkpoint) -> tuple[PixelsNhwc, str]:
    """Returns pixels to answer for, uint8 [N, side, side, 3], and where they came from, in words.

    Real photos where there are any: those of the checkpoint's source, else the golden photos of
    the build's parity. Latency hardly depends on them; the check of the yardstick does.
    """
    read = checkpoint.preprocess.read
    try:
        source = open_source(checkpoint.settings.data)
        photos = [source.validation[i] for i in spread_places(len(source.validation), PHOTOS)]
        x_nhwc = np.stack([read(photo.read(), photo.name) for photo in photos])
        return x_nhwc, f"{len(photos)} validation photos of {source.name}"
    except (GhostlensError, ValueError):  # no source at hand, or one without validation photos
        pass
    try:
        files = [directory / PARITY_NAME / entry.file for entry in read_golden(directory)]
        x_nhwc = np.stack([read(file.read_bytes(), file.name) for file in files[:PHOTOS]])
        return x_nhwc, f"{len(x_nhwc)} golden photos of the build"
    except (GhostlensError, OSError, ValueError):
        side = checkpoint.preprocess.input_px
        noise = np.random.default_rng(0).integers(0, 256, (PHOTOS, side, side, 3), np.uint8)
        return noise, "random pixels: no photos are at hand"


def _check_target(target: Path) -> None:
    """A benchmark replaces a folder whole: it must be one of its own."""
    if target.exists() and not (target / RESULT_NAME).exists():
        raise BenchmarkError(
            f"{target} exists and is no benchmark: allowed are a new folder and an old benchmark"
        )


def _list_subjects(
    directory: Path, build: Build, checkpoint: Checkpoint, work: Path, tell: Tell
) -> list[Subject]:
    tell("benchmark: exporting the network for ONNX Runtime")
    onnx = work / "network.onnx"
    export_onnx(checkpoint, onnx)
    weights = (checkpoint.directory / WEIGHTS_NAME).stat().st_size
    subjects = [
        Subject(EAGER, "pytorch", "PyTorch, eager", checkpoint.directory, weights),
        Subject(ONNX, "onnx", "ONNX Runtime fp32", onnx, onnx.stat().st_size),
    ]
    names = {entry.variant.key: entry.file_name for entry in build.artifacts}
    for artifact in build.artifacts:
        if not _why_not(artifact):
            path = directory / artifact.file_name
            fp32 = names.get(f"{artifact.runtime}-fp32")
            subjects.append(
                Subject(
                    artifact.file_name,
                    artifact.runtime,
                    title_of(artifact),
                    path,
                    artifact.size_bytes,
                    artifact,
                    fp32,
                )
            )
    return subjects


def _why_not(artifact: Artifact) -> str:
    """Returns why an artifact cannot be timed here; empty if it can."""
    if artifact.runtime == "coreml":
        return "Core ML runs on Apple devices only"
    if not artifact.variant.executed_here:
        return f"the {artifact.backend} delegate runs on phones only"
    return "" if artifact.runtime in KINDS else f"{artifact.runtime} cannot be timed"


def _check_yardsticks(measured: dict[Key, Measured], failures: dict[str, str]) -> None:
    """Figures beside a yardstick that failed, or that is another network, say nothing."""
    for name in (EAGER, ONNX):
        if name in failures:
            raise BenchmarkError(f"the yardstick cannot run: {failures[name]}")
    difference = _difference(measured, ONNX)
    if not difference <= MAX_ONNX_DIFFERENCE:
        raise BenchmarkError(
            f"the network in ONNX Runtime is not the checkpoint's: a probability differs by "
            f"{difference:.2g}; at most {MAX_ONNX_DIFFERENCE:g} is allowed"
        )


def _difference(measured: dict[Key, Measured], name: str) -> float:
    """Returns by how much a probability differs from eager PyTorch's, over threads and photos."""
    reference = np.array(measured[EAGER, THREADS[0]].opened["answers"])
    own = [np.array(measured[name, threads].opened["answers"]) for threads in THREADS]
    if any(answers.shape != reference.shape for answers in own):
        return float("inf")
    return max(float(np.abs(answers - reference).max()) for answers in own)


def _list_entries(
    build: Build,
    subjects: list[Subject],
    measured: dict[Key, Measured],
    failures: dict[str, str],
    directory: Path,
) -> Iterator[Entry]:
    timed = {subject.name: subject for subject in subjects}
    for subject in subjects:
        if subject.artifact is None:
            yield _to_entry(subject, measured, failures, "")
    for artifact in build.artifacts:
        if artifact.file_name in timed:
            failure = failures.get(artifact.file_name, "")
            words = without_folder(BenchmarkError(failure), directory)
            yield _to_entry(timed[artifact.file_name], measured, failures, words)
        else:
            title, why = title_of(artifact), _why_not(artifact)
            yield Entry(
                artifact.file_name,
                title,
                ARTIFACT,
                artifact.sha256,
                artifact.size_bytes,
                None,
                (),
                why,
            )


def _to_entry(
    subject: Subject, measured: dict[Key, Measured], failures: dict[str, str], failure: str
) -> Entry:
    role = YARDSTICK if subject.artifact is None else ARTIFACT
    sha256 = "" if subject.artifact is None else subject.artifact.sha256
    shared = (subject.name, subject.title, role, sha256, subject.size_bytes)
    if failure:
        return Entry(*shared, None, (), failure, failed=True)
    fp32 = subject.fp32 if subject.fp32 not in failures else None
    timings = tuple(_to_timing(measured, subject.name, fp32, threads) for threads in THREADS)
    return Entry(*shared, _difference(measured, subject.name), timings)


def _to_timing(measured: dict[Key, Measured], name: str, fp32: str | None, threads: int) -> Timing:
    own = measured[name, threads]
    times_ms = np.concatenate([np.array(times) for times in own.rounds_ms])
    baseline = int(own.opened["baseline_bytes"])
    return Timing(
        threads,
        len(times_ms),
        float(np.median(times_ms)),
        float(np.quantile(times_ms, 0.9)),
        float(times_ms.min()),
        float(np.median(own.load_ms)),
        own.opened["first_answer_ms"],
        baseline,
        max(0, own.peak_bytes - baseline),
        _to_ratio(measured[EAGER, threads], own),
        None if fp32 is None else _to_ratio(measured[fp32, threads], own),
    )


def _to_ratio(other: Measured, own: Measured) -> Ratio:
    low, median, high = np.quantile(other.medians_ms / own.medians_ms, [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))


def _describe_method(options: Options, photos: str) -> dict[str, Any]:
    return {
        "rounds": options.rounds,
        "warm_up_answers": WARM_UP,
        "timed_answers": TIMED,
        "loads": 1 + RELOADS,
        "photos": photos,
        "usable_cores": usable_cores(),
        "spin": options.spin,
        "waiting_threads": (
            "spin in PyTorch (OMP_WAIT_POLICY=ACTIVE) and ONNX Runtime (allow_spinning=1)"
            if options.spin
            else "sleep in PyTorch (OMP_WAIT_POLICY=PASSIVE) and ONNX Runtime (allow_spinning=0)"
        )
        + "; LiteRT and ExecuTorch offer no choice: their pool spins briefly, then sleeps",
        "memory": "peak of resident memory above that of the process with the runtime imported "
        "and nothing loaded, pages of the file included",
    }


def _list_versions(subjects: list[Subject]) -> dict[str, str]:
    packages = {name for subject in subjects for name in KINDS[subject.kind].packages}
    return {name: importlib.metadata.version(name) for name in sorted(packages)}
