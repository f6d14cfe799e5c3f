"""Photos of other manifests beside a source's own, as of corrections. Free of torch."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.errors import DataError, LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import UNKNOWN, UNKNOWN_THING, Photo, PhotoFile, Source
from training.sources.csv_source import Faults, read_rows
from training.sources.photo_index import PhotoIndex

MANIFEST_NAME = "manifest.csv"
_TRAIN = "train"


def add_manifests(source: Source, paths: Sequence[Path]) -> Source:
    """Returns a source with the photos of CSV manifests beside its own.

    The manifests look as `open_csv` takes them, with rows of the splits "train" and "unknown"
    alone: what a network is measured on stays the first source's, so that figures of before and
    after can be compared. Labels that the source lacks become new ones behind its own, by code
    point.

    Args:
        source: the first source.
        paths: manifests, or folders with a `manifest.csv`.

    Raises:
        DataError: a manifest is not as it must be, or a new label has no coarse class where the
            others have one.
    """
    if not paths:
        return source
    manifests = [path / MANIFEST_NAME if path.is_dir() else path for path in paths]
    found = _Found()
    for manifest in manifests:
        _read(manifest, found)
    labels, hierarchy = _unite(source, found)
    places = {unicodedata.normalize("NFC", name): at for at, name in enumerate(labels.names)}
    train = [(path, places[label]) for path, label in found.train]
    unknown = [(path, UNKNOWN) for path in found.unknown]
    return replace(
        source,
        name=" and ".join([source.name, *(manifest.parent.name for manifest in manifests)]),
        labels=labels,
        train=_extend(source.train, train),
        unknown=_extend(source.unknown, unknown),
        # A sample would pass over what was not drawn.
        sample_per_class=None,
        hierarchy=hierarchy,
        listed=(*source.listed, *manifests),
    )


@dataclass
class _Found:
    """What the manifests hold."""

    train: list[tuple[Path, str]] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    parents: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def coarse_of(self, label: str) -> str:
        """Returns the one coarse class that rows of a label name."""
        if len(self.parents[label]) != 1:
            named = ", ".join(sorted(self.parents[label])) or "none"
            raise DataError(
                f"the new label {label!r} needs one coarse class; its rows name {named}"
            )
        return next(iter(self.parents[label]))


def _read(manifest: Path, found: _Found) -> None:
    faults = Faults(manifest)
    for row in read_rows(manifest, faults):
        path = manifest.parent / row.name
        if row.split == UNKNOWN_THING:
            found.unknown.append(path)
        elif row.split == _TRAIN:
            found.train.append((path, row.label))
            found.parents[row.label] |= {row.coarse} - {""}
        else:
            faults.add(
                row.line,
                f"split is {row.split!r}: of photos beside a source's own allowed are "
                f"{_TRAIN} and {UNKNOWN_THING}",
            )
    faults.refuse()


def _unite(source: Source, found: _Found) -> tuple[LabelSet, Hierarchy | None]:
    known = {unicodedata.normalize("NFC", name) for name in source.labels.names}
    new = sorted(set(found.parents) - known)
    if not new:
        return source.labels, source.hierarchy
    try:
        labels = LabelSet((*source.labels.names, *new))
        old = source.hierarchy
        if old is None:
            return labels, None
        parents = [old.coarse.names[parent] for parent in old.parents]
        return labels, Hierarchy.from_names([*parents, *map(found.coarse_of, new)])
    except LabelsError as error:
        raise DataError(f"{source.name} and photos beside its own: {error}") from error


def _extend(photos: Sequence[Photo], files: Sequence[tuple[Path, int]]) -> Sequence[Photo]:
    if isinstance(photos, PhotoIndex):
        return photos.extend(files)
    added = (Photo(str(path), class_index, PhotoFile(path)) for path, class_index in files)
    return (*photos, *added)
