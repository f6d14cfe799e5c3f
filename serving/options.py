"""Options that several commands of this room take."""

import getpass
import os
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import Any

import click

from mobile_assets.bucketing import WHOLE_SHARE_BP
from serving.publishing.objects import read_place
from serving.publishing.repository import State
from serving.settings import DATABASE_VARIABLE, STATE_VARIABLE, find_state

FOLDER = click.Path(path_type=Path)
REPOSITORY = click.option(
    "--repository",
    required=True,
    type=read_place,
    metavar="PLACE",
    help="Its folder, or s3://bucket/prefix?endpoint=URL&region=NAME.",
)
SERVED_REPOSITORY = click.option(
    "--repository",
    type=read_place,
    metavar="PLACE",
    help="Default: GHOSTLENS_REPOSITORY, or out/repository.",
)
KEYS = click.option(
    "--keys",
    multiple=True,
    type=FOLDER,
    help="What `python -m mobile_assets keys` made; one folder for each person who signs.",
)
PROPOSAL = click.option(
    "--propose",
    "proposal",
    metavar="CHANGE",
    type=FOLDER,
    help="Only write a file that others sign; `serving trust` goes on from there.",
)
NAME = click.option(
    "--name", help="Who does it, for the audit log; the name that you are logged in with without."
)


def read_share(text: str) -> int:
    """Returns a share of devices, as in 1% or 12.5%, in parts of 10,000."""
    try:
        share_bp = Decimal(text.removesuffix("%").strip()) * 100
    except InvalidOperation:
        share_bp = Decimal(-1)
    if not share_bp.is_finite() or not 0 <= share_bp <= WHOLE_SHARE_BP or share_bp != int(share_bp):
        raise click.BadParameter(f"{text!r}: allowed are 0% to 100% in steps of 0.01%")
    return int(share_bp)


def takes_state(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--state` and `--database`, and gives what they name, or None, as `state`."""

    @wraps(command)
    def call(state: Path | None, database: str | None, **given: Any) -> None:
        if database and state is not None:
            # The folder would not be looked into, which for `corrections` holds the photos too.
            raise click.UsageError(
                f"--state and --database name two places: where a server has both, name the "
                f"folder of its photos in {STATE_VARIABLE}"
            )
        command(state=database or state, **given)

    call = click.option(
        "--database",
        metavar="URL",
        help=f"The same in PostgreSQL: postgresql://user@host/name. Default: {DATABASE_VARIABLE}.",
    )(call)
    return click.option(
        "--state",
        type=FOLDER,
        help=f"What the server remembers. Default: {STATE_VARIABLE}, or beside the repository.",
    )(call)


def takes_served_state(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--repository`, as a server takes it, `--state` and `--database`."""
    return SERVED_REPOSITORY(takes_state(command))


def find_state_place(repository: Path | str, state: Path | str | None) -> Path | str:
    """Returns the folder or the database of what a server of the repository remembers.

    Args:
        repository: where it is published.
        state: as it was given on the command line, which comes before the environment.
    """
    if state is not None:
        return state
    database, folder = os.environ.get(DATABASE_VARIABLE), os.environ.get(STATE_VARIABLE)
    return database or (Path(folder) if folder else find_state(repository))


def find_actor(name: str | None) -> str:
    """Returns who does it: the name of `NAME`, or the one that the process runs under."""
    return name or getpass.getuser()


def check_signers(keys: tuple[Path, ...], proposal: Path | None) -> None:
    """Checks that a command can sign, or does not have to."""
    if not keys and proposal is None:
        raise click.UsageError("Missing option '--keys'.")


def print_expiries(state: State) -> None:
    """Prints until when each role's signatures count."""
    words = [f"{role} {when:%Y-%m-%d}" for role, when in state.expiries().items()]
    click.echo(f"signatures count until: {', '.join(words)} (`resign` renews the last two)")
