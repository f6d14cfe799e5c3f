"""Perceptual hashes: photos that look the same have hashes that differ in few bits. Free of torch.

A hash is three words of 64 bits, all taken from one grey photo of 36 x 36 pixels:

- the signs of the low frequencies of its DCT about their median (pHash, Zauner, "Implementation
  and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1);
- whether it gets brighter from left to right, and from top to bottom, between the 9 x 9 blocks of
  4 x 4 pixels (dHash, Krawetz, "Kind of Like That", 2013).
"""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.errors import DataError, PhotoError
from training.photos import Photo
from training.preprocess import PixelsHwc, decode_photo

Words = npt.NDArray[np.uint64]
HASH_BITS = 192
HASHES_NAME = "train_hashes.npz"  # of a checkpoint: the photos that it was trained on

_CHUNK = 4096
_BLOCKS = 9  # 9 blocks a side have 8 steps between them, and 8 x 8 steps fill a word
_SIDE_PX = 4 * _BLOCKS
_FREQUENCIES = 8
# Rows of the DCT-II: cosine of each of the lowest frequencies at each pixel's centre.
_COSINES = np.cos(
    np.pi * (2 * np.arange(_SIDE_PX) + 1) * np.arange(_FREQUENCIES)[:, None] / (2 * _SIDE_PX)
)


def hash_image(image: Image.Image) -> Words:
    """Returns the hash of a photo, and of its mirror image: uint64, shape [2, 3]."""
    small = image.convert("L").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    grey = np.asarray(small, np.float64)
    return np.stack([_hash_grey(grey), _hash_grey(grey[:, ::-1])])


def _hash_grey(grey: npt.NDArray[np.float64]) -> Words:
    waves = (_COSINES @ grey @ _COSINES.T).ravel()
    # The first is the mean brightness: it says nothing about what is to be seen.
    low = waves > np.median(waves[1:])
    low[0] = False
    blocks = grey.reshape(_BLOCKS, 4, _BLOCKS, 4).mean(axis=(1, 3))
    rightward = blocks[:-1, 1:] > blocks[:-1, :-1]
    downward = blocks[1:, :-1] > blocks[:-1, :-1]
    bits = np.concatenate([low, rightward.ravel(), downward.ravel()])
    return np.packbits(bits).view(">u8").astype(np.uint64)


@dataclass(frozen=True)
class PhotoHashes:
    """Hashes of some photos.

    Attributes:
        names: of the photos.
        words: uint64, shape [N, 3].
        mirrored: of the mirrored photos, shape [N, 3].
    """

    names: tuple[str, ...]
    words: Words
    mirrored: Words

    def __len__(self) -> int:
        return len(self.names)

    def to_bytes(self) -> bytes:
        """Returns names and hashes as the bytes of an `.npz` file; the same give the same bytes."""
        buffer = io.BytesIO()
        # Joined by zeros, which no file name holds: an array of texts would take the longest
        # name's length for every name.
        names = np.frombuffer("\0".join(self.names).encode(), np.uint8)
        np.savez_compressed(buffer, names=names, words=self.words, mirrored=self.mirrored)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "PhotoHashes":
        """Reads what `to_bytes` wrote.

        Raises:
            DataError: the bytes are something else.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                text = arrays["names"].tobytes().decode()
                words, mirrored = arrays["words"], arrays["mirrored"]
        # NumPy and zipfile raise many kinds of error on bytes that are not theirs.
        except Exception as error:
            raise DataError(f"{where} holds no hashes of photos: {error}") from error
        names = tuple(text.split("\0")) if len(words) else ()
        fits = words.shape == mirrored.shape == (len(names), 3)
        if not fits or words.dtype != np.uint64 or mirrored.dtype != np.uint64:
            raise DataError(f"{where} holds no hashes of {len(names)} photos")
        return cls(names, words, mirrored)


def hash_photos(
    photos: Sequence[Photo],
    workers: int | None = None,
    tick: Callable[[], object] | None = None,
) -> PhotoHashes:
    """Decodes and hashes photos.

    Args:
        photos: what to hash.
        workers: threads to decode with, at least 1; as many as there are cores when not given.
        tick: called after each photo, for a progress bar.

    Raises:
        PhotoError: photos cannot be decoded; the message names each one.
    """

    def hash_one(index: int) -> Words | str:
        try:
            photo = photos[index]
            return hash_image(decode_photo(photo.read(), photo.name))
        except PhotoError as error:
            return str(error)

    return _hash_all(tuple(photo.name for photo in photos), hash_one, workers, tick)


def hash_pixels(
    names: Sequence[str],
    pixels: Callable[[int], PixelsHwc],
    workers: int | None = None,
    tick: Callable[[], object] | None = None,
) -> PhotoHashes:
    """Hashes photos that are decoded already; see `hash_photos`.

    Args:
        names: of the photos.
        pixels: from a photo's place in the list to the whole photo, uint8 [H, W, 3], which may be
            reduced in size.
        workers: threads to hash with.
        tick: called after each photo.
    """

    def hash_one(index: int) -> Words:
        return hash_image(Image.fromarray(pixels(index)))

    return _hash_all(tuple(names), hash_one, workers, tick)


def _hash_all(
    names: tuple[str, ...],
    hash_one: Callable[[int], Words | str],
    workers: int | None,
    tick: Callable[[], object] | None,
) -> PhotoHashes:
    words = np.zeros((len(names), 2, 3), np.uint64)
    problems: list[str] = []
    # Threads suffice: decoding and resizing let other threads run meanwhile.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for start in range(0, len(names), _CHUNK):
            # In parts, because a pool takes all that it is given at once: there may be millions.
            chunk = range(start, min(start + _CHUNK, len(names)))
            for index, hashed in zip(chunk, pool.map(hash_one, chunk), strict=True):
                if isinstance(hashed, str):
                    problems.append(hashed)
                else:
                    words[index] = hashed
                if tick is not None:
                    tick()
    if problems:
        raise PhotoError("\n".join(problems))
    return PhotoHashes(names, words[:, 0], words[:, 1])
