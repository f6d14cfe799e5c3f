"""The pages that show models: the first page, the list, a model, and one release."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response, render_template

from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from mobile_assets.release import Release
from serving.access import needs
from serving.context import get_storage
from serving.errors import NotReadyError
from serving.publishing.changelog import (
    list_channels,
    list_rollouts,
    read_changelog,
    to_markdown,
)
from serving.releases import describe_version
from serving.showing.networks import PLATFORM_NAMES, describe_model, measure
from serving.showing.words import add_filters

_MAX_LISTED_VERSIONS = 20

blueprint = APIBlueprint("pages", __name__, enable_openapi=False)
add_filters(blueprint)


@blueprint.get("/")
@needs("pull")
def show_home() -> str:
    """Show what is published, and a form to try it."""
    storage = get_storage()
    models = [
        {
            **describe_model(storage.read_manifest(model, release.current)),
            "count": len(release.names),
        }
        for model, release in _find_releases().items()
    ]
    return render_template("home.html", models=models, problems=storage.find_problems())


@blueprint.get("/models/")
@needs("pull")
def list_models() -> str:
    """Show every model and its releases, for the mobile developer."""
    models = [
        {
            "name": model,
            "left": len(release.names) - _MAX_LISTED_VERSIONS,
            "releases": [
                _describe_listed(model, version)
                for version in list(reversed(release.names))[:_MAX_LISTED_VERSIONS]
            ],
        }
        for model, release in _find_releases().items()
    ]
    problems = get_storage().find_problems()
    return render_template("models.html", models=models, problems=problems)


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


@blueprint.get("/models/<model>/<version>")
@needs("pull")
def show_release(model: str, version: str) -> str:
    """Show one release: its files and figures, code that runs it, and a box to try it."""
    # With what writes code for apps, which nothing else of a server needs.
    from serving.showing.release import describe_release

    return render_template("release.html", **describe_release(model, version))


def _find_releases() -> Mapping[str, Release]:
    try:
        return get_storage().catalogue.releases
    except NotReadyError:
        return {}


def _describe_listed(model: str, version: str) -> dict[str, Any]:
    manifest = get_storage().read_manifest(model, version)
    release = get_storage().catalogue.find_release(model)
    return {
        **describe_version(model, version),
        "channels": list_channels(release, version),
        "rollouts": list_rollouts(release, version),
        "accuracy": measure(manifest.device),
        "labels": len(manifest.labels),
        "sizes": dict(_list_sizes(manifest)),
    }


def _list_sizes(manifest: Manifest) -> Iterator[tuple[str, int]]:
    """Yields the platforms that have a file, with the size of what their apps get."""
    for platform, name in PLATFORM_NAMES.items():
        with suppress(ManifestError):
            yield name, manifest.artifacts_for(platform)[0].file.size_bytes
