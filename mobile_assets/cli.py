"""Commands of the mobile assets room: keys, bundle, show, pull, recognise, vectors, contract."""

import logging
from pathlib import Path

import click

from conversion.parity.confidences import ArtifactConfidence
from conversion.parity.report import points
from conversion.variants import PRECISIONS
from mobile_assets.api_key import API_KEY_FILE, read_api_key
from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.cli_keys import keys_command, prepare_provenance, provenance_command
from mobile_assets.cli_update import read_root, update_command
from mobile_assets.diff.cli import diff_command
from mobile_assets.errors import VectorsError
from mobile_assets.export.cli import export_command
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import PLATFORMS, RUNTIMES_OF
from mobile_assets.release import STABLE
from mobile_assets.released import CLOUD, ReleasedModel
from training.console import TypedErrorGroup
from training.errors import PhotoError
from training.files import write_atomic

# Far above any photo that passes the limit on pixels.
_MAX_PHOTO_BYTES = 256 << 20
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=TypedErrorGroup)
def main() -> None:
    """Pack what passed parity into a bundle; pull, verify and use it as an app would."""


main.add_command(export_command)
main.add_command(diff_command)
main.add_command(keys_command)
main.add_command(provenance_command)
main.add_command(update_command)


@main.command()
@click.argument("build_dir", type=_FOLDER)
@click.option("--out", type=_FILE, required=True, help="The archive, as in items-1.0.0.bundle.zip.")
@click.option(
    "--cloud",
    "cloud_dir",
    type=_FOLDER,
    metavar="BUILD_DIR",
    help="The build of a wider network with the same labels, for the server to answer with.",
)
@click.option(
    "--names",
    type=_FILE,
    metavar="NAMES.CSV",
    help="Names in other languages: columns label,zh-Hans,..., of labels and coarse classes.",
)
@click.option(
    "--accept",
    "--accept-failed",
    "accepted",
    multiple=True,
    metavar="FILE_NAME",
    help="Take this artifact although parity does not speak for it; the manifest will say so.",
)
@click.option(
    "--provenance",
    "key",
    type=_FILE,
    metavar="KEY.PEM",
    help="Sign with this ed25519 key, and write beside the bundle, what it was made from.",
)
def bundle(
    build_dir: Path,
    out: Path,
    cloud_dir: Path | None,
    names: Path | None,
    accepted: tuple[str, ...],
    key: Path | None,
) -> None:
    """Pack the artifacts of a build that passed parity, with golden photos and licences."""
    sign = None if key is None else prepare_provenance(key)
    write_bundle(build_dir, out, frozenset(accepted), click.echo, cloud_dir, names)
    click.echo(f"{out}: {out.stat().st_size} bytes")
    packed = open_bundle(out)
    _show(packed.manifest)
    if sign is not None:
        click.echo(f"what it was made from, signed: {sign(packed)}")


@main.command()
@click.argument("bundle_path", metavar="BUNDLE", type=_FILE)
def show(bundle_path: Path) -> None:
    """Check every hash of a bundle and say what it holds."""
    manifest = open_bundle(bundle_path).manifest
    _show(manifest)
    for line in manifest.comparison.describe() if manifest.comparison else ():
        click.echo(f"  {line}")


@main.command()
@click.argument("model")
@click.option("--url", required=True, help="The server, as in http://127.0.0.1:8000.")
@click.option("--root", type=_FILE, required=True, help="The trusted root metadata, root.json.")
@click.option("--platform", type=click.Choice(PLATFORMS), required=True)
@click.option(
    "--runtime",
    type=click.Choice(sorted({name for names in RUNTIMES_OF.values() for name in names})),
    help="The runtime that the app links; the platform's default when not given.",
)
@click.option(
    "--precision", type=click.Choice(tuple(PRECISIONS)), help="The most faithful when not given."
)
@click.option("--channel", default=STABLE, show_default=True, help="Whose current version.")
@click.option("--version", help="Any published one, in place of the channel's current one.")
@click.option("--files-url", help="Where the files lie, if not below the server's /targets.")
@click.option("--out", type=_FOLDER, required=True, help="Folder that pulled models live in.")
@API_KEY_FILE
def pull(
    model: str,
    url: str,
    root: Path,
    platform: str,
    runtime: str | None,
    precision: str | None,
    channel: str,
    version: str | None,
    files_url: str | None,
    out: Path,
    api_key_file: Path | None,
) -> None:
    """Download what a platform needs of MODEL, verify it, test it, and switch to it."""
    from mobile_assets.client import BundleClient

    # Retries are told apart by our own message in the end.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    key = read_api_key(api_key_file)
    client = BundleClient(out, url, read_root(root), files_url=files_url, api_key=key)
    result = client.pull(model, platform, runtime, version, precision, channel)
    manifest = result.model.manifest
    click.echo(f"{manifest.model} {manifest.version} for {platform}: verified, now in use")
    click.echo(f"  downloaded {result.downloaded_bytes} bytes")
    for artifact in result.model.artifacts:
        click.echo(f"  file       {result.model.artifact_path(artifact)}")
    for report in result.self_tests:
        click.echo(f"  self-test  {report.describe()}")


