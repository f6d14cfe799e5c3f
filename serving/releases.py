"""Which models and versions there are, and which one an app should run."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import RAISE

from conversion.artifact import RUNTIMES
from mobile_assets.conditions import Device, Running, RuntimeOfApp
from mobile_assets.deciding import Offer, decide, list_candidates
from mobile_assets.installed import choose_other_files
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from mobile_assets.parts import File
from mobile_assets.release import Release
from serving.access import needs
from serving.api.deprecation import Deprecation, deprecated
from serving.context import get_rollouts, get_settings, get_storage
from serving.errors import UnknownVersionError
from serving.publishing.deltas import list_deltas
from serving.publishing.repository import file_path, read_sha256, release_path
from serving.schemas import CheckAnswer, CheckRequest, ModelDetail, ModelList, VersionDetail

blueprint = APIBlueprint("releases", __name__, url_prefix="/v1/models", tag="Releases")


@blueprint.get("")
@needs("pull")
@blueprint.output(ModelList)
def list_models() -> dict[str, Any]:
    """List the published models."""
    releases = get_storage().catalogue.releases
    return {"models": [_describe_model(model) for model in releases]}


@blueprint.get("/<model>")
@needs("pull")
@blueprint.output(ModelDetail)
def show_model(model: str) -> dict[str, Any]:
    """Show a model and its versions."""
    catalogue = get_storage().catalogue
    release = catalogue.find_release(model)
    signed = catalogue.find_target(release_path(model))
    versions = [describe_version(model, version) for version in reversed(release.names)]
    settings = get_settings()
    return {
        **_describe_model(model),
        "release_url": get_storage().find_url(signed),
        "correction_photos_days": settings.keep_photos_days if settings.keep_photos else None,
        "channels": {name: channel.to_json() for name, channel in release.channels.items()},
        "versions": versions,
    }


@blueprint.get("/<model>/versions/<version>")
@needs("pull")
@blueprint.output(VersionDetail)
def show_version(model: str, version: str) -> dict[str, Any]:
    """Show a version: its manifest, and where its files are served."""
    manifest = get_storage().read_manifest(model, version)
    return {
        **describe_version(model, version),
        "model": model,
        "languages": list(manifest.languages),
        "manifest": json.loads(manifest.to_bytes()),
        "files": [describe_manifest(model, version)]
        + [describe_file(manifest, file) for file in manifest.files],
    }


@blueprint.post("/<model>/check")
@needs("pull")
@deprecated(
    Deprecation(
        "2026-11-30",
        "2027-11-30",
        "`current` says the same, and which manifest the device has of it",
        member="current_version",
    )
)
@blueprint.input(CheckRequest, unknown=RAISE)
@blueprint.output(CheckAnswer)
def check(model: str, json_data: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Ask what to run.

    The answer is a hint. Verify release.json with a TUF client, and take a version only where it
    allows that to this device; verify the manifest likewise, and each file by its SHA-256 there.
    """
    release = get_storage().catalogue.find_release(model)
    answer = _answer(_read_device(**json_data), release)
    return answer, 200, {"Cache-Control": "no-store"}


def describe_in(spec: dict[str, Any]) -> None:
    """Adds to an OpenAPI document that a runtime may be its name alone."""
    runtimes = spec["components"]["schemas"]["CheckRequest"]["properties"]["runtimes"]
    named = {"type": "string", "enum": list(RUNTIMES)}
    runtimes["items"] = {"oneOf": [named, runtimes["items"]]}


@blueprint.after_request
def forbid_stale_answers(response: Response) -> Response:
    """Lets caches keep these answers only if they ask again each time."""
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def describe_version(model: str, version: str) -> dict[str, Any]:
    """Returns a version's entry."""
    release = get_storage().catalogue.find_release(model)
    entry = release.find(version)
    if entry is None:
        raise UnknownVersionError(model, version, release.names)
    target = get_storage().catalogue.find_target(file_path(model, version, MANIFEST_NAME))
    return {
        "version": version,
        "is_current": release.current == version,
        "published_at": entry.published_at,
        "conditions": entry.conditions and entry.conditions.to_json(),
        "deprecated": entry.deprecated,
        "url": f"/v1/models/{model}/versions/{version}",
        "manifest_url": get_storage().find_url(target),
    }


def describe_file(manifest: Manifest, file: File) -> dict[str, Any]:
    """Returns a file's entry."""
    path = file_path(manifest.model, manifest.version, file.path)
    storage = get_storage()
    return {**vars(file), "url": storage.find_url(storage.catalogue.find_target(path))}


def describe_manifest(model: str, version: str) -> dict[str, Any]:
    """Returns the entry of a version's manifest, which is a file too."""
    target = get_storage().catalogue.find_target(file_path(model, version, MANIFEST_NAME))
    return {
        "path": MANIFEST_NAME,
        "role": "manifest",
        "sha256": read_sha256(target),
        "size_bytes": target.length,
        "url": get_storage().find_url(target),
    }


def _describe_model(model: str) -> dict[str, Any]:
    current = get_storage().catalogue.find_release(model).current
    return {"model": model, "current": current, "url": f"/v1/models/{model}"}


def _answer(device: Device, release: Release) -> dict[str, Any]:
    """Decides, and says where the device finds what it needs."""
    model, rollouts = release.model, get_rollouts()
    offers = {
        version: _make_offer(model, version) for version in list_candidates(release, device.channel)
    }
    decision = decide(release, device, offers, rollouts.restrain(release, device.channel))
    answer = {name: value for name, value in vars(decision).items() if name != "artifact"}
    answer |= {
        "model": model,
        "channel": device.channel,
        "manifest": None,
        "files": [],
        "check_again_s": _find_check_again_s(release, device),
    }
    if decision.version is None or decision.artifact is None:
        return answer
    channel = release.channels[device.channel]
    if device.device_id and decision.version != channel.current:
        rollouts.note_offer(model, decision.version, device.device_id)
    manifest = get_storage().read_manifest(model, decision.version)
    files = [manifest.find_file(decision.artifact), *choose_other_files(manifest)]
    return {
        **answer,
        "manifest": describe_manifest(model, decision.version),
        "files": [
            {
                **describe_file(manifest, file),
                "deltas": list_deltas(get_storage(), manifest, file, device.have),
            }
            for file in files
        ],
    }


def _make_offer(model: str, version: str) -> Offer:
    target = get_storage().catalogue.find_target(file_path(model, version, MANIFEST_NAME))
    manifest = get_storage().read_manifest(model, version)
    return Offer.from_manifest(manifest, read_sha256(target), target.length)


def _find_check_again_s(release: Release, device: Device) -> int:
    channel = release.channels.get(device.channel)
    on_its_way = channel is not None and channel.rollout is not None
    settings = get_settings()
    return settings.check_again_on_its_way_s if on_its_way else settings.check_again_s


def _read_device(
    runtimes: Iterable[Mapping[str, str]] = (),
    current: Mapping[str, str] | None = None,
    current_version: str | None = None,
    have: Iterable[str] = (),
    refused: Iterable[str] = (),
    **said: Any,
) -> Device:
    """Returns the device that a check is about."""
    given = {"version": current_version} if current is None and current_version else current
    return Device(
        runtimes=tuple(RuntimeOfApp(**runtime) for runtime in runtimes),
        running=None if given is None else Running(**given),
        have=tuple(have),
        refused=tuple(refused),
        **said,
    )
