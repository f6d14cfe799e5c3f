"""Commands that read a repository for people: the changelog of a model."""

from pathlib import Path

import click

from serving.options import FOLDER, REPOSITORY
from serving.publishing.changelog import read_changelog, to_markdown
from serving.storage import Storage
from training.files import write_atomic


@click.command("changelog")
@click.argument("model")
@REPOSITORY
@click.option("--out", type=FOLDER, help="A file to write; printed when not given.")
def changelog_command(model: str, repository: Path | str, out: Path | None) -> None:
    """Say in Markdown what changed from version to version of MODEL."""
    text = to_markdown(model, read_changelog(Storage(repository), model))
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomic(out, text)
        click.echo(f"{out}: {len(text.encode())} bytes")
