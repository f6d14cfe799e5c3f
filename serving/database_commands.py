"""`python -m serving database check|upgrade|copy`, of what the server remembers."""

from pathlib import Path

import click

from serving.errors import StateError
from serving.options import find_state_place, takes_state
from serving.publishing.objects import read_place
from serving.settings import Settings
from serving.state.checking import check
from serving.state.copying import copy_rows
from serving.state.database import Database
from serving.state.migrations import HEAD
from serving.state.on_sqlite import File
from serving.state.upgrading import read_revision

_REPOSITORY = click.option(
    "--repository",
    type=read_place,
    metavar="PLACE",
    help="The state beside it is meant, where nothing else names one. "
    "Default: GHOSTLENS_REPOSITORY, or out/repository.",
)


@click.group()
def database() -> None:
    """Look over, bring up to date, or move what the server remembers."""


@database.command("check")
@_REPOSITORY
@takes_state
def check_command(repository: Path | str | None, state: Path | str | None) -> None:
    """Say what runs it and how it is set, and check that it is whole."""
    found, wrong = _find(repository, state), 0
    click.echo(found.name)
    try:
        for finding in check(found):
            wrong += finding.wrong
            click.echo(f"{'WRONG: ' if finding.wrong else ''}{finding.words}")
    except StateError:
        click.echo("WRONG: it cannot be read, for the reason below")
        raise
    if wrong:
        raise StateError(f"{found.name}: {wrong} of the above should be looked at")


@database.command("upgrade")
@_REPOSITORY
@takes_state
def upgrade_command(repository: Path | str | None, state: Path | str | None) -> None:
    """Bring its tables up to this version, as a server's start does; a file is copied first."""
    found = _find(repository, state)
    with found.peek() as connection:
        before = read_revision(connection)
    with found.read():
        pass
    if before == HEAD:
        click.echo(f"{found.name} is at {HEAD} already")
        return
    click.echo(f"{found.name} went from {before or 'no revision'} to {HEAD}")
    if isinstance(found.place, File) and (copy := found.place.copy_before(HEAD)).is_file():
        click.echo(f"as it was, it is in {copy}")


@database.command("copy")
@_REPOSITORY
@takes_state
@click.option(
    "--to", "address", required=True, metavar="URL", help="An empty database: postgresql://..."
)
def copy_command(repository: Path | str | None, state: Path | str | None, address: str) -> None:
    """Copy all rows into an empty PostgreSQL database, and compare them. Stop the servers first."""
    source, target = _find(repository, state), Database(address)
    for name, number in copy_rows(source, target).items():
        click.echo(f"{name}: {number} rows, the same in both")
    click.echo(f"{target.name} holds it all: start the servers with GHOSTLENS_DATABASE")


def _find(repository: Path | str | None, state: Path | str | None) -> Database:
    if repository is None:
        repository = Settings.from_environment().repository
    found = Database(find_state_place(repository, state))
    if not found.exists():
        raise StateError(f"there is no {found.name} yet: a server makes it at its first use")
    return found
