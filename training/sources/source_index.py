"""A source's list of photos, kept in the run's folder while the run lasts. Free of torch.

A run that goes on after a kill maps the list and the outcome of the check, instead of listing and
decoding a million files again.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.config import DataSettings
from training.errors import GhostlensError
from training.files import storage_error, write_atomic
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import Problem, Source
from training.sources.photo_index import PhotoIndex, index_photos, load_index

INDEX_NAME = "photos"  # of the folder in a run's folder
_FORMAT = 1
_SPLITS = ("train", "validation", "unknown")
_SOURCE_NAME, _CHECKED_NAME = "source.json", "checked.json"


@dataclass(frozen=True)
class SourceIndex:
    """Where a run keeps the list of its photos.

    A list counts while the settings that it was made with are the same, and so are the
    modification times of the folders and files that it was made from (`Source.listed`): adding,
    removing or renaming a photo changes the time of its folder. The synthetic photos, which no
    list names, are not kept.

    Attributes:
        folder: for the list alone.
        settings: table [data] of the settings.
    """

    folder: Path
    settings: DataSettings

    def open(self, list_anew: Callable[[], Source]) -> Source:
        """Returns the source from the kept list, or lists it and keeps the list.

        Raises:
            StorageError: the list cannot be written.
        """
        if self.settings.source == "synthetic":
            return list_anew()
        return self._load() or self._save(list_anew())

    def check(self, check_anew: Callable[[], list[Problem]]) -> list[Problem]:
        """Returns what the check found before, or checks, and keeps what it found.

        Errors are kept only where training goes on without the photos concerned: who mends them
        has them checked again.

        Raises:
            StorageError: what was found cannot be written.
        """
        if self.settings.source == "synthetic":
            return check_anew()
        found = self._load_problems()
        if found is None:
            found = check_anew()
            if self.settings.skip_problems or all(one.severity != "error" for one in found):
                value = {"of": self._identity(), "problems": [asdict(one) for one in found]}
                write_atomic(self.folder / _CHECKED_NAME, json.dumps(value))
        return found

    def _identity(self) -> dict[str, Any]:
        settings = asdict(self.settings) | {"held_out": list(self.settings.held_out)}
        path, *more = map(_find_absolute, (self.settings.path, *self.settings.more))
        return {"format": _FORMAT, **settings, "path": path, "more": more}

    def _load(self) -> Source | None:
        """Returns the kept source; None where there is none, or it no longer counts."""
        try:
            value = json.loads((self.folder / _SOURCE_NAME).read_text())
            if value["of"] != self._identity() or value["listed"] != _times_of(value["listed"]):
                return None
            labels = LabelSet(tuple(value["labels"]))
            root = Path(os.fsdecode(bytes.fromhex(value["root"])))
            train, validation, unknown = (load_index(root, self.folder / name) for name in _SPLITS)
            return Source(
                value["name"],
                labels,
                train,
                validation,
                value["licence"],
                _read_problems(value["notes"]),
                hierarchy=Hierarchy.from_json(value["hierarchy"], labels),
                unknown=unknown,
                listed=tuple(Path(path) for path in value["listed"]),
            )
        except (OSError, ValueError, KeyError, TypeError, GhostlensError):
            return None  # of another version, or half written by a kill

    def _save(self, source: Source) -> Source:
        value = {
            "of": self._identity(),
            "listed": _times_of(map(str, source.listed)),
            "name": source.name,
            "labels": list(source.labels.names),
            "licence": source.licence,
            "notes": [asdict(note) for note in source.notes],
            "hierarchy": source.hierarchy and source.hierarchy.to_json(),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _SOURCE_NAME).unlink(missing_ok=True)
            (self.folder / _CHECKED_NAME).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("write", self.folder, error) from error
        saved: list[PhotoIndex] = []
        for name in _SPLITS:
            photos = getattr(source, name) or index_photos(Path(), ())
            if not isinstance(photos, PhotoIndex):
                raise TypeError(f"{source.name} gives its photos for {name} as no index")
            saved.append(photos.save(self.folder / name))
        value["root"] = os.fsencode(saved[0].root).hex()
        # Last, because it says that the others are whole.
        write_atomic(self.folder / _SOURCE_NAME, json.dumps(value))
        return replace(source, train=saved[0], validation=saved[1], unknown=saved[2])

    def _load_problems(self) -> list[Problem] | None:
        try:
            value = json.loads((self.folder / _CHECKED_NAME).read_text())
            return (
                list(_read_problems(value["problems"])) if value["of"] == self._identity() else None
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _find_absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _times_of(paths: Any) -> dict[str, int]:
    """Returns when each folder or file was last changed, in nanoseconds; -1 where it is gone."""
    times: dict[str, int] = {}
    for path in paths:
        try:
            times[path] = Path(path).stat().st_mtime_ns
        except OSError:
            times[path] = -1
    return times


def _read_problems(values: list[dict[str, Any]]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            **value | {"photos": tuple(value["photos"]), "leave_out": tuple(value["leave_out"])}
        )
        for value in values
    )
