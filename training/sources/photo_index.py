"""A list of photo files that takes no memory: names and classes in memory-mapped files.

A list of a million `Photo` objects would fill half a gigabyte, once in each process. Free of torch.
"""

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
import numpy.typing as npt

from training.errors import StorageError
from training.files import storage_error
from training.photos import Photo, PhotoFile

Indices = npt.NDArray[np.int64]
_SUFFIXES = (".names", ".ends", ".classes")


@dataclass(frozen=True)
class _Files:
    """Names of files below a folder, as the file system has them.

    Attributes:
        root: the folder.
        names: bytes of all names, relative to the folder, one after the other.
        ends: where each name ends, int64.
        class_indices: the class of each file, int64.
        saved: where they were saved, for other processes; None where they were not.
    """

    root: Path
    names: memoryview
    ends: Indices
    class_indices: Indices
    saved: Path | None = None

    def name(self, place: int) -> bytes:
        start = self.ends[place - 1] if place else 0
        return bytes(self.names[start : self.ends[place]])

    def __reduce__(self) -> Any:
        if self.saved is not None and _is_one_machine():
            return _load_files, (self.root, self.saved)
        parts = bytes(self.names), np.array(self.ends), np.array(self.class_indices)
        return _from_bytes, (self.root, *parts)


def _is_one_machine() -> bool:
    """Tells whether all processes that `torchrun` started run on this machine, or it did not."""
    here = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return os.environ.get("WORLD_SIZE", here) == here


class PhotoIndex(Sequence[Photo]):
    """Photos of files below one folder, made when they are asked for.

    Args:
        files: the names and classes.
        places: which of them, and in which order; all when not given.
        class_indices: other classes for them; those of the files when not given.
    """

    def __init__(
        self,
        files: _Files,
        places: Indices | None = None,
        class_indices: Indices | None = None,
    ) -> None:
        self._files, self._places = files, places
        if class_indices is None:
            class_indices = files.class_indices
            class_indices = class_indices if places is None else class_indices[places]
        self.class_indices = class_indices

    @overload
    def __getitem__(self, index: int) -> Photo: ...
    @overload
    def __getitem__(self, index: slice) -> "PhotoIndex": ...
    def __getitem__(self, index: int | slice) -> "Photo | PhotoIndex":
        """Returns one photo, or a part of the index."""
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"photo {index} of {len(self)}")
        place = index % len(self)
        name = self._find_name(place)
        return Photo(
            # A file name of bytes that are not UTF-8 must still print and go into reports.
            name.decode("utf-8", "backslashreplace"),
            int(self.class_indices[place]),
            PhotoFile(self._files.root / os.fsdecode(name)),
        )

    def _find_name(self, place: int) -> bytes:
        return self._files.name(place if self._places is None else int(self._places[place]))

    def __len__(self) -> int:
        return len(self.class_indices)

    @property
    def root(self) -> Path:
        """The folder that names are relative to."""
        return self._files.root

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PhotoIndex):
            return NotImplemented
        same_classes = np.array_equal(self.class_indices, other.class_indices)
        return same_classes and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PhotoIndex({len(self)} photos below {self._files.root})"

    def select(self, places: Indices, class_indices: Indices | None = None) -> "PhotoIndex":
        """Returns some of the photos, with other classes where those are given."""
        base = places if self._places is None else self._places[places]
        if class_indices is None:
            class_indices = self.class_indices[places]
        return PhotoIndex(self._files, base, class_indices)

    def renumber(self, class_indices: Indices) -> "PhotoIndex":
        """Returns the photos with other classes: `class_indices` holds the new one of each."""
        return PhotoIndex(self._files, self._places, class_indices[self.class_indices])

    def extend(self, files: Iterable[tuple[Path, int]]) -> "PhotoIndex":
        """Returns the photos with others behind them, each a file and its class.

        The others may lie elsewhere: their names lead there from the folder of the first ones.

        Raises:
            StorageError: the temporary files cannot be written.
        """
        with IndexWriter(self.root) as writer:
            for place, class_index in enumerate(self.class_indices.tolist()):
                writer.add(self.root / os.fsdecode(self._find_name(place)), class_index)
            for path, class_index in files:
                writer.add(Path(os.path.relpath(path, self.root)), class_index)
            return writer.finish()

    def save(self, path: Path) -> "PhotoIndex":
        """Writes the index, and returns it as `load_index` does.

        Args:
            path: three files are named after it.

        Raises:
            StorageError: the disk is full, or the folder cannot be written.
        """
        if self._places is not None:
            raise ValueError("only an index of all its files is saved")
        contents = self._files.names, self._files.ends.data, self.class_indices.data
        try:
            for suffix, content in zip(_SUFFIXES, contents, strict=True):
                with path.with_suffix(suffix).open("wb") as file:
                    file.write(content)
        except OSError as error:
            raise storage_error("write", path, error) from error
        return load_index(self._files.root, path)


