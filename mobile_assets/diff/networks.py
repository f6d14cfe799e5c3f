"""A network of two releases: accuracy, preprocessing, and each of its formats."""

from dataclasses import dataclass
from typing import Any

from conversion.variants import VARIANTS
from mobile_assets.diff.figures import Accuracy, Gain
from mobile_assets.parts import BundledArtifact
from mobile_assets.released import ReleasedModel


@dataclass(frozen=True)
class Format:
    """An artifact as one release has it.

    Attributes:
        size_bytes: what a phone downloads of it.
        accuracy: on the photos of parity; None where nothing ran it.
        limits: temperature and thresholds, as the manifest names them; None without any.
        sure_coverage: share of photos that it is sure of; None like the above.
        sure_precision: share of right answers among these; None of none.
        interface: what it takes and gives.
        tool_versions: what made it.
    """

    size_bytes: int
    accuracy: Accuracy | None
    limits: dict[str, Any] | None
    sure_coverage: float | None
    sure_precision: float | None
    interface: dict[str, Any]
    tool_versions: dict[str, str]

    @classmethod
    def of(cls, artifact: BundledArtifact) -> "Format":
        """Returns what counts of an artifact."""
        parity, found = artifact.parity, artifact.confidence
        sure = (
            None if found is None else (found.confidence.sure.cross_fitted or found.confidence.sure)
        )
        return cls(
            size_bytes=artifact.file.size_bytes,
            accuracy=None if parity is None else Accuracy.of(parity.artifact_top1, parity.photos),
            limits=None if found is None else vars(found.confidence.limits),
            sure_coverage=None if sure is None else sure.coverage,
            sure_precision=None if sure is None else sure.precision,
            interface={"input": artifact.input, "outputs": list(artifact.outputs)},
            tool_versions=artifact.tool_versions,
        )


@dataclass(frozen=True)
class FormatChange:
    """One format of a network, as in "litert-int8".

    Attributes:
        key: the variant's.
        old: None where it is new.
        new: None where it is gone.
        gain: None where one side has no accuracy.
    """

    key: str
    old: Format | None
    new: Format | None
    gain: Gain | None

    @property
    def interface_changed(self) -> bool:
        """Whether an app must call it otherwise than before."""
        return bool(self.old and self.new and self.old.interface != self.new.interface)


@dataclass(frozen=True)
class NetworkChanges:
    """The network for devices, or the cloud's, in two releases.

    Attributes:
        place: "device" or "cloud".
        architectures: (old, new).
        retrained: another training result.
        accuracies: (old, new) of the trained network on its validation photos; None of no photos.
        gain: between these.
        preprocess: key -> (old, new) of what changed between photo and input.
        sources: (old, new) of the photos.
        licences: (old, new), where they differ.
        formats: each that is in one of the two, in the order of `conversion.variants.VARIANTS`.
    """

    place: str
    architectures: tuple[str, str]
    retrained: bool
    accuracies: tuple[Accuracy | None, Accuracy | None]
    gain: Gain | None
    preprocess: dict[str, tuple[Any, Any]]
    sources: tuple[str, str]
    licences: tuple[str, str] | None
    formats: tuple[FormatChange, ...]


def compare_networks(old: ReleasedModel, new: ReleasedModel) -> NetworkChanges:
    """Compares a network of two releases."""
    before = Accuracy.of(old.metrics.top1, old.metrics.photos)
    after = Accuracy.of(new.metrics.top1, new.metrics.photos)
    own, theirs = old.preprocess.to_json(), new.preprocess.to_json()
    licences = (old.photos_licence, new.photos_licence)
    return NetworkChanges(
        place=new.place,
        architectures=(old.architecture, new.architecture),
        retrained=old.checkpoint_sha256 != new.checkpoint_sha256,
        accuracies=(before, after),
        gain=Gain.between(before, after),
        preprocess={
            key: (own[key], theirs[key])
            for key in own
            # The words follow from the numbers.
            if key != "steps" and own[key] != theirs[key]
        },
        sources=(old.photos_source, new.photos_source),
        licences=licences if licences[0] != licences[1] else None,
        formats=_compare_formats(old, new),
    )


def _compare_formats(old: ReleasedModel, new: ReleasedModel) -> tuple[FormatChange, ...]:
    before = {artifact.variant: Format.of(artifact) for artifact in old.artifacts}
    after = {artifact.variant: Format.of(artifact) for artifact in new.artifacts}
    changes = []
    for variant in VARIANTS:
        ours, theirs = before.get(variant), after.get(variant)
        if ours is None and theirs is None:
            continue
        gain = Gain.between(
            None if ours is None else ours.accuracy, None if theirs is None else theirs.accuracy
        )
        changes.append(FormatChange(variant.key, ours, theirs, gain))
    return tuple(changes)