@main.command()
@click.argument("model_dir", metavar="DIR/MODEL", type=_FOLDER)
@click.argument("photo", type=_FILE)
@click.option("--top-k", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--count", is_flag=True, help="Count the scan for `update --share-usage`.")
@click.option("--language", default="", help="Names in place of labels, as in zh-CN.")
def recognise(model_dir: Path, photo: Path, top_k: int, count: bool, language: str) -> None:
    """Name what PHOTO shows, with the version in use of a pulled model."""
    from mobile_assets.installed import load_current
    from mobile_assets.recognise import recognise as recognise_photo

    pulled = load_current(model_dir)
    result = recognise_photo(pulled, _read_photo(photo), top_k, str(photo))
    if count:
        from mobile_assets.usage import Usage

        Usage(model_dir).note(result)
    result = result.named(pulled.names(language))
    for answer in result.answers:
        click.echo(f"{answer.probability:7.2%}  {answer.label}")
    if result.coarse is not None:
        click.echo(f"{result.coarse.probability:7.2%}  {result.coarse.label} (any)")
    click.echo(f"{result.in_words()} ({result.verdict}; {result.model} {result.version})")


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where the file is another.")
def vectors(check: bool) -> None:
    """Write the test vectors that the clients of all languages must give."""
    from mobile_assets.vectors import VECTORS_PATH, vectors_bytes

    data = vectors_bytes()
    if not check:
        write_atomic(VECTORS_PATH, data)
    elif VECTORS_PATH.read_bytes() != data:
        raise VectorsError(f"{VECTORS_PATH} is not what this version makes: run it without --check")
    click.echo(f"{VECTORS_PATH}: {len(data)} bytes")


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is another.")
def contract(check: bool) -> None:
    """Write the description that clients share, and the Kotlin and Swift generated from it."""
    from mobile_assets.contract.sources import make_sources

    for path, data in make_sources().items():
        if not check:
            write_atomic(path, data)
        elif not path.exists() or path.read_bytes() != data:
            raise VectorsError(f"{path} is not what this version makes: run it without --check")
        click.echo(f"{path}: {len(data)} bytes")


def _show(manifest: Manifest) -> None:
    metrics = manifest.metrics
    click.echo(f"{manifest.model} {manifest.version} ({manifest.architecture})")
    click.echo(
        f"  {len(manifest.labels)} labels; top-1 {metrics.top1:.1%}, top-5 {metrics.top5:.1%} "
        f"of {metrics.photos} validation photos from {manifest.photos_source}"
    )
    if manifest.languages:
        click.echo(f"  names in {', '.join(manifest.languages)}")
    _show_artifacts(manifest.device)
    if (cloud := manifest.cloud) is not None:
        click.echo(
            f"  the server answers with {cloud.architecture}, {cloud.preprocess.input_px} pixels; "
            f"top-1 {cloud.metrics.top1:.1%} of {cloud.metrics.photos} validation photos from "
            f"{cloud.photos_source}"
        )
        _show_artifacts(cloud)


def _show_artifacts(model: ReleasedModel) -> None:
    for artifact in model.artifacts:
        click.echo(f"  {artifact.path}  {artifact.file.size_bytes} bytes")
        users = "the server" if model.place == CLOUD else ", ".join(artifact.platforms)
        click.echo(f"    for {users}; {_describe_parity(artifact)}")
        if artifact.confidence is not None:
            click.echo(f"    {_describe_confidence(artifact.confidence)}")
    click.echo(f"  {len(model.golden)} golden photos; licence: {model.photos_licence}")


def _describe_confidence(found: ArtifactConfidence) -> str:
    sure = found.confidence.sure
    reached = sure.cross_fitted or sure
    if sure.min_probability is None or reached.precision is None:
        return "sure of nothing: too few answers of its validation photos were right"
    return (
        f"sure of {reached.coverage:.1%} of {reached.photos} photos, of which "
        f"{reached.precision:.1%} right"
    )


def _describe_parity(artifact: BundledArtifact) -> str:
    if artifact.accepted_by_hand:
        return f"ACCEPTED BY HAND although: {'; '.join(artifact.objections)}"
    if artifact.parity is None:
        return "no parity figures"
    parity = artifact.parity
    return (
        f"accuracy loss {points(parity.loss)} points, at most {points(parity.loss_high)}; "
        f"agrees with the trained model on {parity.agreement:.2%} of "
        f"{parity.photos} photos ({parity.evaluator})"
    )


def _read_photo(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PHOTO_BYTES + 1)
    except OSError as error:
        raise PhotoError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _MAX_PHOTO_BYTES:
        raise PhotoError(f"{path} has more than {_MAX_PHOTO_BYTES} bytes, which are allowed")
    return data
