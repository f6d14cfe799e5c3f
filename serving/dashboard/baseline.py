"""How a release's answers on its validation photos were distributed: what drift is measured by."""

import json
from collections.abc import Sequence

from conversion.variants import VARIANTS
from mobile_assets.distributions import distribution_path
from mobile_assets.parts import BundledArtifact
from serving.dashboard.counts import ON_SERVER
from serving.errors import NoArtifactError, UnknownModelError, UnknownVersionError
from serving.inference.choosing import choose_artifact
from serving.storage import Storage
from training.errors import ConfidenceError
from training.evaluation.distribution import Distribution


def read_baseline(storage: Storage, model: str, version: str, place: str) -> Distribution | None:
    """Returns how answers on validation photos are distributed; None in releases of before.

    Devices run several artifacts, which parity found to answer alike: the most faithful stands for
    all of them.

    Args:
        storage: the repository.
        model: its name.
        version: one of its versions.
        place: "server" or "device": whose artifact.

    Raises:
        RepositoryError: a file is missing or changed.
    """
    try:
        manifest = storage.read_manifest(model, version)
        artifacts: Sequence[BundledArtifact] = manifest.artifacts
        if place == ON_SERVER:
            artifacts = [choose_artifact(manifest)]
    except (NoArtifactError, UnknownModelError, UnknownVersionError):
        return None  # counted by a server that had it
    files = {file.path for file in manifest.other_files}
    for artifact in sorted(artifacts, key=lambda each: VARIANTS.index(each.variant)):
        path = distribution_path(artifact.path, artifact.file.role == "cloud-artifact")
        if path in files:
            try:
                return Distribution.from_json(json.loads(storage.read_file(model, version, path)))
            except (ValueError, RecursionError, ConfidenceError):
                return None  # of a form that a newer or an older server knows
    return None
