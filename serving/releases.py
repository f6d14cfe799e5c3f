"""Which models and versions there are, and which one an app should run."""

import json
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import RAISE

from mobile_assets.errors import ManifestError
from mobile_assets.installed import choose_other_files
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from mobile_assets.parts import BundledArtifact, File
from mobile_assets.platforms import RUNTIMES_OF
from serving.context import get_storage
from serving.repository import file_path, read_sha256, release_path, stored_path
from serving.schemas import CheckAnswer, CheckRequest, ModelDetail, ModelList, VersionDetail

blueprint = APIBlueprint("releases", __name__, url_prefix="/v1/models", tag="Releases")


@blueprint.get("")
@blueprint.output(ModelList)
def list_models() -> dict[str, Any]:
    """List the published models."""
    releases = get_storage().catalogue.releases
    return {"models": [_describe_model(model) for model in releases]}


@blueprint.get("/<model>")
@blueprint.output(ModelDetail)
def show_model(model: str) -> dict[str, Any]:
    """Show a model and its versions."""
    catalogue = get_storage().catalogue
    release = catalogue.find_release(model)
    signed = catalogue.find_target(release_path(model))
    versions = [describe_version(model, version) for version in reversed(release.names)]
    return {
        **_describe_model(model),
        "release_url": f"/targets/{stored_path(signed)}",
        "versions": versions,
    }


@blueprint.get("/<model>/versions/<version>")
@blueprint.output(VersionDetail)
def show_version(model: str, version: str) -> dict[str, Any]:
    """Show a version: its manifest, and where its files are served."""
    manifest = get_storage().read_manifest(model, version)
    return {
        **describe_version(model, version),
        "model": model,
        "manifest": json.loads(manifest.to_bytes()),
        "files": [describe_manifest(model, version)]
        + [describe_file(manifest, file) for file in manifest.files],
    }


@blueprint.post("/<model>/check")
@blueprint.input(CheckRequest, unknown=RAISE)
@blueprint.output(CheckAnswer)
def check(model: str, json_data: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Ask which version to run.

    The answer names the files that this app needs. Verify them with a TUF client, or compare each
    with its SHA-256 in a manifest that a TUF client verified.
    """
    answer = _decide(model, **json_data)
    return answer, 200, {"Cache-Control": "no-store"}


@blueprint.after_request
def forbid_stale_answers(response: Response) -> Response:
    """Lets caches keep these answers only if they ask again each time."""
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def describe_version(model: str, version: str) -> dict[str, Any]:
    """Returns a version's entry."""
    url = get_storage().find_url_path(model, version, MANIFEST_NAME)
    return {
        "version": version,
        "is_current": get_storage().catalogue.find_release(model).current == version,
        "url": f"/v1/models/{model}/versions/{version}",
        "manifest_url": url,
    }


def describe_file(manifest: Manifest, file: File) -> dict[str, Any]:
    """Returns a file's entry."""
    url = get_storage().find_url_path(manifest.model, manifest.version, file.path)
    return {**vars(file), "url": url}


def describe_manifest(model: str, version: str) -> dict[str, Any]:
    """Returns the entry of a version's manifest, which is a file too."""
    target = get_storage().catalogue.find_target(file_path(model, version, MANIFEST_NAME))
    return {
        "path": MANIFEST_NAME,
        "role": "manifest",
        "sha256": read_sha256(target),
        "size_bytes": target.length,
        "url": f"/targets/{stored_path(target)}",
    }


def _describe_model(model: str) -> dict[str, Any]:
    current = get_storage().catalogue.find_release(model).current
    return {"model": model, "current": current, "url": f"/v1/models/{model}"}


def _decide(
    model: str,
    platform: str,
    runtimes: list[str] | None = None,
    precision: str | None = None,
    current_version: str | None = None,
) -> dict[str, Any]:
    version = get_storage().catalogue.choose_version(model)
    answer = {"model": model, "action": "none", "version": version, "files": []}
    if current_version == version:
        return {**answer, "reason": "you run the current version", "manifest_url": None}
    manifest = get_storage().read_manifest(model, version)
    artifacts = _choose_artifacts(manifest, platform, runtimes, precision)
    if not artifacts:
        wanted = " or ".join(runtimes or RUNTIMES_OF[platform])
        if precision is not None:
            wanted += f" in {precision}"
        reason = f"{model} {version} has nothing for {platform} with {wanted}"
        return {**answer, "reason": reason, "manifest_url": None}
    files = [*(artifact.file for artifact in artifacts), *choose_other_files(manifest)]
    manifest_entry = describe_manifest(model, version)
    return {
        **answer,
        "action": "take",
        "reason": "another version is current" if current_version else "you run none yet",
        "manifest_url": manifest_entry["url"],
        "files": [manifest_entry, *(describe_file(manifest, file) for file in files)],
    }


def _choose_artifacts(
    manifest: Manifest, platform: str, runtimes: list[str] | None, precision: str | None
) -> tuple[BundledArtifact, ...]:
    """Returns the artifact of the first runtime that the bundle serves on the platform."""
    for runtime in runtimes or RUNTIMES_OF[platform]:
        try:
            return manifest.artifacts_for(platform, runtime, precision)
        except ManifestError:  # not for the platform, or not in the bundle
            continue
    return ()
