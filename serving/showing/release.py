"""What the page of one release shows to a mobile developer."""

from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from flask import request

from conversion.variants import VARIANTS
from mobile_assets.export.recipes import LANGUAGES, Source, list_recipes
from mobile_assets.manifest import Manifest
from mobile_assets.release import STABLE
from mobile_assets.released import CLOUD
from serving.access.public import list_public_scopes
from serving.access.scopes import PULL
from serving.context import get_settings, get_storage
from serving.errors import NoArtifactError
from serving.inference.choosing import choose_artifact
from serving.publishing.changelog import Entry, describe_entry
from serving.releases import describe_file, describe_manifest, describe_version
from serving.showing.networks import (
    describe_model,
    describe_networks,
    describe_samples,
    list_files,
    name_runtime,
)

# Reports of some artifacts are kilobytes; a page does not grow with what somebody put there.
_MAX_REPORT_BYTES = 200_000
_EVALUATED = "MIL reference evaluation"


def describe_release(model: str, version: str) -> dict[str, Any]:
    """Returns what the page of a release is made from.

    Raises:
        UnknownModelError: no such model.
        UnknownVersionError: the model has no such version.
        RepositoryError: a file is missing, changed or malformed.
    """
    storage = get_storage()
    manifest = storage.read_manifest(model, version)
    entry = describe_entry(storage, model, version)
    signed = describe_manifest(model, version)
    networks = list(describe_networks(manifest))
    return {
        "model": describe_model(manifest),
        "manifest": manifest,
        "entry": entry,
        "version": describe_version(model, version),
        "signed": signed,
        "networks": [
            {**network, "reports": _describe_reports(manifest, network["place"])}
            for network in networks
        ],
        "evaluated": any(
            artifact["parity"] is not None and artifact["parity"].evaluator == _EVALUATED
            for network in networks
            for artifact in network["artifacts"]
        ),
        "languages": _describe_recipes(manifest, entry, signed["sha256"]),
        "licences": [
            describe_file(manifest, file)
            for file in list_files(manifest, "licence", f"{CLOUD}-licence")
        ],
        "names": [
            describe_file(manifest, file) for file in list_files(manifest, "labels", "names")
        ],
        "box": _describe_box(manifest, signed),
        "server": request.host_url.rstrip("/"),
    }


def _describe_box(manifest: Manifest, signed: dict[str, Any]) -> dict[str, Any]:
    """Returns what `serving/scan/app/src/try` needs to run the release in a browser."""
    servers = None
    with suppress(NoArtifactError):
        servers = choose_artifact(manifest)
    return {
        "model": manifest.model,
        "version": manifest.version,
        "manifest": {name: signed[name] for name in ("url", "sha256")},
        "files": [
            {
                "path": artifact.path,
                "url": describe_file(manifest, artifact.file)["url"],
                "precision": artifact.precision,
                "isServers": artifact == servers,
            }
            for artifact in sorted(manifest.artifacts, key=lambda x: VARIANTS.index(x.variant))
            if "web" in artifact.platforms
        ],
        "samples": [
            {"label": sample["label"], "url": sample["url"]}
            for sample in describe_samples(manifest)
        ],
    }


def _describe_reports(manifest: Manifest, place: str) -> dict[str, Any]:
    """Returns the parity report of one network: its picture, its text, and its figures' files."""
    role = f"{CLOUD}-report" if place == CLOUD else "report"
    files = [describe_file(manifest, file) for file in list_files(manifest, role)]
    by_name = {PurePosixPath(file["path"]).name: file for file in files}
    text = by_name.get("report.md")
    words = ""
    if text is not None and text["size_bytes"] <= _MAX_REPORT_BYTES:
        data = get_storage().read_file(manifest.model, manifest.version, text["path"])
        words = data.decode(errors="replace")
    return {"picture": by_name.get("report.png"), "text": text, "words": words, "files": by_name}


def _describe_recipes(
    manifest: Manifest, entry: Entry, manifest_sha256: str
) -> list[dict[str, Any]]:
    offered = [*entry.channels, *(channel for channel, _ in entry.rollouts)]
    source = Source(
        url=request.host_url.rstrip("/"),
        manifest_sha256=manifest_sha256,
        channel=offered[0] if offered else STABLE,
        needs_key=PULL not in list_public_scopes(get_settings()),
    )
    return [
        {
            "name": LANGUAGES[platform],
            "platform": platform,
            "recipes": [(name_runtime(recipe.artifact), recipe) for recipe in recipes],
            "channel": source.channel,
            "offered": bool(offered),
        }
        for platform, recipes in list_recipes(manifest, source).items()
    ]
