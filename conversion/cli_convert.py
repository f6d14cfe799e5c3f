"""`python -m conversion convert`: a checkpoint becomes a build."""

import os
from pathlib import Path

import click

from conversion.artifact import RUNTIMES
from conversion.variants import KEYS, PARTS, choose_variants
from training.cli import find_data

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("checkpoint", type=_FOLDER)
@click.option("--model", required=True, help="Name: lower-case letters, digits, hyphens.")
@click.option("--version", required=True, help="Semantic version, like 1.0.0.")
@click.option("--out", required=True, type=_FOLDER, help="The build's folder.")
@click.option("--variant", "keys", multiple=True, type=click.Choice(KEYS), help="All if none.")
@click.option(
    "--format", "runtimes", multiple=True, type=click.Choice(RUNTIMES), help="All its variants."
)
@click.option("--jobs", default=0, help="Converters at a time; 0 for one a core.")
@click.option("--data", default="", help="Other photos to calibrate with: their training split.")
@click.option("--calibration-photos", default=128, show_default=True, help="How many.")
@click.option(
    "--keep-float",
    multiple=True,
    type=click.Choice((*PARTS, "nothing")),
    help="Parts that int8 and palettes leave in float; each variant's own choice if not given.",
)
@click.option("--qat-steps", default=0, help="Try quantisation-aware training; keep the better.")
@click.option("--cache/--no-cache", default=True, help="Reuse artifacts that were made before.")
def convert(
    checkpoint: Path,
    model: str,
    version: str,
    out: Path,
    keys: tuple[str, ...],
    runtimes: tuple[str, ...],
    jobs: int,
    data: str,
    calibration_photos: int,
    keep_float: tuple[str, ...],
    qat_steps: int,
    cache: bool,
) -> None:
    """Convert CHECKPOINT for phones."""
    from conversion.artifact_cache import ArtifactCache
    from conversion.convert import Job
    from conversion.convert import convert as make_build
    from conversion.request import Quantisation
    from training.checkpoint import load_checkpoint

    kept = tuple(part for part in PARTS if part in keep_float) if keep_float else None
    settings = load_checkpoint(checkpoint).settings.data if data else None
    job = Job(
        checkpoint,
        model,
        version,
        choose_variants(keys, runtimes),
        Quantisation(kept, calibration_photos, qat_steps),
        find_data(data, settings) if settings else None,
    )
    at_a_time = jobs if jobs > 0 else os.cpu_count() or 1
    build = make_build(job, out, at_a_time, click.echo, ArtifactCache() if cache else None)
    click.echo(f"{out}: {len(build.artifacts)} artifacts of {model} {version}")


@click.command(name="convert-one", hidden=True)
@click.argument("order", type=_FOLDER)
def convert_one(order: Path) -> None:
    """Make the artifacts of ORDER; `convert` runs this in a process of its own."""
    from conversion.workers import run_order

    run_order(order)
