"""How fast the server recognises, beside the bare work and beside other servers.

`python -m docs.studies.serving_load REPOSITORY [--rivals FOLDER]`, or `make bench-serving`. The
bound is the same decode, resize and inference in a bare loop, a process a core, on the same photos.
With `--rivals` LitServe and BentoML serve the same .tflite by the same functions, a process a core,
from environments that are made in FOLDER. Servers and bound are measured in turns, so that whatever
else the machine does meets all of them; clients and servers share the cores. Where the machine does
other work too, photos a second flatter whoever has more processes: processor time is compared as
well, what a photo costs a server, all its processes together, and what the loop. Then what it does
when too many ask. Prints tables in Markdown.
"""

import math
import os
import random
import socket
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import numpy as np

from conversion.runners import LiteRtRunner
from docs.studies.serving_servers import (
    Running,
    make_ours,
    make_rivals,
    read_memory_mb,
    read_used_s,
    running,
)
from mobile_assets.manifest import Manifest
from serving.inference.choosing import choose_artifact
from serving.inference.photos import read_photo
from serving.server import count_cores
from serving.storage import Storage
from training.preprocess import Preprocess

CLIENTS = (1, 2, 4, 8, 16)
OVERLOAD_CLIENTS = 64
OPEN_SHARE = 0.7  # of what a server answers just before
OPEN_BEFORE_CLIENTS = 8
OPEN_CLIENTS = 32
WARM_UP = 8
TIMEOUT_S = 60
Result = tuple[int, float]  # the HTTP status, and how long it took in seconds
Run = tuple[list[Result], float]  # and the processor seconds of a server meanwhile


class Client:
    """Asks over one connection. `http.client` would take 0.8 ms of a core for each photo."""

    def __init__(self, found: Running) -> None:
        host, _, port = found.address.partition(":")
        self._address, self._server = (host, int(port)), found.server
        self._line: socket.socket | None = None

    def ask(self, body: bytes, since_s: float) -> Result:
        """Asks once; the time counts from a moment that may have been earlier."""
        if self._line is None:
            self._line = socket.create_connection(self._address, TIMEOUT_S)
            self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST {self._server.path} HTTP/1.1\r\nHost: {self._address[0]}\r\n"
        head += f"Content-Type: {self._server.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._line.sendall(head.encode() + body)
        received = self._receive(b"")
        while (end := received.find(b"\r\n\r\n")) < 0:
            received = self._receive(received)
        fields = received[:end].lower()
        length = int(fields.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        while len(received) < end + 4 + length:
            received = self._receive(received)
        took_s = time.perf_counter() - since_s
        if b"\r\nconnection: close" in fields:
            self.close()
        return int(received[9:12]), took_s

    def close(self) -> None:
        """Ends the connection."""
        if self._line is not None:
            self._line.close()
        self._line = None

    def _receive(self, before: bytes) -> bytes:
        assert self._line is not None
        part = self._line.recv(1 << 16)
        if not part:
            raise ConnectionError(f"{self._server.name} closed the connection")
        return before + part


def load(found: Running, bodies: list[bytes], clients: int, for_s: float) -> Run:
    """Asks from several clients at once, each over one connection, one request after the other."""
    before_s, end_s = read_used_s(found.pid), time.perf_counter() + for_s

    def run(number: int) -> list[Result]:
        client, results = Client(found), list[Result]()
        while (begun_s := time.perf_counter()) < end_s:
            body = bodies[(number + len(results)) % len(bodies)]
            results.append(client.ask(body, begun_s))
        client.close()
        return results

    with ThreadPoolExecutor(clients) as pool:
        results = [result for part in pool.map(run, range(clients)) for result in part]
    return results, read_used_s(found.pid) - before_s


def list_moments(rate: float, for_s: float, seed: int) -> list[float]:
    """Returns random moments at which photos come, in seconds, so many a second."""
    moments, at_s = [], 0.0
    chance = random.Random(seed)
    while (at_s := at_s + chance.expovariate(rate)) < for_s:
        moments.append(at_s)
    return moments


def queue_alone(
    moments: list[float], processes: int, work_s: float, chance: random.Random | None = None
) -> list[float]:
    """Returns how long answers would take by waiting alone.

    There is one line for all processes; with `chance` each has its own, and photos come to any.
    """
    free_at_s, took_s = [0.0] * processes, []
    for moment in moments:
        chosen = chance.randrange(processes) if chance else free_at_s.index(min(free_at_s))
        free_at_s[chosen] = max(moment, free_at_s[chosen]) + work_s
        took_s.append(free_at_s[chosen] - moment)
    return took_s


def load_openly(found: Running, bodies: list[bytes], moments: list[float]) -> list[Result]:
    """Asks at some moments, whether or not answers came; times count from those moments."""
    # Each photo goes over the connection that rested longest, as photos of many phones do.
    rested = deque(Client(found) for _ in range(OPEN_CLIENTS))
    begun_s = time.perf_counter() + 0.1

    def run(index: int) -> Result:
        due_s = begun_s + moments[index]
        time.sleep(max(0.0, due_s - time.perf_counter()))
        client = rested.popleft()
        try:
            return client.ask(bodies[index % len(bodies)], due_s)
        finally:
            rested.append(client)

    with ThreadPoolExecutor(OPEN_CLIENTS) as pool:
        return list(pool.map(run, range(len(moments))))


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


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--photos", "folder", type=click.Path(path_type=Path), help="Default: golden ones.")
@click.option("--seconds", default=4.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=3, show_default=True)
@click.option(
    "--rivals",
    type=click.Path(path_type=Path, file_okay=False),
    help="Measure LitServe and BentoML too, from environments in this folder.",
)
def main(
    repository: Path, folder: Path | None, seconds: float, rounds: int, rivals: Path | None
) -> None:
    """Measures with the first model of a REPOSITORY."""
    storage, manifest = read_manifest(repository)
    names = [entry.file for entry in manifest.fallback.golden]
    photos = [storage.read_file(manifest.model, manifest.version, name) for name in names]
    if folder is not None:
        photos = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:64]]
    tflite = storage.read_file(manifest.model, manifest.version, choose_artifact(manifest).path)
    preprocess = manifest.fallback.preprocess
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        servers = [make_ours(repository.resolve(), Path(place) / "state", manifest.model)]
        if rivals is not None:
            path = Path(place) / "model.tflite"
            path.write_bytes(tflite)
            servers += make_rivals(rivals.resolve(), path, preprocess.input_px)
        started = [stack.enter_context(running(server, photos[0])) for server in servers]
        bodies = [[server.wrap(photo) for photo in photos] for server in servers]
        for found, given in zip(started, bodies, strict=True):
            load(found, given, WARM_UP, 1)
        click.echo(f"load of the machine before: {os.getloadavg()[0]:.1f}")
        bounds: list[tuple[float, float]] = []
        served: dict[tuple[str, int], list[Run]] = {}
        for _ in range(rounds):
            bounds.append(measure_bound(tflite, preprocess, photos, seconds))
            for clients in CLIENTS:
                for found, given in zip(started, bodies, strict=True):
                    runs = served.setdefault((found.server.name, clients), [])
                    runs.append(load(found, given, clients, seconds))
        print_speed(bounds, served, seconds)
        print_open(started, bodies, seconds, rounds)
        print_processes(started)
        results, _ = load(started[0], bodies[0], OVERLOAD_CLIENTS, 2 * seconds)
        print_overload(results, 2 * seconds)
        status, _ = Client(started[0]).ask(photos[0], time.perf_counter())
        click.echo(f"\nthe next request: {status}")
        click.echo(f"load of the machine after: {os.getloadavg()[0]:.1f}")


