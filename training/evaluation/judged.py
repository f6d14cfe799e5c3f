"""The photos that a checkpoint is judged on, under the checkpoint's own classes. Free of torch."""

import dataclasses
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from training.config import DataSettings
from training.errors import DataError
from training.labels import LabelSet
from training.photos import HELD_OUT, UNKNOWN, UNKNOWN_THING, Photo, Problem
from training.sources.clutter import draw_clutter
from training.sources.csv_source import list_rows
from training.sources.data import open_source
from training.sources.file_sources import list_classes, list_unknown
from training.sources.grocery import list_grocery_test

SPLITS = ("validation", "test", "train")
OTHER_CLASS = "other-class"
_FOLDERS = {"validation": ("val", "validation"), "test": ("test",), "train": ("train",)}
_MOST_NAMED = 12

Named = tuple[str, Photo]


@dataclass(frozen=True)
class Judged:
    """Photos to judge a checkpoint on.

    Attributes:
        name: where they come from, in words.
        photos: of things that the checkpoint knows, with the index of its own label.
        unknown: kind of unknown things -> photos of them.
        notes: what a reader of the figures must know, in words.
    """

    name: str
    photos: tuple[Photo, ...]
    unknown: dict[str, tuple[Photo, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Opened:
    name: str
    photos: list[Named]
    unknown: tuple[Photo, ...] = ()
    problems: tuple[Problem, ...] = ()


def open_judged(data: DataSettings, split: str, labels: LabelSet) -> Judged:
    """Opens one split of a source, and matches its classes with a checkpoint's by name.

    A photo of a class that the checkpoint does not know becomes a photo of an unknown thing: of the
    kind "held-out" where `data.held_out` names the class, else of the kind "other-class".

    Args:
        data: the source. A folder may also hold the class folders themselves, without splits; a
            CSV manifest needs no training rows.
        split: one of `SPLITS`; without meaning for a folder that has none.
        labels: the checkpoint's classes; theirs is the order of the outputs.

    Raises:
        DataError: the source has no such split, or none of its classes is known.
    """
    opened = _open(data, split)
    places = {_normal(name): index for index, name in enumerate(labels.names)}
    known = tuple(
        dataclasses.replace(photo, class_index=places[_normal(name)])
        for name, photo in opened.photos
        if _normal(name) in places
    )
    if not known:
        classes = sorted({name for name, _ in opened.photos})
        raise DataError(
            f"{opened.name}: the checkpoint knows none of the classes there"
            f" ({_shorten(classes) or 'there are no photos'}); it knows {_shorten(labels.names)}"
        )
    unknown = _sort_unknown(data, opened, places)
    clutter = draw_clutter(data.seed, data.clutter)
    if clutter:
        unknown["clutter"] = clutter
    notes = (*(problem.message for problem in opened.problems), *_describe(opened, labels, places))
    return Judged(opened.name, known, unknown, notes)


def _open(data: DataSettings, split: str) -> _Opened:
    path = Path(data.path).expanduser()
    match data.source:
        case "folder":
            return _open_folder(path, split)
        case "csv":
            name = f"csv {path.name}, split {split}"
            unknown = tuple(photo for _, photo in list_rows(path, UNKNOWN_THING))
            return _Opened(name, list_rows(path, split), unknown)
        case "grocery" if split == "test":
            if not data.path:
                raise DataError(
                    "the test split of the grocery photos is not fetched: name a copy with --data"
                )
            return _Opened("grocery, split test", list_grocery_test(path))
    if split == "test":
        raise DataError(f"the {data.source} photos have no test split")
    source = open_source(dataclasses.replace(data, held_out=(), clutter=0))
    photos = source.train if split == "train" else source.validation
    named = [(source.labels.names[photo.class_index], photo) for photo in photos]
    return _Opened(f"{source.name}, split {split}", named, tuple(source.unknown))


def _open_folder(path: Path, split: str) -> _Opened:
    if not path.is_dir():
        raise DataError(f"no folder at {path}")
    every = [name for names in _FOLDERS.values() for name in names if (path / name).is_dir()]
    if not every:
        photos, problems = list_classes(path, path)
        return _Opened(f"folder {path.name}", photos, problems=tuple(problems))
    found = [name for name in _FOLDERS[split] if name in every]
    if len(found) != 1:
        raise DataError(
            f"{path} has the folders {', '.join(every)}; split {split} needs one of "
            f"{', '.join(_FOLDERS[split])}"
        )
    photos, problems = list_classes(path, path / found[0])
    name = f"folder {path.name}, split {split}"
    return _Opened(name, photos, list_unknown(path), tuple(problems))


def _sort_unknown(
    data: DataSettings, opened: _Opened, places: dict[str, int]
) -> dict[str, tuple[Photo, ...]]:
    held_out = {_normal(name) for name in data.held_out}
    kinds: dict[str, list[Photo]] = {}
    for name, photo in opened.photos:
        if _normal(name) not in places:
            kind = HELD_OUT if _normal(name) in held_out else OTHER_CLASS
            kinds.setdefault(kind, []).append(dataclasses.replace(photo, class_index=UNKNOWN))
    if opened.unknown:
        kinds[UNKNOWN_THING] = list(opened.unknown)
    return {kind: tuple(photos) for kind, photos in kinds.items()}


def _describe(opened: _Opened, labels: LabelSet, places: dict[str, int]) -> list[str]:
    classes = {_normal(name): name for name, _ in opened.photos}
    strangers = sorted(name for key, name in classes.items() if key not in places)
    absent = [name for name in labels.names if _normal(name) not in classes]
    notes = []
    if strangers:
        notes.append(
            f"{len(strangers)} of {len(classes)} classes there are none of the checkpoint's; their "
            f"photos count as unknown things: {_shorten(strangers)}"
        )
    if absent:
        notes.append(
            f"{len(absent)} of the checkpoint's {len(labels)} classes have no photo there, so "
            f"nothing is measured for them: {_shorten(absent)}"
        )
    return notes


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _shorten(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
