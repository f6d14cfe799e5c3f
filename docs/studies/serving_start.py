"""How long the server takes from its command to the first answer.

`python -m docs.studies.serving_start REPOSITORY [--beside CHECKOUT]`. The server starts with a
state that is new, and again with the one that it left; then all its processes but the first are
killed. With `--beside` the code of another checkout starts in turns with this one's, so that
whatever else the machine does meets both. Time by the clock depends on that, processor time of all
its processes until the answer less. One start of each is not counted: it leaves the byte code of
its modules, as an installed package has it. Prints a table in Markdown.
"""

import os
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from docs.studies.serving_load import read_manifest
from docs.studies.serving_servers import (
    Server,
    list_processes,
    make_ours,
    read_memory_mb,
    read_used_s,
    run_checkout,
    running,
    wait_for_answer,
)

SETTLE_S = 1.0  # until the other processes have loaded the model too


@dataclass(frozen=True)
class Start:
    """One start.

    Attributes:
        answered_s: from the command to the first answer, by the clock.
        used_s: processor time of all its processes until then.
        memory_mb: resident memory of the largest of them.
        again_s: from the kill of those that answer to the next answer, by the clock.
    """

    answered_s: float
    used_s: float
    memory_mb: float
    again_s: float


def start_once(server: Server, photo: bytes) -> Start:
    """Starts a server, kills what answers of it once it did, and ends it after the next answer."""
    with running(server, photo) as found:
        used_s = read_used_s(found.pid)
        time.sleep(SETTLE_S)
        memory_mb = read_memory_mb(found.pid)[0]
        begun_s = time.perf_counter()
        for pid in list_processes(found.pid)[1:]:
            os.kill(pid, signal.SIGKILL)
        again_s = wait_for_answer(server, found.address, photo, begun_s)
        return Start(found.first_answer_s, used_s, memory_mb, again_s)


def measure(
    repository: Path, model: str, photo: bytes, code: dict[str, Path], turns: int
) -> dict[tuple[str, str], list[Start]]:
    """Starts the server of each checkout in turns, twice each time."""
    found: dict[tuple[str, str], list[Start]] = {}
    for turn in range(-1, turns):
        for name, checkout in code.items():
            with tempfile.TemporaryDirectory() as state:
                ours = make_ours(repository, Path(state) / "state", model)
                server = run_checkout(ours, checkout)
                for kind in ("new", "kept"):
                    start = start_once(server, photo)
                    if turn >= 0:
                        found.setdefault((name, kind), []).append(start)
    return found


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--beside",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A checkout of the code to compare with.",
)
@click.option("--turns", default=5, show_default=True, type=click.IntRange(1))
def main(repository: Path, beside: Path | None, turns: int) -> None:
    """Measures with the first model of a REPOSITORY."""
    storage, manifest = read_manifest(repository)
    golden = manifest.fallback.golden[0].file
    photo = storage.read_file(manifest.model, manifest.version, golden)
    code = {"this": Path(__file__).resolve().parents[2]}
    if beside is not None:
        code = {"beside": beside} | code
    click.echo(f"load of the machine before: {os.getloadavg()[0]:.1f}\n")
    found = measure(repository.resolve(), manifest.model, photo, code, turns)
    click.echo(
        "| code | state | first answer, s | processor, s | after a kill, s | largest process, MB |"
    )
    click.echo("| --- | --- " + "| ---: " * 4 + "|")
    for (name, kind), starts in found.items():
        click.echo(
            f"| {name} | {kind} | {_describe([one.answered_s for one in starts])} "
            f"| {_describe([one.used_s for one in starts])} "
            f"| {_describe([one.again_s for one in starts])} "
            f"| {max(one.memory_mb for one in starts):.0f} |"
        )
    click.echo(f"\nload of the machine after: {os.getloadavg()[0]:.1f}")


def _describe(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
