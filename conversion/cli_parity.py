"""The commands `parity` and `show` of the conversion room."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from conversion.artifact import read_build, read_parity
from conversion.parity.gate import Gate
from conversion.parity.report import ParityReport, points
from training.cli import find_data

_FOLDER = click.Path(path_type=Path)
_GATE = Gate()


@click.command()
@click.argument("build", type=_FOLDER)
@click.option("--checkpoint", required=True, type=_FOLDER, help="What the build was made of.")
@click.option("--data", default="", help="Other photos than those of the checkpoint's source.")
@click.option(
    "--photos",
    default=0,
    type=click.IntRange(min=0),
    help="Compare on at most so many photos; 0 for all.",
)
@click.option(
    "--margin-float",
    default=_GATE.margin_float,
    show_default=True,
    help="The accuracy loss of fp32 and fp16 must surely be smaller; a share.",
)
@click.option(
    "--margin-int8",
    default=_GATE.margin_int8,
    show_default=True,
    help="The same for int8 and palettes.",
)
@click.option(
    "--cross-check/--no-cross-check",
    default=True,
    show_default=True,
    help="Run each .tflite in TensorFlow's interpreter as well.",
)
def parity(
    build: Path,
    checkpoint: Path,
    data: str,
    photos: int,
    margin_float: float,
    margin_int8: float,
    cross_check: bool,
) -> None:
    """Compare every artifact of BUILD with CHECKPOINT on real photos.

    Exit code 1 if one that was executed does not pass.
    """
    from conversion.parity.check import Options, run_parity
    from training.checkpoint import load_checkpoint

    gate = Gate(margin_float=margin_float, margin_int8=margin_int8)
    loaded = load_checkpoint(checkpoint)
    if data:
        settings = replace(loaded.settings, data=find_data(data, loaded.settings.data))
        loaded = replace(loaded, settings=settings)
    options = Options(photos or None, gate, cross_check)
    reports = run_parity(build, loaded, options, click.echo)
    for report in reports:
        _tell_verdict(report)
    click.echo(f"report: {build / 'parity' / 'report.md'}, {build / 'report' / 'report.html'}")
    if not all(report.passed for report in reports if report.executed):
        sys.exit(1)


@click.command()
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


def _tell_verdict(report: ParityReport) -> None:
    verdict = report.verdict if report.passed else report.verdict.upper()
    line = f"  {verdict}: {report.artifact}"
    if report.photos:
        line += (
            f" in {report.evaluator}: accuracy loss {points(report.loss)} points (95 % interval "
            f"{points(report.loss_low)} to {points(report.loss_high)}, margin "
            f"{points(report.loss_margin)}), same answer on {report.agreement:.2%} of "
            f"{report.photos} photos"
        )
    click.echo(line)
    for reason in report.reasons():
        click.echo(f"  reason: {reason}")
