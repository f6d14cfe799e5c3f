"""The commands of the serving room: `python -m serving ...`."""

import logging
import os
import signal
import threading
from importlib import import_module
from pathlib import Path

import click

from serving.options import (
    FOLDER,
    KEYS,
    REPOSITORY,
    SERVED_REPOSITORY,
    check_signers,
    print_expiries,
)
from serving.settings import DATABASE_VARIABLE, Settings
from training.console import TypedErrorGroup

# Where the other commands are. They are imported when they are asked for: a server needs none.
_ELSEWHERE = {
    "changelog": ("serving.publishing.registry_commands", "changelog_command"),
    "corrections": ("serving.corrections.commands", "corrections_group"),
    "database": ("serving.database_commands", "database"),
    "drift": ("serving.dashboard.commands", "drift_command"),
    "keys": ("serving.access.commands", "keys_group"),
    "publish": ("serving.publishing.release_commands", "publish_command"),
    "releases": ("serving.publishing.release_commands", "releases"),
    "trust": ("serving.publishing.trust_commands", "trust"),
}


class _Commands(TypedErrorGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of all commands."""
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command; None where there is none of this name."""
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name]
        found: click.Command = getattr(import_module(module), name)
        return found


@click.group(cls=_Commands)
def main() -> None:
    """Signed bundles out to phones, and answers for those that are not sure."""


@main.command("resign")
@REPOSITORY
@KEYS
@click.option(
    "--every", metavar="TIME", help="Go on until SIGTERM, renewing each TIME, as in 30m or 12h."
)
def resign_command(repository: Path | str, keys: tuple[Path, ...], every: str | None) -> None:
    """Renew the snapshot and the timestamp before clients refuse them."""
    from serving.publishing.publish import resign
    from serving.publishing.renewal import find_due

    check_signers(keys, None)
    if every is not None:
        _resign_repeatedly(repository, keys, every)
        return
    state = resign(repository, keys)
    click.echo(f"signed anew: timestamp version {state.timestamp.version}")
    for words in find_due(state):
        click.echo(f"WARNING: {words}", err=True)
    print_expiries(state)


@main.command()
@SERVED_REPOSITORY
@click.option("--trusted-root", type=FOLDER, help="Default: GHOSTLENS_TRUSTED_ROOT.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", type=int, help="Default: GHOSTLENS_WORKERS, or one a core.")
@click.option("--threads", type=int, help="Default: GHOSTLENS_THREADS, or 32.")
@click.option("--state", type=FOLDER, help="Default: GHOSTLENS_STATE, or beside the repository.")
@click.option(
    "--database",
    metavar="URL",
    help="postgresql://user@host/name instead of that. Default: GHOSTLENS_DATABASE.",
)
@click.option(
    "--files-url",
    metavar="URL",
    help="Where others serve the repository's targets/. Default: GHOSTLENS_FILES_URL, or here.",
)
def run(host: str, port: int, **given: Path | str | int | None) -> None:
    """Serve a repository until SIGTERM or Ctrl-C."""
    from serving.server import serve

    if given["state"] is not None and given["database"] is None:
        given["database"] = ""  # the command line comes before the environment
        if os.environ.get(DATABASE_VARIABLE):
            click.echo(f"WARNING: --state sets {DATABASE_VARIABLE} aside", err=True)
    serve(Settings.from_environment(None, **given), host, port)


@main.command()
@click.option("--out", default=Path("out/demo"), show_default=True, type=FOLDER)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--preset", default="demo", show_default=True, help="A training preset.")
@click.option(
    "--cloud",
    default="",
    metavar="PRESET",
    help="Train a wider network as well, as in demo-cloud: it answers on the server, and teaches "
    "the one for devices.",
)
def demo(out: Path, port: int, preset: str, cloud: str) -> None:
    """The whole way on built-in photos: train, convert, sign, publish, pull, recognise."""
    from serving.demo import run_demo

    run_demo(out, port, preset, cloud)


def _resign_repeatedly(repository: Path | str, keys: tuple[Path, ...], every: str) -> None:
    from serving.publishing.publish import resign
    from serving.publishing.renewal import read_duration_s, renew_repeatedly

    every_s = read_duration_s(every)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    renew_repeatedly(lambda: resign(repository, keys), every_s, stopped)
