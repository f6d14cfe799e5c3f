"""`python -m serving releases halt|pause|resume`: hold back at once, without a key."""

from pathlib import Path

import click

from serving.errors import PublishError
from serving.options import REPOSITORY, find_state_place, takes_state
from serving.policy import find_on_its_way
from serving.rollouts import HALTED, PAUSED, Rollouts
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
        catalogue = Storage(repository).catalogue
        catalogue.choose_version(model, version)
        release = catalogue.find_release(model)
        if action == "pause" and all(
            find_on_its_way(release, channel) != version for channel in release.channels
        ):
            raise PublishError(
                f"{model} {version} is not being rolled out, and a pause stops nothing else: "
                "`releases halt` takes a version from everybody"
            )
        rollouts = Rollouts(Database(find_state_place(repository, state)))
        if action == "resume":
            rollouts.resume(model, version, name, reason, release)
        else:
            rollouts.hold(model, version, HALTED if action == "halt" else PAUSED, name, reason)
        done = {"halt": "halted", "pause": "paused", "resume": "resumed"}[action]
        click.echo(f"{model} {version} is {done}; devices learn of it at their next check")

    return command


HOLD_COMMANDS = tuple(
    _make_hold_command(action, words)
    for action, words in (
        ("halt", "Let nobody run VERSION: those who do go to another, or back. Needs no key."),
        ("pause", "Offer VERSION to nobody new while it is rolled out. Needs no key."),
        ("resume", "End a halt or a pause, and let a raise that waits take effect. Needs no key."),
    )
)
