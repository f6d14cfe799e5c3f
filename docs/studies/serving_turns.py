"""What a photo costs the server of today, one of before and a bare loop, on a busy machine.

`python -m docs.studies.serving_turns REPOSITORY --before CHECKOUT`. All three take turns of a
fraction of a second, in an order of chance, so that whatever else the machine does meets them
alike; what is compared is processor time within a turn, and the median of that over all turns.
CHECKOUT is another one of this repository. Prints a table in Markdown.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from conversion.runners import LiteRtRunner
from docs.studies.serving_load import WARM_UP, load, read_manifest
from docs.studies.serving_servers import Running, list_processes, make_ours, run_checkout, running
from serving.inference.choosing import choose_artifact
from serving.inference.photos import read_photo
from serving.server import count_cores
from training.preprocess import Preprocess

TURN_S = 0.3
_bare: tuple[LiteRtRunner, Preprocess, list[bytes]]


def begin_bare(tflite: bytes, preprocess: Preprocess, photos: list[bytes]) -> None:
    """Makes a process of the bare loop ready."""
    global _bare
    _bare = LiteRtRunner(tflite), preprocess, photos


def work_bare(_: int) -> tuple[int, float]:
    """Recognises photos for one turn; returns how many, and the processor seconds."""
    runner, preprocess, photos = _bare
    end_s, count, begun_s = time.perf_counter() + TURN_S, 0, time.process_time()
    while time.perf_counter() < end_s:
        runner.answer(read_photo(preprocess, photos[count % len(photos)])[np.newaxis])
        count += 1
    return count, time.process_time() - begun_s


def read_run_s(pid: int) -> float:
    """Returns the seconds that a server's threads ran, to the microsecond (Linux)."""
    paths = [
        path
        for one in list_processes(pid)
        for path in Path(f"/proc/{one}/task").glob("*/schedstat")
    ]
    return sum(int(path.read_text().split()[0]) for path in paths) / 1e9


def serve_turn(found: Running, photos: list[bytes], clients: int) -> float:
    """Returns the processor seconds of a photo in one turn of a server."""
    before_s = read_run_s(found.pid)
    results, _ = load(found, photos, clients, TURN_S)
    return (read_run_s(found.pid) - before_s) / len(results)


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--before", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--clients", default=8, show_default=True)
@click.option("--turns", default=40, show_default=True, help="Of each.")
def main(repository: Path, before: Path | None, clients: int, turns: int) -> None:
    """Measures with the first model of a REPOSITORY."""
    storage, manifest = read_manifest(repository)
    names = [entry.file for entry in manifest.fallback.golden]
    photos = [storage.read_file(manifest.model, manifest.version, name) for name in names]
    tflite = storage.read_file(manifest.model, manifest.version, choose_artifact(manifest).path)
    bare = (tflite, manifest.fallback.preprocess, photos)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        make = partial(make_ours, repository.resolve(), model=manifest.model)
        servers = [replace(make(Path(place) / "now"), name="now")]
        if before is not None:
            there = replace(make(Path(place) / "before"), name="before")
            servers.append(run_checkout(there, before))
        started = [stack.enter_context(running(server, photos[0])) for server in servers]
        for found in started:
            load(found, photos, WARM_UP, 1)
        pool = stack.enter_context(get_context("spawn").Pool(count_cores(), begin_bare, bare))

        def turn_bare() -> float:
            counts, used_s = zip(*pool.map(work_bare, range(count_cores()), 1), strict=True)
            return sum(used_s) / sum(counts)

        work: dict[str, Callable[[], float]] = {"bare": turn_bare}
        work |= {one.server.name: partial(serve_turn, one, photos, clients) for one in started}
        costs_s = measure(work, turns)
    click.echo(f"{clients} clients, {turns} turns, load of the machine {os.getloadavg()[0]:.1f}\n")
    click.echo("| | ms a photo | over the bare loop | of the bound |\n| --- | ---: | ---: | ---: |")
    for name, found_s in costs_s.items():
        pairs = list(zip(found_s, costs_s["bare"], strict=True))
        over_ms = 1000 * statistics.median(cost_s - bare_s for cost_s, bare_s in pairs)
        share = statistics.median(bare_s / cost_s for cost_s, bare_s in pairs)
        median_ms = 1000 * statistics.median(found_s)
        click.echo(f"| {name} | {median_ms:.2f} | {over_ms:.2f} | {share:.0%} |")


def measure(work: dict[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Returns what each gave in each turn."""
    found: dict[str, list[float]] = {name: [] for name in work}
    chance = random.Random(0)
    for _ in range(turns):
        for name in chance.sample(list(work), len(work)):
            found[name].append(work[name]())
    return found


if __name__ == "__main__":
    main()
