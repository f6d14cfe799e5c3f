"""What pages show of the networks in a release: their files, how they compare, their photos."""

from collections.abc import Iterator
from typing import Any

from mobile_assets.diff.figures import Accuracy
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact, File
from mobile_assets.platforms import PLATFORM_OF_DELEGATE
from mobile_assets.released import CLOUD, ReleasedModel
from serving.errors import NoArtifactError
from serving.inference.choosing import choose_artifact
from serving.releases import describe_file
from training.evaluation.confidence import COARSE, SURE, Threshold

PLATFORM_NAMES = {"android": "Android", "ios": "iOS", "web": "Web", "python": "Python"}
_RUNTIME_NAMES = {"litert": "LiteRT", "executorch": "ExecuTorch", "coreml": "Core ML"}
_MAX_SAMPLES = 8


def describe_model(manifest: Manifest) -> dict[str, Any]:
    """Returns what the head of a model's or a release's card shows, and its form to try it."""
    return {
        "name": manifest.model,
        "manifest": manifest,
        "accuracies": [
            (network.place, accuracy)
            for network in manifest.models
            if (accuracy := measure(network))
        ],
        "thresholds": list(_list_thresholds(manifest)),
        "samples": list(describe_samples(manifest)),
    }


def measure(network: ReleasedModel) -> Accuracy | None:
    """Returns the top-1 of a trained network with its interval; None where it saw no photo."""
    return Accuracy.of(network.metrics.top1, network.metrics.photos)


def describe_networks(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yields what a page shows of the network for devices, and of the cloud's."""
    for network in manifest.models:
        artifacts = [_describe_artifact(manifest, entry) for entry in network.artifacts]
        yield {**vars(network), "accuracy": measure(network), "artifacts": artifacts}


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


def _describe_artifact(manifest: Manifest, artifact: BundledArtifact) -> dict[str, Any]:
    return {
        **vars(artifact),
        "runtime_name": name_runtime(artifact),
        "delegate": PLATFORM_OF_DELEGATE.get(artifact.backend) and artifact.backend,
        "users": _name_users(artifact),
        "verdict": _judge(artifact),
        "file": describe_file(manifest, artifact.file),
    }


def name_runtime(artifact: BundledArtifact) -> str:
    """Returns the runtime's name as its makers write it."""
    return _RUNTIME_NAMES.get(artifact.runtime, artifact.runtime)


def _name_users(artifact: BundledArtifact) -> str:
    if artifact.file.role == f"{CLOUD}-artifact":
        return "this server"
    return ", ".join(PLATFORM_NAMES[platform] for platform in artifact.platforms)


def _judge(artifact: BundledArtifact) -> str:
    if artifact.accepted_by_hand:
        return "accepted by hand: " + "; ".join(artifact.objections)
    return "passed"


def describe_samples(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yields golden photos with their labels, to try a release with."""
    for golden in manifest.golden[:_MAX_SAMPLES]:
        yield {"label": golden.label, **describe_file(manifest, manifest.find_file(golden.file))}


def list_files(manifest: Manifest, *roles: str) -> list[File]:
    """Returns the files of a release with one of these roles."""
    return [file for file in manifest.other_files if file.role in roles]
