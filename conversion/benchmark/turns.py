"""Contenders of a benchmark take turns: everyone once a round, in every round in another order."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.answers import Tell
from conversion.artifact import Artifact
from conversion.benchmark.process import Process
from conversion.errors import BenchmarkError

THREADS = (1, 2)
WARM_UP = 2
TIMED = 5
RELOADS = 4

Key = tuple[str, int]


@dataclass(frozen=True)
class Options:
    """How a benchmark is run.

    Attributes:
        rounds: how often everyone takes a turn, at least 2.
        spin: whether waiting threads may keep a core busy; see `Load`.
    """

    rounds: int = 20
    spin: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 2:
            raise BenchmarkError(f"rounds is {self.rounds}: at least 2 are needed for a spread")


@dataclass(frozen=True)
class Subject:
    """A network to time.

    Attributes:
        name: the artifact's file name, or the yardstick's name.
        kind: see `conversion.benchmark.contenders.KINDS`.
        title: for people.
        path: see `Load`.
        size_bytes: of the file.
        artifact: None for a yardstick.
        fp32: name of the fp32 artifact for the same runtime.
    """

    name: str
    kind: str
    title: str
    path: Path
    size_bytes: int
    artifact: Artifact | None = None
    fp32: str | None = None


@dataclass
class Measured:
    """What came out of one subject on so many threads.

    Attributes:
        opened: see `Contender.describe`.
        load_ms: time of each opening.
        rounds_ms: the times of each round.
        peak_bytes: the most memory that was resident.
    """

    opened: dict[str, Any]
    load_ms: list[float]
    rounds_ms: list[list[float]] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def medians_ms(self) -> npt.NDArray[np.float64]:
        """The median of each round, shape [rounds]."""
        return np.array([np.median(times) for times in self.rounds_ms])


def take_turns(
    subjects: list[Subject], work: Path, options: Options, tell: Tell
) -> tuple[dict[Key, Measured], dict[str, str]]:
    """Opens everyone, then lets them take turns.

    Args:
        subjects: what to time, each on every number of `THREADS`.
        work: a folder with `pixels.npy`, uint8 [N, side, side, 3]; logs go there.
        options: how to run.
        tell: takes lines of progress.

    Returns:
        Name and threads -> figures, and name -> why it failed.
    """
    measured: dict[Key, Measured] = {}
    failures: dict[str, str] = {}
    with _open_all(subjects, work, options, tell, measured, failures) as processes:
        order = list(processes)
        for number in range(options.rounds):
            random.Random(number).shuffle(order)
            for key in order:
                if key[0] in failures:
                    continue
                try:
                    reply = processes[key].ask({"warm_up": WARM_UP, "timed": TIMED})
                except BenchmarkError as error:
                    failures[key[0]] = str(error)
                    continue
                measured[key].rounds_ms.append(reply["times_ms"])
                measured[key].peak_bytes = max(measured[key].peak_bytes, reply["peak_bytes"])
            if (number + 1) % 5 == 0 or number + 1 == options.rounds:
                tell(f"benchmark: round {number + 1} of {options.rounds}")
        for key, process in processes.items():
            if key[0] not in failures:
                measured[key].load_ms += process.ask({"reload": RELOADS})["load_ms"]
    return measured, failures


@contextmanager
def _open_all(
    subjects: list[Subject],
    work: Path,
    options: Options,
    tell: Tell,
    measured: dict[Key, Measured],
    failures: dict[str, str],
) -> Iterator[dict[Key, Process]]:
    """Opens one contender after the other, so that none is loaded while another one works."""
    processes: dict[Key, Process] = {}
    with ExitStack() as stack:
        for subject in subjects:
            for threads in THREADS:
                order = {
                    "kind": subject.kind,
                    "path": str(subject.path),
                    "threads": threads,
                    "spin": options.spin,
                    "pixels": str(work / "pixels.npy"),
                }
                log = work / f"{subject.name}-{threads}.log"
                process = Process(subject.name, order, log)
                stack.callback(process.stop)
                try:
                    opened = process.ask(order)
                    measured[subject.name, threads] = Measured(opened, [opened["load_ms"]])
                except BenchmarkError as error:
                    failures[subject.name] = str(error)
                    break
                processes[subject.name, threads] = process
            tell(f"benchmark: {subject.title} {'failed' * (subject.name in failures) or 'loaded'}")
        yield processes
