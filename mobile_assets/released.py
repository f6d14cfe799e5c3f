"""One network of a release: the one for devices, or the wider one of the cloud. Free of torch."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mobile_assets.parts import (
    MAX_FILES,
    BundledArtifact,
    File,
    Golden,
    Metrics,
    read_name,
    read_preprocess,
)
from mobile_assets.platforms import SERVER_RUNTIME
from mobile_assets.reading import Node
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

MAX_ARTIFACTS = 50
DEVICE, CLOUD = "device", "cloud"
MAX_LICENCE_CHARS = 100_000
_CLOUD_KEYS = (
    "architecture",
    "checkpoint_sha256",
    "preprocess",
    "metrics",
    "photos_source",
    "photos_licence",
    "artifacts",
    "golden",
)


@dataclass(frozen=True)
class ReleasedModel:
    """A trained network of a release with its files. Its labels are the release's.

    Attributes:
        place: "device" or "cloud": where it answers.
        architecture: as in "ghostnet_100".
        checkpoint_sha256: names the training result that the artifacts were made from.
        preprocess: from a photo to the input's pixels.
        metrics: of the trained network on its validation photos.
        photos_source: where the photos came from.
        photos_licence: under which terms.
        artifacts: the model files.
        golden: photos with expected answers.
    """

    place: str
    architecture: str
    checkpoint_sha256: str
    preprocess: Preprocess
    metrics: Metrics
    photos_source: str
    photos_licence: str
    artifacts: tuple[BundledArtifact, ...]
    golden: tuple[Golden, ...]

    def cloud_json(self) -> dict[str, Any]:
        """Returns what the manifest holds of the cloud model."""
        return {
            "architecture": self.architecture,
            "checkpoint_sha256": self.checkpoint_sha256,
            "preprocess": self.preprocess.to_json(),
            "metrics": vars(self.metrics),
            "photos_source": self.photos_source,
            "photos_licence": self.photos_licence,
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            "golden": [vars(golden) for golden in self.golden],
        }

    @classmethod
    def read_cloud(cls, node: Node) -> "ReleasedModel":
        """Reads the cloud model's entry.

        Raises:
            ManifestError: malformed; the message names the path of the bad key.
        """
        keys = node.table(*_CLOUD_KEYS)
        return cls(
            place=CLOUD,
            architecture=read_name(keys["architecture"]),
            checkpoint_sha256=keys["checkpoint_sha256"].sha256(),
            preprocess=read_preprocess(keys["preprocess"]),
            metrics=Metrics.from_node(keys["metrics"]),
            photos_source=keys["photos_source"].text(),
            photos_licence=keys["photos_licence"].text(MAX_LICENCE_CHARS),
            artifacts=tuple(
                BundledArtifact.from_node(item, "cloud-artifact")
                for item in keys["artifacts"].items(MAX_ARTIFACTS, least=1)
            ),
            golden=tuple(
                Golden.from_node(item, "cloud-golden") for item in keys["golden"].items(MAX_FILES)
            ),
        )


def find_contradictions(
    model: ReleasedModel,
    labels: LabelSet,
    hierarchy: Hierarchy | None,
    other_files: tuple[File, ...],
) -> Iterator[str]:
    """Yields what contradicts itself in a network of a release, in words.

    Args:
        model: the network.
        labels: the release's.
        hierarchy: the release's.
        other_files: the release's files beside artifacts.
    """
    prefix = "" if model.place == DEVICE else "cloud."
    yield from _find_stray_photos(model, other_files)
    for index, artifact in enumerate(model.artifacts):
        faults = _object_to_artifact(model, artifact), _object_to_confidence(artifact, hierarchy)
        for fault in itertools.chain(*faults):
            yield f"{prefix}artifacts[{index}] ({artifact.path}) {fault}"
    for index, golden in enumerate(model.golden):
        for fault in _object_to_golden(model, golden, labels):
            yield f"{prefix}golden[{index}] ({golden.file}) {fault}"


def _find_stray_photos(model: ReleasedModel, other_files: tuple[File, ...]) -> Iterator[str]:
    role = "golden" if model.place == DEVICE else "cloud-golden"
    shown = {golden.file for golden in model.golden}
    given = {file.path for file in other_files if file.role == role}
    for path in sorted(shown ^ given):
        yield f"{path!r} must stand both in golden and in other_files"


def _object_to_artifact(model: ReleasedModel, artifact: BundledArtifact) -> Iterator[str]:
    if model.place == CLOUD and artifact.runtime != SERVER_RUNTIME:
        yield f"is for {artifact.runtime}; a cloud model's are for {SERVER_RUNTIME}"
    if artifact.accepted_by_hand != bool(artifact.objections):
        yield "has accepted_by_hand without objections, or the reverse"
    if artifact.accepted_by_hand:
        return
    if artifact.parity is None:
        yield "has no parity figures, and nobody accepted it by hand"
    elif reasons := artifact.parity.reasons():
        yield f"did not pass, and nobody accepted it by hand: {'; '.join(reasons)}"
    elif artifact.parity.artifact_sha256 != artifact.file.sha256:
        yield "has parity figures of other bytes"
    elif artifact.parity.checkpoint_sha256 != model.checkpoint_sha256:
        yield "has parity figures against another checkpoint"
    elif missing := [g.file for g in model.golden if artifact.path not in g.answers]:
        yield f"has no expected answers for {missing[0]}"


def _object_to_confidence(artifact: BundledArtifact, hierarchy: Hierarchy | None) -> Iterator[str]:
    if (artifact.confidence is None) != (artifact.parity is None):
        yield "has parity figures without a confidence, or the reverse"
    elif artifact.confidence is not None:
        coarse = artifact.confidence.confidence.coarse
        if (coarse is None) != (hierarchy is None):
            yield "has a threshold for coarse classes where there are none, or the reverse"


def _object_to_golden(model: ReleasedModel, golden: Golden, labels: LabelSet) -> Iterator[str]:
    if golden.label not in labels.names:
        yield f"has the label {golden.label!r}, which is not among the labels"
    known = {artifact.path for artifact in model.artifacts}
    for path, answers in golden.answers.items():
        if path not in known:
            yield f"has answers of {path!r}, which is not among the artifacts"
        if len(answers) != len(labels):
            yield f"has {len(answers)} answers of {path} for {len(labels)} labels"
    for path in sorted(set(golden.answers) - set(golden.known_scores)):
        yield f"has answers of {path} without a known score"
