"""The command that looks for float16 overflows: `python -m conversion hazards`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError, ParityError
from conversion.spread import spread_places
from training.cli import find_data
from training.config import DataSettings
from training.errors import GhostlensError
from training.preprocess import Preprocess
from training.sources.data import Photo, open_source

if TYPE_CHECKING:
    from conversion.mil.package import Package
    from conversion.parity.hazards import Hazard

_BATCH = 32


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--data", default="", help="Photos: a folder, a CSV file, 'synthetic', 'grocery'.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Take the photos of this checkpoint's source, and its preprocessing if need be.",
)
@click.option(
    "--photos",
    default=64,
    show_default=True,
    type=click.IntRange(min=0),
    help="Look at so many validation photos, evenly spread; 0 for all.",
)
@click.option("--bounds", is_flag=True, help="List upper bounds of the sums in convolutions too.")
@click.option(
    "--top",
    default=30,
    show_default=True,
    type=click.IntRange(min=0),
    help="Print so many rows of the table; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, all rows, instead of a table.")
def hazards(
    artifact: Path,
    data: str,
    checkpoint: Path | None,
    photos: int,
    bounds: bool,
    top: int,
    as_json: bool,
) -> None:
    """List how near each intermediate of ARTIFACT, an .mlpackage, comes to float16's limit.

    Exit code 1 if something overflows.
    """
    from conversion.mil.evaluator import MilProgram
    from conversion.parity.hazards import find_hazards

    program = MilProgram.from_path(artifact)
    chosen, preprocess = _choose(program.package, data, checkpoint, photos)
    batches = _read(chosen, preprocess)
    found = find_hazards(program, batches, bounds, lambda line: click.echo(line, err=True))
    if as_json:
        value = {
            "artifact": artifact.name,
            "photos": len(chosen),
            "overflows": sum(entry.overflows for entry in found),
            "hazards": [entry.to_json() for entry in found],
        }
        click.echo(json.dumps(value, indent=2, allow_nan=False))
    else:
        _print_table(artifact, len(chosen), found, top)
    if any(entry.overflows for entry in found):
        sys.exit(1)


def _choose(
    package: "Package", data: str, checkpoint: Path | None, limit: int
) -> tuple[list[Photo], Preprocess]:
    """Returns validation photos, and the preprocessing that the package or the checkpoint names."""
    settings, preprocess = DataSettings(), _read_preprocess(package)
    if checkpoint is not None:
        from training.checkpoint import load_checkpoint

        loaded = load_checkpoint(checkpoint)
        settings, preprocess = loaded.settings.data, preprocess or loaded.preprocess
    elif not data:
        raise ParityError("no photos are named: give --data, or --checkpoint")
    if preprocess is None:
        raise ArtifactError("the package does not say its preprocessing: give --checkpoint")
    source = open_source(find_data(data, settings) if data else settings)
    if not source.validation:
        raise ParityError(f"{source.name} holds no validation photos")
    places = spread_places(len(source.validation), limit or None)
    return [source.validation[place] for place in places], preprocess


def _read_preprocess(package: "Package") -> Preprocess | None:
    text = package.metadata.get("ghostlens.preprocess")
    if text is None:
        return None
    try:
        return Preprocess.from_json(json.loads(text))
    except (ValueError, GhostlensError) as error:
        raise ArtifactError(f"the package's preprocessing is damaged: {error}") from error


def _read(photos: list[Photo], preprocess: Preprocess) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(photos), _BATCH):
        batch = photos[start : start + _BATCH]
        yield np.stack([preprocess.read(photo.read(), photo.name) for photo in batch])


def _print_table(artifact: Path, photos: int, found: "list[Hazard]", top: int) -> None:
    overflowing = sum(entry.overflows for entry in found)
    click.echo(f"{artifact.name}, {photos} photos: {overflowing} of {len(found)} rows overflow")
    click.echo("headroom     largest  subnormal  place   op                tensor")
    for entry in found[: top or len(found)]:
        mark = "  OVERFLOWS" if entry.overflows else ""
        if entry.breaks:
            mark += ", first infinite or NaN here" if entry.first else ", infinite or NaN"
        click.echo(
            f"{entry.headroom:8.3g}  {entry.largest:10.4g}  {entry.subnormal_share:9.2%}  "
            f"{entry.place:6}  {entry.op:16}  {entry.tensor} ({entry.dtype}){mark}"
        )
    if top and len(found) > top:
        click.echo(f"... and {len(found) - top} rows with more headroom: --top 0 lists them")
