"""Commands about keys: `keys` makes them, `provenance` checks what one signed about a bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mobile_assets.bundle import Bundle

_FOLDER = click.Path(path_type=Path, file_okay=False)
_PATH = click.Path(path_type=Path)
# As `mobile_assets.signing.ROLES`, which takes long to import.
_ROLES = ("root", "targets", "snapshot", "timestamp")


@click.command("keys")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(_ROLES),
    help="Only this role's key, as for one that replaces another; all four when not given.",
)
@click.option(
    "--model", "models", multiple=True, help="A key for this model; FOLDER may be there already."
)
def keys_command(folder: Path, roles: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Make the signing keys of a repository in FOLDER, which must be empty or missing."""
    from mobile_assets.signing import (
        PASSPHRASE_VARIABLE,
        PUBLIC_KEYS_NAME,
        WARNING,
        add_model_key,
        create_keys,
        key_path,
    )

    if models and not roles and (folder / PUBLIC_KEYS_NAME).is_file():
        public = {model: add_model_key(folder, model) for model in models}
    else:
        public = create_keys(folder, roles or (() if models else _ROLES), models)
    for role, key in public.items():
        click.echo(f"{role:<10} {key.keyid}  {key_path(folder, role)}")
    click.echo(f"WARNING: {WARNING}", err=True)
    click.echo(f"{folder / 'README.txt'} says what each is for. To have the files encrypted, set")
    click.echo(f"{PASSPHRASE_VARIABLE} before making keys.")


@click.command("provenance")
@click.argument("bundle_path", metavar="BUNDLE", type=_PATH)
@click.option("--keys", required=True, type=_PATH, help="A keys.json, of which one key signed.")
def provenance_command(bundle_path: Path, keys: Path) -> None:
    """Check the statement beside BUNDLE, and say what it was made from."""
    from mobile_assets.bundle import open_bundle
    from mobile_assets.provenance import verify_provenance
    from mobile_assets.signing import load_public_keys

    bundle = open_bundle(bundle_path)
    statement = verify_provenance(bundle, load_public_keys(keys).values())
    click.echo(f"{bundle_path}: the statement beside it is signed, and about these bytes")
    for material in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
        click.echo(f"  made from the {material['name']}, {material['digest']['sha256']}")


def prepare_provenance(key: Path) -> "Callable[[Bundle], Path]":
    """Loads the key before long work begins; returns what signs a bundle's statement with it."""
    from mobile_assets.provenance import write_provenance
    from mobile_assets.signing import load_any_signer

    signer = load_any_signer(key)
    return lambda bundle: write_provenance(bundle, signer)
