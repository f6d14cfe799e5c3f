"""The pages for people: what is published, a place to try it, and the API's description."""

from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response, render_template

from conversion.parity.report import points
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import PLATFORM_OF_DELEGATE
from serving.access import needs
from serving.context import get_storage
from serving.errors import NoArtifactError, NotReadyError
from serving.inference.choosing import choose_artifact
from serving.publishing.changelog import read_changelog, to_markdown
from serving.releases import describe_file, describe_version
from training.evaluation.confidence import COARSE, SURE, Threshold

_RUNTIME_NAMES = {"litert": "LiteRT", "executorch": "ExecuTorch", "coreml": "Core ML"}
_MAX_LISTED_VERSIONS = 20
_MAX_SAMPLES = 6

blueprint = APIBlueprint("pages", __name__, enable_openapi=False)
blueprint.add_app_template_filter(points)


@blueprint.get("/")
@needs("pull")
def show_home() -> str:
    """Show what is published, and a form to try it."""
    storage = get_storage()
    problems = storage.find_problems()
    try:
        releases = storage.catalogue.releases
    except NotReadyError:
        return render_template("home.html", models=[], problems=problems)
    models = [
        {
            "name": model,
            "manifest": storage.read_manifest(model, release.current),
            "versions": [
                describe_version(model, version)
                for version in list(reversed(release.names))[:_MAX_LISTED_VERSIONS]
            ],
            "samples": list(_describe_samples(storage.read_manifest(model, release.current))),
            "thresholds": list(_list_thresholds(storage.read_manifest(model, release.current))),
            "networks": list(_describe_networks(storage.read_manifest(model, release.current))),
        }
        for model, release in releases.items()
    ]
    return render_template("home.html", models=models, problems=problems)


@blueprint.get("/models/<model>")
@needs("pull")
def show_model(model: str) -> str:
    """Show the versions of a model, who runs them, and what changed from one to the next."""
    storage = get_storage()
    entries = read_changelog(storage, model, _MAX_LISTED_VERSIONS)
    left = len(storage.catalogue.find_release(model).versions) - len(entries)
    return render_template("model.html", model=model, entries=entries, left=left)


@blueprint.get("/models/<model>/changelog.md")
@needs("pull")
def download_changelog(model: str) -> Response:
    """Give the same of all versions, as a file."""
    response = make_response(to_markdown(model, read_changelog(get_storage(), model)))
    response.mimetype = "text/markdown"
    return response


@blueprint.app_template_filter("megabytes")
def format_megabytes(size_bytes: int) -> str:
    """Returns a size in words."""
    if size_bytes < 100_000:
        return f"{size_bytes / 1e3:.1f} kB"
    return f"{size_bytes / 1e6:.1f} MB"


@blueprint.app_template_filter("percent")
def format_percent(share: float, digits: int = 1) -> str:
    """Returns a share, 0 to 1, in per cent."""
    return f"{100 * share:.{digits}f} %"


def _list_thresholds(manifest: Manifest) -> Iterator[tuple[str, Threshold]]:
    """Yields the thresholds of the artifact that this server answers with, by verdict."""
    try:
        found = choose_artifact(manifest).confidence
    except NoArtifactError:
        return
    if found is not None:
        yield SURE, found.confidence.sure
        if found.confidence.coarse is not None:
            yield COARSE, found.confidence.coarse


def _describe_networks(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yields what the page shows of the network for devices, and of the cloud's."""
    for network in (manifest.device, manifest.cloud):
        if network is not None:
            artifacts = [_describe_artifact(manifest, entry) for entry in network.artifacts]
            yield {**vars(network), "artifacts": artifacts}


def _describe_artifact(manifest: Manifest, artifact: BundledArtifact) -> dict[str, Any]:
    users = "this server" if artifact.file.role == "cloud-artifact" else artifact.platforms
    return {
        "runtime": _RUNTIME_NAMES.get(artifact.runtime, artifact.runtime),
        "precision": artifact.precision,
        "delegate": PLATFORM_OF_DELEGATE.get(artifact.backend) and artifact.backend,
        "platforms": users if isinstance(users, str) else ", ".join(users),
        "parity": artifact.parity,
        "verdict": _judge(artifact),
        "file": describe_file(manifest, artifact.file),
    }


def _describe_samples(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for golden in manifest.golden[:_MAX_SAMPLES]:
        yield {"label": golden.label, **describe_file(manifest, manifest.find_file(golden.file))}


def _judge(artifact: BundledArtifact) -> str:
    if artifact.accepted_by_hand:
        return "accepted by hand: " + "; ".join(artifact.objections)
    return "passed"
