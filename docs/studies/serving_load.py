"""How fast the server recognises beside the bare work, and what it does when too many ask.

`python docs/studies/serving_load.py REPOSITORY`, or `make bench-serving`. The bound is the same
decode, resize and inference in a bare loop, a process a core, on the same photos; server and bound
are measured in turns, so that whatever else the machine does meets both. Clients and server share
the cores. Where the machine does other work too, photos a second flatter whoever has more
processes: processor time is compared as well, what a photo costs the server and what the loop.
Prints two tables in Markdown.
"""

import http.client
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import numpy as np

from conversion.runners import LiteRtRunner
from mobile_assets.manifest import Manifest
from serving.inference.loaded import choose_artifact
from serving.inference.photos import read_photo
from serving.server import count_cores
from serving.storage import Storage
from training.preprocess import Preprocess

CLIENTS = (1, 2, 4, 8, 16)
OVERLOAD_CLIENTS = 64
WARM_UP = 8
TIMEOUT_S = 60
Result = tuple[int, float]  # the HTTP status, and how long it took in seconds


@contextmanager
def running(repository: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Runs the server as it is deployed; gives its address and its process."""
    command = [sys.executable, "-m", "serving", "run", "--repository", str(repository)]
    command += ["--port", "0", "--state", str(folder / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://([0-9.]+:[0-9]+)", process.stdout.readline())
            if found is None:
                raise click.ClickException("the server did not start")
            yield found[1], process.pid
        finally:
            process.terminate()


def ask(connection: http.client.HTTPConnection, path: str, photo: bytes) -> Result:
    """Asks once."""
    begun_s = time.perf_counter()
    connection.request("POST", path, photo, {"Content-Type": "image/jpeg"})
    response = connection.getresponse()
    response.read()
    return response.status, time.perf_counter() - begun_s


def load(address: str, path: str, photos: list[bytes], clients: int, for_s: float) -> list[Result]:
    """Asks from several clients at once, each over one connection, one request after the other."""
    end_s = time.perf_counter() + for_s

    def run(number: int) -> list[Result]:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        results = []
        while time.perf_counter() < end_s:
            photo = photos[(number + len(results)) % len(photos)]
            results.append(ask(connection, path, photo))
        connection.close()
        return results

    with ThreadPoolExecutor(clients) as pool:
        return [result for results in pool.map(run, range(clients)) for result in results]


def work_bare(
    tflite: bytes, preprocess: Preprocess, photos: list[bytes], for_s: float, start: Barrier
) -> tuple[int, float]:
    """Recognises photos one after the other; returns how many, and the processor seconds."""
    runner = LiteRtRunner(tflite)
    runner.answer(read_photo(preprocess, photos[0])[np.newaxis])
    start.wait()
    end_s, count, begun_s = time.perf_counter() + for_s, 0, time.process_time()
    while time.perf_counter() < end_s:
        runner.answer(read_photo(preprocess, photos[count % len(photos)])[np.newaxis])
        count += 1
    return count, time.process_time() - begun_s


def measure_bound(
    tflite: bytes, preprocess: Preprocess, photos: list[bytes], for_s: float
) -> tuple[float, float]:
    """Returns a bare loop's photos a second, a process a core, and processor seconds a photo."""
    cores = count_cores()
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(cores) as pool:
        start = manager.Barrier(cores)
        jobs = [(tflite, preprocess, photos, for_s, start)] * cores
        found = pool.starmap(work_bare, jobs, chunksize=1)
    counts, used_s = (sum(column) for column in zip(*found, strict=True))
    return counts / for_s, used_s / max(1, counts)


def percentile_ms(times_s: list[float], share: float) -> float:
    """Returns a percentile, in milliseconds."""
    if not times_s:
        return math.nan
    return 1000 * sorted(times_s)[min(len(times_s) - 1, int(share * len(times_s)))]


def read_manifest(repository: Path) -> tuple[Storage, Manifest]:
    """Returns the first model's current version."""
    storage = Storage(repository)
    model, release = next(iter(storage.catalogue.releases.items()))
    return storage, storage.read_manifest(model, release.current)


def list_workers(parent: int) -> list[str]:
    """Returns the processes of a server's workers (Linux)."""
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


def read_memory_mb(parent: int) -> list[float]:
    """Returns the resident memory of each worker of a server."""
    pages = [
        int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in list_workers(parent)
    ]
    return [count * os.sysconf("SC_PAGE_SIZE") / 2**20 for count in pages]


def read_used_s(parent: int) -> float:
    """Returns the processor seconds that a server's workers used so far (proc(5): utime, stime)."""
    ticks = 0
    for child in list_workers(parent):
        behind_name = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(behind_name[11]) + int(behind_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--photos", "folder", type=click.Path(path_type=Path), help="Default: golden ones.")
@click.option("--seconds", default=4.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=3, show_default=True)
def main(repository: Path, folder: Path | None, seconds: float, rounds: int) -> None:
    """Measures with the first model of a REPOSITORY."""
    storage, manifest = read_manifest(repository)
    names = [entry.file for entry in manifest.fallback.golden]
    photos = [storage.read_file(manifest.model, manifest.version, name) for name in names]
    if folder is not None:
        photos = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:64]]
    artifact = choose_artifact(manifest)
    tflite = storage.read_file(manifest.model, manifest.version, artifact.path)
    path = f"/v1/models/{manifest.model}/recognise"
    with tempfile.TemporaryDirectory() as state, running(repository, Path(state)) as (address, pid):
        load(address, path, photos, WARM_UP, 1)
        bounds: list[tuple[float, float]] = []
        served: dict[int, list[tuple[list[Result], float]]] = {clients: [] for clients in CLIENTS}
        for _ in range(rounds):
            bounds.append(measure_bound(tflite, manifest.fallback.preprocess, photos, seconds))
            for clients in CLIENTS:
                before_s = read_used_s(pid)
                results = load(address, path, photos, clients, seconds)
                served[clients].append((results, read_used_s(pid) - before_s))
        print_speed(bounds, served, seconds)
        print_overload(load(address, path, photos, OVERLOAD_CLIENTS, 2 * seconds), 2 * seconds)
        status, _ = ask(http.client.HTTPConnection(address, timeout=TIMEOUT_S), path, photos[0])
        click.echo(f"\nthe next request: {status}")
        click.echo(f"resident, MB a worker: {[round(size) for size in read_memory_mb(pid)]}")


