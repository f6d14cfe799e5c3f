"""`python -m serving releases halt|pause|resume`: hold back at once, without a key."""

from pathlib import Path

import click

from serving.holding import HALT, PAUSE, RESUME, change_hold
from serving.options import REPOSITORY, find_state_place, takes_state
from serving.rollouts import Rollouts
from serving.state.database import Database
from serving.storage import Storage


def _make_hold_command(action: str, words: str) -> click.Command:
    @click.command(action, help=words)
    @click.argument("model")
    @click.argument("version")
    @REPOSITORY
    @takes_state
    @click.option("--name", required=True, help="Who decided it.")
    @click.option("--reason", required=True, help="Why.")
    def command(
        model: str,
        version: str,
        repository: Path | str,
        state: Path | str | None,
        name: str,
        reason: str,
    ) -> None:
        rollouts = Rollouts(Database(find_state_place(repository, state)))
        done = change_hold(Storage(repository), rollouts, model, version, action, name, reason)
        click.echo(f"{model} {version} is {done}; devices learn of it at their next check")

    return command


HOLD_COMMANDS = tuple(
    _make_hold_command(action, words)
    for action, words in (
        (HALT, "Let nobody run VERSION: those who do go to another, or back. Needs no key."),
        (PAUSE, "Offer VERSION to nobody new while it is rolled out. Needs no key."),
        (RESUME, "End a halt or a pause, and let a raise that waits take effect. Needs no key."),
    )
)
