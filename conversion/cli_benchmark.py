"""The command that times artifacts: `python -m conversion benchmark`."""

import sys
from pathlib import Path

import click

from conversion.artifact import PARITY_NAME
from conversion.benchmark.result import BENCHMARK_NAME
from training.console import share_cores

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("build", type=_FOLDER)
@click.option("--checkpoint", required=True, type=_FOLDER, help="What the build was made of.")
@click.option(
    "--rounds",
    default=20,
    show_default=True,
    type=click.IntRange(min=2),
    help="How often every contender takes a turn.",
)
@click.option(
    "--spin/--no-spin",
    default=False,
    show_default=True,
    help="Let waiting threads of PyTorch and ONNX Runtime spin; only for an idle machine.",
)
@click.option("--out", default=None, type=_FOLDER, help="Folder to write; BUILD/benchmark if none.")
def benchmark(build: Path, checkpoint: Path, rounds: int, spin: bool, out: Path | None) -> None:
    """Time every artifact of BUILD that can run here, beside PyTorch and ONNX Runtime.

    The figures go into BUILD's HTML report, too, where parity was run.
    Exit code 1 if one that should run here could not.
    """
    share_cores()
    from conversion.benchmark.measure import run_benchmark
    from conversion.benchmark.report import name_of, ratio_text
    from conversion.benchmark.turns import Options
    from conversion.report.html_report import write_report
    from training.checkpoint import load_checkpoint

    options = Options(rounds, spin)
    result = run_benchmark(build, load_checkpoint(checkpoint), options, out, click.echo)
    for entry in result.entries:
        for timing in entry.timings:
            click.echo(
                f"{entry.title}, {timing.threads} thread{'s' * (timing.threads > 1)}: median "
                f"{timing.median_ms:.2f} ms, p90 {timing.p90_ms:.2f} ms, "
                f"{ratio_text(timing.over_eager)} times as fast as PyTorch"
            )
        if entry.why_not:
            verb = "FAILED" if entry.failed else "not timed"
            click.echo(f"{name_of(entry)}: {verb}: {entry.why_not}")
    click.echo(f"report: {(out or build / BENCHMARK_NAME) / 'benchmark.md'}")
    if out is None and (build / PARITY_NAME).exists():
        click.echo(f"report: {write_report(build)}")
    if any(entry.failed for entry in result.entries):
        sys.exit(1)
