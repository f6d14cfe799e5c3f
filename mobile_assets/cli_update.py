"""The command that does as an app does: ask, take, verify, test, switch."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import click

from mobile_assets.api_key import API_KEY_FILE, read_api_key
from mobile_assets.conditions import MAX_MEMORY_BYTES, NETWORKS, Device
from mobile_assets.errors import PullError
from mobile_assets.platforms import PLATFORMS
from mobile_assets.release import STABLE

_MEMORY = re.compile(r"([0-9]{1,18}) ?(B|KB|MB|GB)", re.IGNORECASE)
_BYTES_OF = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def _read_memory(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Returns bytes, of text as in 512MB."""
    if text is None:
        return None
    found = _MEMORY.fullmatch(text.strip())
    size_bytes = int(found[1]) * _BYTES_OF[found[2].upper()] if found else 0
    if not 0 < size_bytes <= MAX_MEMORY_BYTES:
        raise click.BadParameter(
            f"{text!r}: allowed are whole B, KB, MB or GB, as in 512MB, "
            f"up to {MAX_MEMORY_BYTES} bytes"
        )
    return size_bytes


@click.command("update")
@click.argument("model")
@click.option("--url", required=True, help="The server, as in http://127.0.0.1:8000.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The trusted root metadata, root.json.",
)
@click.option("--platform", type=click.Choice(PLATFORMS), required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that pulled models live in.",
)
@click.option("--channel", default=STABLE, show_default=True)
@click.option("--device-id", help="Decides which rollouts include it; a random one without.")
@click.option("--os-version", help="Of the operating system, as in 17.4.1.")
@click.option("--app-version", help="A semantic version.")
@click.option(
    "--memory",
    "memory_bytes",
    callback=_read_memory,
    metavar="SIZE",
    help="Of the device, with its unit, as in 4GB or 512MB.",
)
@click.option("--network", type=click.Choice(NETWORKS))
@click.option("--files-url", help="Where the files lie, if not where the server says.")
@click.option("--share-usage", is_flag=True, help="Tell sums of what `recognise --count` counted.")
@API_KEY_FILE
def update_command(
    model: str,
    url: str,
    root: Path,
    out: Path,
    files_url: str | None,
    share_usage: bool,
    api_key_file: Path | None,
    **said: Any,
) -> None:
    """Ask the server what to run of MODEL, and take it where the signed policy allows it."""
    from mobile_assets.client import BundleClient

    # Retries are told apart by our own message in the end.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    client = BundleClient(
        out,
        url,
        read_root(root),
        files_url=files_url,
        share_usage=share_usage,
        api_key=read_api_key(api_key_file),
    )
    result = client.update(model, Device(**said))
    decision = result.check.decision
    click.echo(f"{decision.action}: {decision.reason} ({decision.code})")
    if result.pull is not None:
        manifest = result.pull.model.manifest
        click.echo(f"{manifest.model} {manifest.version}: verified, now in use")
        click.echo(f"  downloaded {result.pull.downloaded_bytes} bytes")
        for report in result.pull.self_tests:
            click.echo(f"  self-test  {report.describe()}")
    click.echo(f"ask again in {result.check.check_again_s} s")


def read_root(path: Path) -> bytes:
    """Returns the root metadata that an app is shipped with.

    Raises:
        PullError: they cannot be read, or are something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PullError(f"cannot read the trusted root {path}: {error.strerror}") from None
    try:
        kind = json.loads(data)["signed"]["_type"]
    except (ValueError, LookupError, TypeError, RecursionError):
        kind = None
    if kind != "root":
        raise PullError(
            f"{path} is no root metadata: give root.json, which publishing writes beside the keys"
        )
    return data
