"""Which photos a checkpoint has seen: the leakage check of a run, and of an evaluation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.config import DataSettings
from training.console import show_progress
from training.errors import GhostlensError, StorageError
from training.evaluation.leakage import LIMIT_BITS, Leakage, count_repeated, find_leakage
from training.evaluation.photo_hash import HASHES_NAME, PhotoHashes, hash_photos, hash_pixels
from training.files import write_atomic
from training.photos import Photo, Source
from training.preprocess import PixelsHwc
from training.sources.data import open_source


def check_run(
    source: Source, pixels: Callable[[int], PixelsHwc], out: Path, workers: int
) -> dict[str, Any]:
    """Compares a run's validation photos with its training photos, and keeps the latter's hashes.

    Args:
        source: the run's photos.
        pixels: from the place of a training photo to the whole photo, uint8 [H, W, 3].
        out: the run's folder, which gets the file `HASHES_NAME`: later evaluations need no
            training photos.
        workers: threads to decode with.

    Returns:
        The entry "leakage" of `metrics.json`.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: the disk is full.
    """
    with show_progress("hash training photos", len(source.train)) as bar:
        names = [photo.name for photo in source.train]
        trained = hash_pixels(names, pixels, max(workers, 1), lambda: bar.update(1))
    write_atomic(out / HASHES_NAME, trained.to_bytes())
    judged = _hash(source.validation, workers, "hash validation photos")
    return {
        **find_leakage(trained, judged).to_json(),
        "repeated_photos": count_repeated(judged),
    }


def check_judged(
    photos: Sequence[Photo],
    checkpoint: Path,
    data: DataSettings,
    workers: int,
    limit_bits: int = LIMIT_BITS,
) -> tuple[Leakage | None, dict[str, Any]]:
    """Compares photos with those that a checkpoint was trained on.

    Args:
        photos: what it is to be judged on.
        checkpoint: its folder.
        data: what it was trained with, for a checkpoint that holds no hashes.
        workers: threads to decode with.
        limit_bits: the largest distance that counts as the same.

    Returns:
        What was found, None where there was nothing to compare with; and the entry "leakage" of
        the figures.

    Raises:
        PhotoError: a photo cannot be decoded.
        DataError: the checkpoint's hashes are malformed.
    """
    judged = _hash(photos, workers, "hash photos")
    repeated = {"repeated_photos": count_repeated(judged, limit_bits)}
    trained = _find_trained(checkpoint, data, workers)
    if isinstance(trained, str):
        return None, {"checked": False, "why": trained, **repeated}
    found = find_leakage(trained, judged, limit_bits)
    return found, {**found.to_json(), **repeated}


def _find_trained(checkpoint: Path, data: DataSettings, workers: int) -> PhotoHashes | str:
    """Returns the hashes of the training photos, or why there are none."""
    path = checkpoint / HASHES_NAME
    if path.is_file():
        try:
            return PhotoHashes.from_bytes(path.read_bytes(), str(path))
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if data.source == "grocery" and not data.path:
        return f"{checkpoint} holds no {HASHES_NAME}, and its photos would have to be fetched"
    try:
        return _hash(open_source(data).train, workers, "hash training photos")
    except GhostlensError as error:
        return f"{checkpoint} holds no {HASHES_NAME}, and its photos are not at hand: {error}"


def _hash(photos: Sequence[Photo], workers: int, words: str) -> PhotoHashes:
    with show_progress(words, len(photos)) as bar:
        return hash_photos(photos, max(workers, 1), lambda: bar.update(1))
