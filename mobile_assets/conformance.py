"""Our TUF client behind the command line of the public suite for TUF clients, tuf-conformance.

`python -m mobile_assets.conformance` is the client under test; docs/trust.md has the command that
runs the suite, and what came out. Nothing else uses this file.
"""

import sys
from pathlib import Path
from urllib.parse import quote

import click

from mobile_assets.trust import TrustedRepository
from training.console import TypedErrorGroup

_FOLDER = click.Path(path_type=Path, file_okay=False)
_SHIPPED_ROOT_NAME = "shipped_root"
_METADATA_SUFFIX = "/metadata"
# The suite's files are a few bytes; its test of endless data must not fill a disk.
_MAX_BYTES = 1 << 20


@click.group(cls=TypedErrorGroup)
@click.option("--metadata-dir", required=True, type=_FOLDER)
@click.option("--metadata-url", default="")
@click.option("--target-name", "target_names", multiple=True)
@click.option("--target-base-url", "targets_url")
@click.option("--target-dir", type=_FOLDER)
@click.pass_context
def main(
    context: click.Context,
    metadata_dir: Path,
    metadata_url: str,
    target_names: tuple[str, ...],
    targets_url: str | None,
    target_dir: Path | None,
) -> None:
    """Do what the suite asks; exit with 0 when all of it was done, else with 1."""
    context.obj = dict(context.params)


@main.command()
@click.argument("trusted_root", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def init(given: dict[str, object], trusted_root: Path) -> None:
    """Keep the root that an app would be shipped with."""
    folder = Path(str(given["metadata_dir"]))
    for name in (_SHIPPED_ROOT_NAME, "root.json"):
        (folder / name).write_bytes(trusted_root.read_bytes())


@main.command()
@click.pass_obj
def refresh(given: dict[str, object]) -> None:
    """Fetch and verify the top-level metadata."""
    _open(given).refresh()


@main.command()
@click.pass_obj
def download(given: dict[str, object]) -> None:
    """Download targets, in their order, with one client."""
    repository = _open(given)
    names = given["target_names"]
    assert isinstance(names, tuple)
    for name in names:
        to = Path(str(given["target_dir"])) / quote(name, "")
        repository.download(name, to, _MAX_BYTES)


def _open(given: dict[str, object]) -> TrustedRepository:
    metadata_dir = Path(str(given["metadata_dir"]))
    targets_url = given["targets_url"]
    return TrustedRepository(
        metadata_dir,
        str(given["metadata_url"]).rstrip("/").removesuffix(_METADATA_SUFFIX),
        (metadata_dir / _SHIPPED_ROOT_NAME).read_bytes(),
        targets_url=str(targets_url) if targets_url else None,
    )


if __name__ == "__main__":
    sys.exit(main())
