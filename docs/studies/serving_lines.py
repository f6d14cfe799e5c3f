"""How long requests wait for each other, whatever else the machine does.

`python -m docs.studies.serving_lines REPOSITORY`. The server runs as it is deployed, but for its
network, which sleeps for a fixed time in place of working: lines form as they would, and the
processors have next to nothing to do, so that it matters little who else uses them. Photos come at
random moments, at 70 % of what two processes can take. The last line printed is what queueing alone
gives: with one line for both processes, and with a line of its own for each.
"""

import random
import runpy
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from docs.studies.serving_load import (
    list_moments,
    load_openly,
    percentile_ms,
    queue_alone,
    read_manifest,
)
from docs.studies.serving_servers import make_ours, running
from serving.inference.loaded import LoadedVersion
from training.answers import Answers

WORK_S = 0.06
PROCESSES = 2
SHARE = 0.7
SIMULATED = 200_000


def sleep_in_place_of_work() -> None:
    """Makes the server of this process sleep where it would run a network."""
    recognise = LoadedVersion.answer
    known: dict[int, Answers] = {}

    def answer(self: LoadedVersion, ticket: Any, x_nhwc: Any) -> Answers:
        if id(self) not in known:
            known[id(self)] = recognise(self, ticket, x_nhwc)
        time.sleep(WORK_S)
        return known[id(self)]

    LoadedVersion.answer = answer  # type: ignore[method-assign]


def describe(times: list[float]) -> str:
    """Returns the median and the 99th of 100, and their ratio."""
    half, most = percentile_ms(times, 0.5), percentile_ms(times, 0.99)
    return f"p50 {half:.0f} ms, p99 {most:.0f} ms, p99 / p50 {most / half:.1f}"


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seconds", default=20.0, show_default=True, help="Of each run.")
@click.option("--runs", default=3, show_default=True)
def main(repository: Path, seconds: float, runs: int) -> None:
    """Measures with the first model of a REPOSITORY."""
    storage, manifest = read_manifest(repository)
    photo = storage.read_file(manifest.model, manifest.version, manifest.fallback.golden[0].file)
    rate = SHARE * PROCESSES / WORK_S
    with tempfile.TemporaryDirectory() as place:
        ours = make_ours(repository.resolve(), Path(place) / "state", manifest.model)
        start, arguments = "docs.studies.serving_lines", ours.command[ours.command.index("run") :]
        command = [sys.executable, "-c", f"from {start} import serve; serve()", *arguments]
        with running(
            replace(ours, command=[*command, "--workers", str(PROCESSES)]), photo
        ) as found:
            for _ in range(runs):
                results = load_openly(found, [photo], list_moments(rate, seconds, seed=0))
                good = [took_s for status, took_s in results if status == 200]
                click.echo(
                    f"{describe(good)}, {len(results) - len(good)} of {len(results)} refused"
                )
    moments = list_moments(rate, SIMULATED / rate, seed=0)
    for words, chance in (("one line for all", None), ("a line each", random.Random(1))):
        times = queue_alone(moments, PROCESSES, WORK_S, chance)
        click.echo(f"{words}, by queueing alone: {describe(times)}")


def serve() -> None:
    """Runs `python -m serving` with the arguments of this process, sleeping in place of work."""
    sleep_in_place_of_work()
    runpy.run_module("serving", run_name="__main__")


if __name__ == "__main__":
    main()