def print_speed(
    bounds: list[tuple[float, float]],
    served: dict[int, list[tuple[list[Result], float]]],
    seconds: float,
) -> None:
    """Prints what was answered beside the bound."""
    rates, costs_s = zip(*bounds, strict=True)
    cost_s = statistics.median(costs_s)
    click.echo(
        f"\nbare: {statistics.median(rates):.1f} photos/s on {count_cores()} cores (runs: "
        f"{', '.join(f'{rate:.1f}' for rate in rates)}), {1000 * cost_s:.1f} ms of processor time "
        "a photo\n"
    )
    click.echo(
        "| clients | photos/s | of the bound | processor, ms a photo | of the bound | p50, ms "
        "| p99, ms | not 200 |"
    )
    click.echo("| ---: " * 8 + "|")
    for clients, runs in served.items():
        good = [[took_s for status, took_s in run if status == 200] for run, _ in runs]
        ratios = [len(times_s) / seconds / rate for times_s, rate in zip(good, rates, strict=True)]
        all_s = [took_s for times_s in good for took_s in times_s]
        own_s = sum(used_s for _, used_s in runs) / max(1, len(all_s))
        rate = len(all_s) / len(runs) / seconds
        refused = sum(len(run) for run, _ in runs) - len(all_s)
        click.echo(
            f"| {clients} | {rate:.1f} | {statistics.median(ratios):.0%} "
            f"| {1000 * own_s:.1f} | {cost_s / own_s:.0%} | {percentile_ms(all_s, 0.5):.0f} "
            f"| {percentile_ms(all_s, 0.99):.0f} | {refused} |"
        )


def print_overload(results: list[Result], seconds: float) -> None:
    """Prints what became of more requests than can be answered."""
    click.echo(f"\nOverload, {OVERLOAD_CLIENTS} clients that ask again at once:\n")
    click.echo("| status | share | a second | p50, ms | p99, ms |")
    click.echo("| ---: | ---: | ---: | ---: | ---: |")
    for status, count in sorted(Counter(status for status, _ in results).items()):
        times_s = [took_s for found, took_s in results if found == status]
        click.echo(
            f"| {status} | {count / len(results):.0%} | {count / seconds:.1f} "
            f"| {percentile_ms(times_s, 0.5):.0f} | {percentile_ms(times_s, 0.99):.0f} |"
        )


if __name__ == "__main__":
    main()
