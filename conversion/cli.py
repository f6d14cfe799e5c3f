"""The commands of the conversion room: `python -m conversion ...`."""

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click

from conversion.artifact import RUNTIMES, ParityReport, read_build, read_parity
from conversion.cli_structure import inspect_artifact
from training.cli import find_data
from training.console import TypedErrorGroup

_FOLDER = click.Path(path_type=Path)


@click.group(cls=TypedErrorGroup)
def main() -> None:
    """A checkpoint in, artifacts and a parity report out."""


@main.command()
@click.argument("checkpoint", type=_FOLDER)
@click.option("--model", required=True, help="Name: lower-case letters, digits, hyphens.")
@click.option("--version", required=True, help="Semantic version, like 1.0.0.")
@click.option("--out", required=True, type=_FOLDER, help="The build's folder.")
@click.option(
    "--format", "runtimes", multiple=True, type=click.Choice(RUNTIMES), help="All if none."
)
@click.option("--jobs", default=0, help="Formats at a time; 0 for one a core.")
def convert(
    checkpoint: Path, model: str, version: str, out: Path, runtimes: tuple[str, ...], jobs: int
) -> None:
    """Convert CHECKPOINT for phones."""
    from conversion.convert import Job
    from conversion.convert import convert as make_build

    job = Job(checkpoint, model, version, runtimes or RUNTIMES)
    build = make_build(job, out, jobs if jobs > 0 else os.cpu_count() or 1, click.echo)
    click.echo(f"{out}: {len(build.artifacts)} artifacts of {model} {version}")


@main.command()
@click.argument("build", type=_FOLDER)
@click.option("--checkpoint", required=True, type=_FOLDER, help="What the build was made of.")
@click.option("--data", default="", help="Other photos than those of the checkpoint's source.")
@click.option("--photos", default=0, help="Compare on at most so many photos; 0 for all.")
def parity(build: Path, checkpoint: Path, data: str, photos: int) -> None:
    """Compare every artifact of BUILD with CHECKPOINT on real photos; exit code 1 if one fails."""
    from conversion.parity import run_parity
    from training.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    if data:
        settings = replace(loaded.settings, data=find_data(data, loaded.settings.data))
        loaded = replace(loaded, settings=settings)
    reports = run_parity(build, loaded, photos or None, click.echo)
    for report in reports:
        _tell_verdict(report)
    click.echo(f"report: {build / 'parity' / 'report.md'}")
    if not all(report.passed for report in reports):
        sys.exit(1)


@main.command()
@click.argument("build", type=_FOLDER)
def show(build: Path) -> None:
    """List what BUILD holds, and the verdicts of its parity."""
    content = read_build(build)
    click.echo(
        f"{content.model} {content.version}: {content.architecture}, "
        f"{len(content.labels)} classes, {content.preprocess.input_px} px, "
        f"checkpoint {content.checkpoint_sha256[:12]}"
    )
    reports = read_parity(build) if (build / "parity").exists() else {}
    for artifact in content.artifacts:
        click.echo(f"{artifact.file_name}: {artifact.size_bytes / 1e6:.1f} MB")
        if artifact.file_name in reports:
            _tell_verdict(reports[artifact.file_name])
        else:
            click.echo("  parity: not run")


@main.command(name="convert-one", hidden=True)
@click.argument("checkpoint", type=_FOLDER)
@click.option("--model", required=True)
@click.option("--version", required=True)
@click.option("--format", "runtime", required=True, type=click.Choice(RUNTIMES))
@click.option("--folder", required=True, type=_FOLDER)
@click.option("--answer", required=True, type=_FOLDER)
def convert_one(
    checkpoint: Path, model: str, version: str, runtime: str, folder: Path, answer: Path
) -> None:
    """Make one artifact; `convert` runs this in a process of its own."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from conversion import convert as work

    job = work.Job(checkpoint, model, version, (runtime,))
    work.write_answer(work.convert_one(job, folder), answer)


def _end_with_parent() -> None:
    """Ends this process when the one that started it ends: its end of the pipe closes then."""
    os.read(0, 1)  # not through `sys.stdin`, whose lock would be held at our own end
    os._exit(1)


def _tell_verdict(report: ParityReport) -> None:
    verdict = "passed" if report.passed else "FAILED"
    click.echo(
        f"  {verdict}: {report.artifact} in {report.evaluator}: same answer on "
        f"{report.agreement:.2%} of {report.photos} photos, largest probability difference "
        f"{report.max_probability_difference:.2g}"
    )
    for reason in report.reasons():
        click.echo(f"  reason: {reason}")


main.add_command(inspect_artifact)
