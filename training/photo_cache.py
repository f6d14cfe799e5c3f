"""Decoded photos in one memory-mapped file, shared by the processes that prepare batches."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from training.data import Photo
from training.files import storage_error
from training.preprocess import PixelsHwc, Preprocess, decode_photo

Decode = Callable[[Photo], PixelsHwc]
_PREFIX = ".ghostlens-photos-"
_POOL_PAYS_FROM = 200  # below this, starting processes takes longer than decoding


@dataclass(frozen=True)
class DecodedPhotos:
    """Photos as pixels, whose shorter side was reduced to a limit where it was longer.

    Attributes:
        path: file of all pixels, one photo after the other, uint8 RGB.
        shapes: height and width of each photo, in pixels.
        offsets: where each photo's pixels begin in the file, in bytes.
        class_indices: the label of each photo.
    """

    path: Path
    shapes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]
    class_indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def pixels(self, index: int) -> PixelsHwc:
        """Returns one photo: uint8, shape [H, W, 3], RGB; changes of it do not reach the file."""
        shape = (*self.shapes[index], 3)
        return np.memmap(self.path, np.uint8, "c", self.offsets[index], shape)


@contextmanager
def decode_all(
    photos: Sequence[Photo],
    decode: Decode,
    workers: int,
    progress: str,
    folder: Path | None = None,
) -> Iterator[DecodedPhotos]:
    """Decodes every photo once, into a temporary file that is removed when the block ends.

    Args:
        photos: what to decode.
        decode: how: `read_whole` or `read_preprocessed`, with their second argument filled in.
        workers: processes to decode with; below 2, this one alone.
        progress: words beside the progress bar.
        folder: where the file lies; the machine's folder for temporary files when not given.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: the disk is full, or the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    path = Path(name)
    try:
        arrays = _decoded(photos, decode, workers)
        bar = tqdm(arrays, progress, len(photos), leave=False, unit="photo")
        shapes, offsets = _write_pixels(handle, path, bar)
        labels = tuple(photo.class_index for photo in photos)
        yield DecodedPhotos(path, shapes, offsets, labels)
    finally:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes the files of killed runs from a folder that no other run uses."""
    for path in folder.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)


def _write_pixels(
    handle: int, path: Path, arrays: Iterable[PixelsHwc]
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    shapes: list[tuple[int, int]] = []
    offsets: list[int] = []
    try:
        with os.fdopen(handle, "wb") as file:
            for pixels in arrays:
                offsets.append(file.tell())
                shapes.append((pixels.shape[0], pixels.shape[1]))
                file.write(pixels.tobytes())
    except OSError as error:
        raise storage_error("write decoded photos to", path, error) from error
    return tuple(shapes), tuple(offsets)


def read_whole(photo: Photo, short_px: int) -> PixelsHwc:
    """Decodes a photo for augmentation; a shorter side over `short_px` is reduced to it."""
    image = decode_photo(photo.read(), photo.name)
    factor = short_px / min(image.size)
    if factor < 1:
        size = (round(image.width * factor), round(image.height * factor))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)


def read_preprocessed(photo: Photo, preprocess: Preprocess) -> PixelsHwc:
    """Decodes a photo exactly as an app does: model input, [input_px, input_px, 3]."""
    return preprocess.read(photo.read(), photo.name)


def _decoded(photos: Sequence[Photo], decode: Decode, workers: int) -> Iterator[PixelsHwc]:
    if workers < 2 or len(photos) < _POOL_PAYS_FROM:
        yield from map(decode, photos)
        return
    # Spawned, not forked: this process already runs torch's threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(decode, photos, chunksize=16)
