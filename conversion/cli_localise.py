"""The command that looks for a broken layer: `python -m conversion localise`."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import numpy.typing as npt

from conversion.cli_structure import variant_of
from conversion.errors import ParityError
from conversion.spread import spread_places
from training.cli import find_data

if TYPE_CHECKING:
    from conversion.localise.steps import Localisation
    from training.checkpoint import Checkpoint

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("artifact", type=_FOLDER)
@click.option("--checkpoint", required=True, type=_FOLDER, help="What the artifact was made of.")
@click.option("--data", default="", help="Other photos than those of the checkpoint's source.")
@click.option("--photos", default=8, type=click.IntRange(1), help="On how many photos; a few do.")
@click.option("--rows", default=15, help="How many values to list, worst first; 0 for all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def localise(
    artifact: Path, checkpoint: Path, data: str, photos: int, rows: int, as_json: bool
) -> None:
    """Find the first layer where ARTIFACT leaves CHECKPOINT; exit code 1 if there is one."""
    variant = variant_of(artifact)
    from conversion.localise.steps import localise as search
    from training.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    if data:
        settings = replace(loaded.settings, data=find_data(data, loaded.settings.data))
        loaded = replace(loaded, settings=settings)
    found = search(artifact, variant, loaded, _read_photos(loaded, photos))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, sort_keys=True))
    else:
        _print_table(found, rows)
    if found.reasons():
        sys.exit(1)


def _read_photos(checkpoint: "Checkpoint", limit: int) -> npt.NDArray[np.uint8]:
    """Returns validation photos at even distances, preprocessed; their labels do not matter."""
    from training.sources.data import open_source

    source = open_source(checkpoint.settings.data)
    photos = source.validation
    if not photos:
        raise ParityError(f"{source.name} holds no validation photos to compare on")
    chosen = [photos[place] for place in spread_places(len(photos), limit)]
    return np.stack([checkpoint.preprocess.read(photo.read(), photo.name) for photo in chosen])


def _print_table(found: "Localisation", rows: int) -> None:
    click.echo(
        f"{found.artifact} against checkpoint {found.checkpoint_sha256[:12]} on {found.photos} "
        f"photos, {len(found.steps)} values; a step's own ratio should reach "
        f"{found.expected_db:.0f} dB"
    )
    difference = found.runtime_difference
    same = "" if difference is None else f"; {found.runtime} gives the same to {difference:.2g}"
    click.echo(f"probabilities by {found.evaluator}{same}")
    click.echo(f"{'own dB':>7} {'total dB':>8}  {'layer':36} tensor in the artifact")
    for step in found.ranked[: rows or None]:
        mark = "  <-- leaves the model" if step.fault else ""
        click.echo(
            f"{step.own_db:7.1f} {step.total_db:8.1f}  {step.layer:36} {shorten(step.tensor)}{mark}"
        )
    first = found.first
    if first is None:
        click.echo("first layer that leaves the model: none")
    else:
        click.echo(
            f"first layer that leaves the model: {first.layer}, in the artifact "
            f"{shorten(first.tensor)}: {first.fault}"
        )
    for reason in found.reasons():
        if first is None or not reason.startswith("first leaves"):
            click.echo(f"reason: {reason}")


def shorten(name: str) -> str:
    """Returns the module path in a long tensor name of LiteRT, and other names as they are.

    The converter writes the class before each name: "a.B_c/torch.nn.Conv2d_0;1" is "c.0".
    """
    first = next((part for part in name.split(";") if "/" in part), "")
    parts = [part.rpartition(".")[2].partition("_")[2] for part in first.split("/")]
    return ".".join(part for part in parts if part) or name
