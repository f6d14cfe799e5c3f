"""The command that compares two releases."""

import json
from pathlib import Path

import click

from mobile_assets.diff.releases import compare_releases, read_release
from mobile_assets.diff.words import describe_changes

_PATH = click.Path(path_type=Path)


@click.command("diff")
@click.argument("old", type=_PATH)
@click.argument("new", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Everything, for another program.")
def diff_command(old: Path, new: Path, as_json: bool) -> None:
    """Say how release NEW differs from OLD: labels, accuracy, sizes, thresholds, preprocessing.

    Each is a bundle, or the folder DIR/MODEL of a pulled model.
    """
    changes = compare_releases(read_release(old), read_release(new))
    if as_json:
        click.echo(json.dumps(changes.to_json(), indent=2, ensure_ascii=False))
        return
    (old_model, new_model), (old_version, new_version) = changes.models, changes.versions
    click.echo(f"{old_model} {old_version} -> {new_model} {new_version}")
    for line in describe_changes(changes) or ["nothing changed that an app could see"]:
        click.echo(f"  {line}")
    for warning in changes.warnings():
        click.echo(f"  WARNING: {warning}")