def list_good_s(runs: Sequence[Run]) -> list[list[float]]:
    """Returns, of each run, how long the answers took that were answers."""
    return [[took_s for status, took_s in results if status == 200] for results, _ in runs]


def print_speed(
    bounds: list[tuple[float, float]], served: dict[tuple[str, int], list[Run]], seconds: float
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
        "| server | clients | photos/s | of the bound | processor, ms a photo | of the bound "
        "| p50, ms | p99, ms | not 200 |"
    )
    click.echo("| --- " + "| ---: " * 8 + "|")
    for (name, clients), runs in served.items():
        good = list_good_s(runs)
        ratios = [len(times_s) / seconds / rate for times_s, rate in zip(good, rates, strict=True)]
        all_s = [took_s for times_s in good for took_s in times_s]
        own_s = sum(used_s for _, used_s in runs) / max(1, len(all_s))
        refused = sum(len(results) for results, _ in runs) - len(all_s)
        click.echo(
            f"| {name} | {clients} | {len(all_s) / len(runs) / seconds:.1f} "
            f"| {statistics.median(ratios):.0%} | {1000 * own_s:.1f} | {cost_s / own_s:.0%} "
            f"| {percentile_ms(all_s, 0.5):.0f} | {percentile_ms(all_s, 0.99):.0f} | {refused} |"
        )


def print_open(
    started: list[Running], bodies: list[list[bytes]], seconds: float, rounds: int
) -> None:
    """Prints latencies where photos come at random moments, at a share of what can be answered.

    What that is, is measured just before each run, as other work on the machine changes it. Of so
    short runs the 99th of 100 says little without what waiting alone gives at the same moments.
    """
    click.echo(f"\nAt {OPEN_SHARE:.0%} of what each answered just before, arriving at random:\n")
    click.echo("| server | photos/s | p50, ms | p99, ms | p99 / p50 | by waiting alone | not 200 |")
    click.echo("| --- " + "| ---: " * 6 + "|")
    for seed in range(rounds):
        for found, given in zip(started, bodies, strict=True):
            results, _ = load(found, given, OPEN_BEFORE_CLIENTS, seconds)
            most = sum(status == 200 for status, _ in results) / seconds
            moments = list_moments(OPEN_SHARE * most, 4 * seconds, seed)
            results = load_openly(found, given, moments)
            times_s = [took_s for status, took_s in results if status == 200]
            alone_s = queue_alone(moments, count_cores(), count_cores() / most)
            half_ms, most_ms = percentile_ms(times_s, 0.5), percentile_ms(times_s, 0.99)
            click.echo(
                f"| {found.server.name} | {OPEN_SHARE * most:.1f} | {half_ms:.0f} | {most_ms:.0f} "
                f"| {most_ms / half_ms:.1f} "
                f"| {percentile_ms(alone_s, 0.99) / percentile_ms(alone_s, 0.5):.1f} "
                f"| {len(results) - len(times_s)} |"
            )


def print_processes(started: list[Running]) -> None:
    """Prints how long the first answer took, and the memory of each process."""
    click.echo("\n| server | first answer, s | resident, MB a process |\n| --- | ---: | --- |")
    for found in started:
        sizes = ", ".join(f"{size:.0f}" for size in read_memory_mb(found.pid))
        click.echo(f"| {found.server.name} | {found.first_answer_s:.1f} | {sizes} |")


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
