"""The commands of the serving room: `python -m serving ...`."""

import logging
import signal
import threading
from pathlib import Path

import click

from mobile_assets.manifest import Manifest
from serving.publish import publish, resign, set_current
from serving.renewal import find_due, read_duration_s, renew_repeatedly
from serving.repository import State
from serving.settings import Settings
from serving.storage import Storage
from serving.trust_commands import trust
from training.console import TypedErrorGroup

_FOLDER = click.Path(path_type=Path)
_REPOSITORY = click.option(
    "--repository", required=True, type=_FOLDER, help="The repository's folder."
)
_KEYS = click.option(
    "--keys",
    multiple=True,
    type=_FOLDER,
    help="What `python -m mobile_assets keys` made; one folder for each person who signs.",
)
_PROPOSAL = click.option(
    "--propose",
    "proposal",
    metavar="CHANGE",
    type=_FOLDER,
    help="Only write a file that others sign; `serving trust` goes on from there.",
)


@click.group(cls=TypedErrorGroup)
def main() -> None:
    """Signed bundles out to phones, and answers for those that are not sure."""


main.add_command(trust)


@main.command("publish")
@click.argument("bundle", type=_FOLDER)
@_REPOSITORY
@_KEYS
@_PROPOSAL
def publish_command(
    bundle: Path, repository: Path, keys: tuple[Path, ...], proposal: Path | None
) -> None:
    """Sign a bundle, publish it, and make it the current version."""
    _check_signers(keys, proposal)
    done = publish(bundle, repository, keys, proposal)
    if not done.changed:
        click.echo(f"{done.model} {done.version} is published already, with the same content")
    elif proposal is not None:
        click.echo(f"{proposal} is to be signed: `python -m serving trust show {proposal}`")
    else:
        click.echo(f"{done.model} {done.version} is published in {repository} and is current")
        click.echo(f"apps ship with {keys[0] / 'root.json'} as trusted root")
        _print_expiries(done.state)


@main.command("set-current")
@click.argument("model")
@click.argument("version")
@_REPOSITORY
@_KEYS
def set_current_command(model: str, version: str, repository: Path, keys: tuple[Path, ...]) -> None:
    """Make a published version the current one: roll forward or back."""
    _check_signers(keys, None)
    done = set_current(model, version, repository, keys)
    click.echo(f"{model} {version} is {'now' if done.changed else 'already'} the current version")


@main.command("resign")
@_REPOSITORY
@_KEYS
@click.option(
    "--every", metavar="TIME", help="Go on until SIGTERM, renewing each TIME, as in 30m or 12h."
)
def resign_command(repository: Path, keys: tuple[Path, ...], every: str | None) -> None:
    """Renew the snapshot and the timestamp before clients refuse them."""
    _check_signers(keys, None)
    if every is not None:
        _resign_repeatedly(repository, keys, every)
        return
    state = resign(repository, keys)
    click.echo(f"signed anew: timestamp version {state.timestamp.version}")
    for words in find_due(state):
        click.echo(f"WARNING: {words}", err=True)
    _print_expiries(state)


@main.command()
@_REPOSITORY
def releases(repository: Path) -> None:
    """List models and versions; `*` marks the current one."""
    storage = Storage(repository)
    problems = storage.find_problems()
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    for model, release in storage.catalogue.releases.items():
        for version in release.names:
            manifest = storage.read_manifest(model, version)
            mark = "*" if version == release.current else " "
            runtimes = ", ".join(artifact.runtime for artifact in manifest.artifacts)
            click.echo(
                f"{mark} {model} {version}  top-1 {100 * manifest.metrics.top1:.1f} % on "
                f"{manifest.metrics.photos} photos, {len(manifest.labels)} labels, {runtimes}"
                + _describe_cloud(manifest)
            )
    _print_expiries(storage.catalogue.state)


@main.command()
@click.option("--repository", type=_FOLDER, help="Default: GHOSTLENS_REPOSITORY.")
@click.option("--trusted-root", type=_FOLDER, help="Default: GHOSTLENS_TRUSTED_ROOT.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--threads", type=int, help="Default: GHOSTLENS_THREADS, or 8.")
def run(
    repository: Path | None, trusted_root: Path | None, host: str, port: int, threads: int | None
) -> None:
    """Serve a repository until SIGTERM or Ctrl-C."""
    from serving.server import serve

    settings = Settings.from_environment(
        repository=repository, trusted_root=trusted_root, threads=threads
    )
    serve(settings, host, port)


@main.command()
@click.option("--out", default=Path("out/demo"), show_default=True, type=_FOLDER)
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


def _check_signers(keys: tuple[Path, ...], proposal: Path | None) -> None:
    if not keys and proposal is None:
        raise click.UsageError("Missing option '--keys'.")


def _resign_repeatedly(repository: Path, keys: tuple[Path, ...], every: str) -> None:
    every_s = read_duration_s(every)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    renew_repeatedly(lambda: resign(repository, keys), every_s, stopped)


def _describe_cloud(manifest: Manifest) -> str:
    cloud = manifest.cloud
    if cloud is None:
        return ""
    return (
        f"; the server answers with {cloud.architecture}, "
        f"top-1 {100 * cloud.metrics.top1:.1f} % on {cloud.metrics.photos} photos"
    )


def _print_expiries(state: State) -> None:
    words = [f"{role} {when:%Y-%m-%d}" for role, when in state.expiries().items()]
    click.echo(f"signatures count until: {', '.join(words)} (`resign` renews the last two)")
