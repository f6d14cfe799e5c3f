"""What a benchmark found out, and `benchmark.json`, which holds it. Free of torch."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conversion.artifact import Artifact
from conversion.errors import ArtifactError, BenchmarkError
from training.errors import StorageError
from training.files import check_sums

BENCHMARK_NAME = "benchmark"
RESULT_NAME = "benchmark.json"
TITLES = {"executorch": "ExecuTorch", "litert": "LiteRT", "coreml": "Core ML"}
ARTIFACT, YARDSTICK = "artifact", "yardstick"
# Up to here an interruption is rare enough to stay out of a median.
QUIET_SHARE = 0.1
_SCHEMA = "ghostlens.benchmark/1"


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one contender is as another, in the rounds of one run.

    Attributes:
        median: over rounds, of the quotient of both medians within the round.
        low: lower quartile over rounds.
        high: upper quartile over rounds.
    """

    median: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.median <= self.high < math.inf:
            raise BenchmarkError(f"not a ratio: {self.low}, {self.median}, {self.high}")


@dataclass(frozen=True)
class Timing:
    """One contender on so many threads.

    Attributes:
        threads: CPU threads.
        answers: how many answers were timed.
        median_ms: median time of an answer to one photo.
        p90_ms: nine of ten answers took at most so long.
        fastest_ms: the fastest answer: what another process disturbs least.
        load_ms: median time from the file, in the page cache, to a network that is ready; the
            runtime was imported before.
        first_answer_ms: the first answer, which often sets things up.
        baseline_bytes: resident memory with the runtime imported and nothing loaded.
        memory_bytes: by how much the peak of resident memory lies above the baseline.
        over_eager: speed as a multiple of eager PyTorch's on as many threads.
        over_fp32: the same of the fp32 artifact for the same runtime; None where there is none.
    """

    threads: int
    answers: int
    median_ms: float
    p90_ms: float
    fastest_ms: float
    load_ms: float
    first_answer_ms: float
    baseline_bytes: int
    memory_bytes: int
    over_eager: Ratio
    over_fp32: Ratio | None

    def __post_init__(self) -> None:
        answers = (self.fastest_ms, self.median_ms, self.p90_ms)
        others = (self.load_ms, self.first_answer_ms)
        if sorted(answers) != list(answers) or not 0 < min(*answers, *others) < math.inf:
            raise BenchmarkError(f"not times in milliseconds: {answers}, {others}")


@dataclass(frozen=True)
class Entry:
    """One line of a benchmark.

    Attributes:
        name: the artifact's file name, or the yardstick's name.
        title: for people, e.g. "LiteRT int8".
        role: "artifact" or "yardstick".
        sha256: of the artifact; empty for a yardstick.
        size_bytes: of the file.
        max_probability_difference: from eager PyTorch on the photos used; None if not timed.
        timings: one for each number of threads; empty if not timed.
        why_not: why it was not timed, in words; empty if it was.
        failed: whether it should have been timed here and could not.
    """

    name: str
    title: str
    role: str
    sha256: str
    size_bytes: int
    max_probability_difference: float | None
    timings: tuple[Timing, ...]
    why_not: str = ""
    failed: bool = False

    def timing(self, threads: int) -> Timing | None:
        """Returns the figures on so many threads, None if there are none."""
        return next((entry for entry in self.timings if entry.threads == threads), None)


@dataclass(frozen=True)
class Benchmark:
    """A whole run.

    Attributes:
        model: name of the build's model.
        version: its version.
        checkpoint_sha256: what the build was made of.
        input_px: side of the pixels that a photo becomes.
        machine: where it ran, key -> words or number.
        method: how it was measured, key -> words or number.
        tool_versions: package name -> version.
        entries: yardsticks first, then artifacts in the build's order.
    """

    model: str
    version: str
    checkpoint_sha256: str
    input_px: int
    machine: dict[str, Any]
    method: dict[str, Any]
    tool_versions: dict[str, str]
    entries: tuple[Entry, ...]

    @property
    def threads(self) -> tuple[int, ...]:
        """The numbers of threads that were tried, ascending."""
        return tuple(sorted({entry.threads for item in self.entries for entry in item.timings}))

    def to_json(self) -> dict[str, Any]:
        """Returns what `benchmark.json` holds."""
        return {"schema": _SCHEMA} | asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Benchmark":
        """Reads what `to_json` gave.

        Raises:
            ArtifactError: it is not a benchmark.
        """
        given = dict(value)
        if given.pop("schema", None) != _SCHEMA:
            raise ArtifactError(f"its schema is not {_SCHEMA!r}")
        try:
            given["entries"] = tuple(_read_entry(entry) for entry in given["entries"])
            return cls(**given)
        except (KeyError, TypeError, AttributeError, BenchmarkError) as error:
            raise ArtifactError(f"not a benchmark: {error}") from error


def read_benchmark(folder: Path) -> Benchmark:
    """Reads a benchmark, after checking its files against their hashes.

    Args:
        folder: where `benchmark` wrote, e.g. `BUILD/benchmark`.

    Raises:
        ArtifactError: the folder is missing, incomplete, changed or malformed.
    """
    path = folder / RESULT_NAME
    try:
        check_sums(folder)
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ArtifactError("expected a JSON object")
        return Benchmark.from_json(value)
    except StorageError as error:
        raise ArtifactError(str(error)) from error
    except (OSError, ValueError, RecursionError, ArtifactError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error


def title_of(artifact: Artifact) -> str:
    """Returns an artifact's name for people, e.g. "ExecuTorch coreml fp16"."""
    backend = "" if artifact.backend == "xnnpack" else artifact.backend
    parts = (TITLES[artifact.runtime], backend, artifact.precision)
    return " ".join(part for part in parts if part)


def busy_text(result: Benchmark) -> str:
    """Returns how much others disturbed the run, in words."""
    busy = result.machine["busy_with_others"]
    if busy is None:
        return "How busy other processes were is not known on this system."
    words = f"Other processes took {busy:.0%} of the processor time meanwhile"
    if busy <= QUIET_SHARE:
        return f"{words}."
    return (
        f"{words}: the times are too long, those of slow contenders most, because they are "
        "interrupted within an answer. Run it again on a quiet machine."
    )


def _read_entry(value: dict[str, Any]) -> Entry:
    timings = tuple(_read_timing(entry) for entry in value["timings"])
    return Entry(**value | {"timings": timings})


def _read_timing(value: dict[str, Any]) -> Timing:
    own = value["over_fp32"]
    return Timing(
        **value
        | {
            "over_eager": Ratio(**value["over_eager"]),
            "over_fp32": None if own is None else Ratio(**own),
        }
    )