class IndexWriter:
    """Makes an index photo by photo, in unnamed temporary files, which take no memory.

    A context manager: the files are closed at the end of its block.

    Args:
        root: the folder that names are relative to.

    Raises:
        StorageError: the temporary files cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = os.fsencode(root) + b"/" if str(root) != "." else b""
        self._end = 0
        with _temporary_files():
            files = [tempfile.TemporaryFile() for _ in _SUFFIXES]  # noqa: SIM115 -- closed on exit
        self._names, self._ends, self._classes = files

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self._names, self._ends, self._classes):
            file.close()

    def add(self, path: Path, class_index: int) -> None:
        """Adds a photo: its file, below `root`, and its class."""
        with _temporary_files():
            self._end += self._names.write(os.fsencode(path).removeprefix(self._prefix))
            self._ends.write(self._end.to_bytes(8, "little"))
            self._classes.write(class_index.to_bytes(8, "little", signed=True))

    def finish(self) -> PhotoIndex:
        """Returns the index of what was added."""
        with _temporary_files():
            return PhotoIndex(_Files(self._root, *_map_all(self._names, self._ends, self._classes)))


def index_photos(root: Path, files: Iterable[tuple[Path, int]]) -> PhotoIndex:
    """Makes an index in one pass over files below a folder, each with its class.

    Raises:
        StorageError: the temporary files cannot be written.
    """
    with IndexWriter(root) as writer:
        for path, class_index in files:
            writer.add(path, class_index)
        return writer.finish()


@contextmanager
def _temporary_files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = Path(tempfile.gettempdir())
        raise storage_error("write a list of photos to", folder, error) from error


def load_index(root: Path, path: Path) -> PhotoIndex:
    """Maps an index that `PhotoIndex.save` wrote; nothing is read yet.

    Raises:
        StorageError: its files are not there or cannot be read.
    """
    return PhotoIndex(_load_files(root, path))


def _load_files(root: Path, path: Path) -> _Files:
    try:
        files = [path.with_suffix(suffix).open("rb") for suffix in _SUFFIXES]
        try:
            return _Files(root, *_map_all(*files), saved=path)
        finally:
            for file in files:
                file.close()
    except OSError as error:
        raise StorageError(f"cannot read the list of photos {path}: {error.strerror}") from error


def _from_bytes(root: Path, names: bytes, ends: Indices, class_indices: Indices) -> _Files:
    return _Files(root, memoryview(names), ends, class_indices)


def _map_all(
    names: IO[bytes], ends: IO[bytes], classes: IO[bytes]
) -> tuple[memoryview, Indices, Indices]:
    arrays = [np.frombuffer(_map(file), np.dtype("<i8")) for file in (ends, classes)]
    return _map(names), arrays[0], arrays[1]


def _map(file: IO[bytes]) -> memoryview:
    """Maps a file, which may be removed or closed then; an empty one cannot be mapped."""
    file.seek(0, os.SEEK_END)
    if file.tell() == 0:
        return memoryview(b"")
    file.flush()
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class JoinedPhotos(Sequence[Photo]):
    """Photos of several lists, one after the other, without a copy of them."""

    def __init__(self, *parts: Sequence[Photo]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts], dtype=np.int64)

    @overload
    def __getitem__(self, index: int) -> Photo: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Photo]: ...
    def __getitem__(self, index: int | slice) -> Photo | Sequence[Photo]:
        """Returns one photo, or a tuple of some."""
        if isinstance(index, slice):
            return tuple(self[place] for place in range(len(self))[index])
        place = range(len(self))[index]
        part = int(np.searchsorted(self._ends, place, "right"))
        return self._parts[part][place - int(self._ends[part])]

    def __iter__(self) -> Iterator[Photo]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


def class_indices_of(photos: Sequence[Photo]) -> Indices:
    """Returns the class of each photo, int64, shape [photos]; of an index, as it has them."""
    if isinstance(photos, PhotoIndex):
        return photos.class_indices
    return np.fromiter((photo.class_index for photo in photos), np.int64, len(photos))


def select_photos(
    photos: Sequence[Photo], places: Indices, class_indices: Indices | None = None
) -> Sequence[Photo]:
    """Returns some photos, with other classes where those are given; of an index, as an index."""
    if isinstance(photos, PhotoIndex):
        return photos.select(places, class_indices)
    chosen = (photos[place] for place in places)
    if class_indices is None:
        return tuple(chosen)
    return tuple(
        replace(photo, class_index=int(class_index))
        for photo, class_index in zip(chosen, class_indices, strict=True)
    )
