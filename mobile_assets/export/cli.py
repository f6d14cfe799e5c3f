"""The command that lays a bundle out for Android, iOS or the web."""

from pathlib import Path

import click

from conversion.variants import PRECISIONS
from mobile_assets.bundle import open_bundle
from mobile_assets.export.android import export_android
from mobile_assets.export.delivery import DELIVERY_NAMES
from mobile_assets.export.ios import export_ios
from mobile_assets.export.targeting import read_groups
from mobile_assets.export.web import export_web
from mobile_assets.platforms import RUNTIMES_OF, check_platform

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.argument("bundle_path", metavar="BUNDLE", type=_FILE)
@click.option("--android-ai-pack", "android", type=_FOLDER, metavar="DIR", help="A Play AI pack.")
@click.option("--ios", type=_FOLDER, metavar="DIR", help="Files for Xcode, and an asset pack.")
@click.option("--web", type=_FOLDER, metavar="DIR", help="A static folder for LiteRT.js.")
@click.option(
    "--runtime",
    type=click.Choice(sorted({name for names in RUNTIMES_OF.values() for name in names})),
    help="The runtime that the app links; the platform's default when not given.",
)
@click.option(
    "--precision", type=click.Choice(tuple(PRECISIONS)), help="The most faithful when not given."
)
@click.option(
    "--delivery",
    type=click.Choice(DELIVERY_NAMES),
    default=DELIVERY_NAMES[0],
    show_default=True,
    help="When the store brings the model; Apple says essential, prefetch, onDemand.",
)
@click.option(
    "--device-groups",
    "groups_path",
    type=_FILE,
    metavar="TOML",
    help="Which phones get another precision, by memory or chip; see docs/phones.md.",
)
def export_command(
    bundle_path: Path,
    android: Path | None,
    ios: Path | None,
    web: Path | None,
    runtime: str | None,
    precision: str | None,
    delivery: str,
    groups_path: Path | None,
) -> None:
    """Lay BUNDLE out as one platform's project takes it in, with a README for who opens it."""
    targets = [name for name, target in (("a", android), ("i", ios), ("w", web)) if target]
    if len(targets) != 1:
        raise click.UsageError("name one of --android-ai-pack, --ios and --web")
    if groups_path is not None and android is None:
        raise click.UsageError(
            "--device-groups is for --android-ai-pack: Google Play targets phones"
        )
    bundle = open_bundle(bundle_path)
    if android is not None:
        groups = () if groups_path is None else read_groups(groups_path)
        content = export_android(bundle, android, runtime, precision, delivery, groups)
    elif ios is not None:
        content = export_ios(bundle, ios, runtime, precision, delivery)
    elif web is not None:
        check_platform("web", runtime)
        content = export_web(bundle, web, precision)
    folder = android or ios or web
    click.echo(
        f"{folder}: {content.manifest.model} {content.manifest.version} for {content.platform}, "
        f"{content.artifact.runtime} {content.artifact.precision}; every hash was checked"
    )
    click.echo(f"{folder}/README.md says how to use it")
