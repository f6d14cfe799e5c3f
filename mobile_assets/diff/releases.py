"""Two releases, compared by what their manifests say."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mobile_assets.bundle import open_bundle
from mobile_assets.diff.labels import LabelChanges, compare_labels
from mobile_assets.diff.networks import NetworkChanges, compare_networks
from mobile_assets.installed import load_current
from mobile_assets.manifest import Manifest

SCHEMA = "ghostlens.diff/1"


@dataclass(frozen=True)
class ReleaseChanges:
    """How a release differs from an older one.

    Attributes:
        models: (old, new) names; usually the same.
        versions: (old, new).
        labels: what changed in the names of the outputs.
        device: the network for devices.
        cloud: the cloud's; None where not both releases have one.
        clouds: whether the (old, new) release has one.
        languages: of the names that the (old, new) release has.
    """

    models: tuple[str, str]
    versions: tuple[str, str]
    labels: LabelChanges
    device: NetworkChanges
    cloud: NetworkChanges | None
    clouds: tuple[bool, bool]
    languages: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def networks(self) -> tuple[NetworkChanges, ...]:
        """The networks that both releases have."""
        return (self.device,) if self.cloud is None else (self.device, self.cloud)

    def warnings(self) -> list[str]:
        """Returns what an app that runs the old release must look at before it takes the new."""
        return list(_find_warnings(self))

    def to_json(self) -> dict[str, Any]:
        """Returns everything, for another program."""
        return {"schema": SCHEMA, **asdict(self), "warnings": self.warnings()}


def read_release(path: Path) -> Manifest:
    """Reads the manifest of a bundle, or of the version in use of a pulled model.

    Every hash is checked on the way.

    Args:
        path: a bundle's archive, or the folder that a model was pulled into, `<out>/<model>`.

    Raises:
        BundleError: not a whole bundle, or a pulled file was changed.
        ManifestError: a manifest is malformed or of a newer schema.
        PullError: a folder that no model was pulled into.
    """
    return load_current(path).manifest if path.is_dir() else open_bundle(path).manifest


def compare_releases(old: Manifest, new: Manifest) -> ReleaseChanges:
    """Compares two releases."""
    cloud = None
    if old.cloud is not None and new.cloud is not None:
        cloud = compare_networks(old.cloud, new.cloud)
    return ReleaseChanges(
        models=(old.model, new.model),
        versions=(old.version, new.version),
        labels=compare_labels(old.labels, new.labels, old.hierarchy, new.hierarchy),
        device=compare_networks(old.device, new.device),
        cloud=cloud,
        clouds=(old.cloud is not None, new.cloud is not None),
        languages=(old.languages, new.languages),
    )


def _find_warnings(changes: ReleaseChanges) -> Iterator[str]:
    labels, device = changes.labels, changes.device
    before, after = changes.languages
    if gone := sorted(set(before) - set(after)):
        yield f"names in {', '.join(gone)} are gone: staff see labels in their place"
    if after and not before:
        yield "it is the first with names: apps that cannot read them keep what they run"
    if changes.models[0] != changes.models[1]:
        yield f"these are two models: {changes.models[0]} and {changes.models[1]}"
    if labels.removed or labels.renamed:
        yield "labels are gone or renamed: what an app or a shop looks up by name may find nothing"
    if labels.moved:
        yield "outputs stand in another order: an app that keeps indices must take names instead"
    if device.preprocess:
        yield "the way from photo to input changed: an app that prepares photos itself must follow"
    for change in device.formats:
        if change.new is None:
            yield f"{change.key} is gone: an app that asks for it gets nothing"
        if change.interface_changed:
            yield f"{change.key} takes or gives other tensors than before"
    if device.gain is not None and device.gain.sure and device.gain.points < 0:
        yield "the trained network is surely worse than before"
    for change in device.formats:
        if change.gain is not None and change.gain.sure and change.gain.points < 0:
            yield f"{change.key} is surely worse than before"
    if changes.clouds == (True, False):
        yield "there is no cloud model any more: the server answers with the device's"
