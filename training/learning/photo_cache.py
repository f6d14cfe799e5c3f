"""Decoded photos in one memory-mapped file, shared by the processes that prepare batches."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.console import show_progress
from training.files import storage_error
from training.photos import Photo
from training.preprocess import PixelsHwc, Preprocess, decode_photo
from training.sources.photo_index import class_indices_of

# Photos are kept for augmentation at up to this many times the resize length: a random crop of
# a third of the area is then still about as sharp as the network's input.
KEPT_RESOLUTION = 1.5
Decode = Callable[[Photo], PixelsHwc]
_Integers = npt.NDArray[np.int64]
_PREFIX = ".ghostlens-photos-"
_POOL_PAYS_FROM = 200  # below this, starting processes takes longer than decoding
_CHUNK = 16  # photos that a process is asked for at once


class DecodedPhotos:
    """Photos as pixels, whose shorter side was reduced to a limit where it was longer.

    The first of them lie in a file, as many as its size allows; the others are decoded each time
    that they are asked for, by whoever asks, with the same result. Pickles, for processes that
    prepare batches.

    Args:
        path: file of pixels, one photo after the other, uint8 RGB.
        shapes: height and width of each photo in the file, int64, shape [kept, 2].
        photos: all photos, those in the file first.
        decode: how to decode the others.

    Attributes:
        path: as above.
        class_indices: the label of each photo, int64, shape [photos].
    """

    def __init__(
        self, path: Path, shapes: _Integers, photos: Sequence[Photo], decode: Decode
    ) -> None:
        self.path = path
        self.class_indices = class_indices_of(photos)
        self._shapes, self._photos, self._decode = shapes, photos, decode
        # Where the pixels of each photo in the file end, in bytes.
        self._ends = np.cumsum(3 * shapes.prod(axis=1))
        self._file: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.class_indices)

    def __getstate__(self) -> dict[str, Any]:
        # Each process maps the file itself.
        return {**self.__dict__, "_file": None}

    @property
    def kept(self) -> int:
        """Number of photos that lie in the file."""
        return len(self._shapes)

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return int(self._ends[-1]) if self.kept else 0

    def pixels(self, index: int) -> PixelsHwc:
        """Returns one photo: uint8, shape [H, W, 3], RGB; changes of it do not reach the file."""
        if index >= self.kept:
            return self._decode(self._photos[index])
        if self._file is None:
            # Copied on writing: PyTorch warns of arrays that cannot be written.
            self._file = np.asarray(np.memmap(self.path, np.uint8, "c"))
        height, width = self._shapes[index]
        end = self._ends[index]
        return self._file[end - 3 * height * width : end].reshape(height, width, 3)

    def batches(self, size: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Yields photos of one size in their order: uint8, shape [at most `size`, H, W, 3]."""
        for start in range(0, len(self), size):
            places = range(start, min(start + size, len(self)))
            yield np.stack([self.pixels(index) for index in places])


@contextmanager
def decode_all(
    photos: Sequence[Photo],
    decode: Decode,
    workers: int,
    progress: str,
    folder: Path | None = None,
    size_bytes: int | None = None,
) -> Iterator[DecodedPhotos]:
    """Decodes photos once, into a temporary file that is removed when the block ends.

    Args:
        photos: what to decode.
        decode: how: `read_whole` or `read_preprocessed`, with their second argument filled in.
        workers: processes to decode with; below 2, this one alone.
        progress: words beside the progress bar.
        folder: where the file lies; the machine's folder for temporary files when not given.
        size_bytes: the file's largest size; photos that do not fit are decoded each time that
            they are asked for. No limit when not given.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: the disk is full, or the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    path = Path(name)
    try:
        kept = photos if size_bytes != 0 else ()
        bar = show_progress(progress, len(kept), _decoded(kept, decode, workers))
        shapes = _write_pixels(handle, path, bar, size_bytes)
        yield DecodedPhotos(path, shapes, photos, decode)
    finally:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes the files of killed runs from a folder that no other run uses."""
    for path in folder.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)


def _write_pixels(
    handle: int, path: Path, arrays: Iterable[PixelsHwc], size_bytes: int | None
) -> _Integers:
    """Writes photos until the next one would not fit, and returns the height and width of each."""
    shapes: list[tuple[int, int]] = []
    try:
        with os.fdopen(handle, "wb") as file:
            for pixels in arrays:
                if size_bytes is not None and file.tell() + pixels.nbytes > size_bytes:
                    break
                shapes.append((pixels.shape[0], pixels.shape[1]))
                file.write(pixels.data)
    except OSError as error:
        raise storage_error("write decoded photos to", path, error) from error
    return np.array(shapes, np.int64).reshape(-1, 2)


def read_whole(photo: Photo, short_px: int) -> PixelsHwc:
    """Decodes a photo for augmentation; a shorter side over `short_px` is reduced to it.

    A JPEG of at least twice that size is decoded at a half, a quarter or an eighth first.
    """
    image = decode_photo(photo.read(), photo.name, short_px)
    factor = short_px / min(image.size)
    if factor < 1:
        size = (round(image.width * factor), round(image.height * factor))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.array(image, dtype=np.uint8)


def read_preprocessed(photo: Photo, preprocess: Preprocess) -> PixelsHwc:
    """Decodes a photo exactly as an app does: model input, [input_px, input_px, 3]."""
    return np.array(preprocess.read(photo.read(), photo.name))


def _decoded(photos: Sequence[Photo], decode: Decode, workers: int) -> Iterator[PixelsHwc]:
    if workers < 2 or len(photos) < _POOL_PAYS_FROM:
        yield from map(decode, photos)
        return
    queue = iter(photos)
    pending: deque[Future[list[PixelsHwc]]] = deque()
    # Spawned, not forked: this process already runs torch's threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # A few chunks ahead, not all: the photos may be a million, and the file full soon.
        while chunk := list(islice(queue, _CHUNK)):
            pending.append(pool.submit(_decode_chunk, decode, chunk))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _decode_chunk(decode: Decode, photos: list[Photo]) -> list[PixelsHwc]:
    return [decode(photo) for photo in photos]
