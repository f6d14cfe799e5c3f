"""Golden photos: a few photos with the answers that a device must reproduce."""

import io
import re
import unicodedata

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.labels import LabelSet

COUNT = 8
# A candidate's probability may be this much below the best one of its class: among photos that
# are about equally clear the smallest file is taken, because golden photos ship to every device.
_CLEAR_SHARE = 0.9
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif"}
_SUFFIXES |= {"TIFF": ".tif", "MPO": ".jpg"}

Indices = npt.NDArray[np.int64]


def choose(
    reference: npt.NDArray[np.float32], truth: Indices, sizes_bytes: Indices, count: int = COUNT
) -> list[int]:
    """Chooses photos that the reference names rightly and clearly, spread over the classes.

    Args:
        reference: the checkpoint's probabilities, shape [N, classes].
        truth: true class of each photo, shape [N].
        sizes_bytes: size of each photo's file, shape [N].
        count: how many to choose, fewer where there are fewer photos.

    Returns:
        Indices of photos, ascending. Where the reference names too few rightly, others fill up.
    """
    right = reference.argmax(axis=1) == truth
    chosen: list[int] = []
    for candidates in (np.flatnonzero(right), np.flatnonzero(~right)):
        queues = _rank_by_class(candidates, reference.max(axis=1), truth, sizes_bytes)
        chosen += _take_in_turn(queues, count - len(chosen))
    return sorted(chosen)


def _rank_by_class(
    candidates: Indices, confidence: npt.NDArray[np.float32], truth: Indices, sizes_bytes: Indices
) -> list[list[int]]:
    """Returns one list a class, best photo first: clear ones by size, then others by clearness."""
    queues = []
    for label in np.unique(truth[candidates]):
        photos = candidates[truth[candidates] == label]
        clear = confidence[photos] >= _CLEAR_SHARE * confidence[photos].max()
        by_size = sorted(photos[clear], key=lambda index: (sizes_bytes[index], index))
        others = sorted(photos[~clear], key=lambda index: (-confidence[index], index))
        queues.append([int(index) for index in [*by_size, *others]])
    return queues


def _take_in_turn(queues: list[list[int]], count: int) -> list[int]:
    """Takes the first of each class, of evenly spread classes where there are more than enough."""
    taken: list[int] = []
    while queues and len(taken) < count:
        wanted = min(count - len(taken), len(queues))
        for place in np.linspace(0, len(queues) - 1, wanted).round().astype(int):
            taken.append(queues[place].pop(0))
        queues = [queue for queue in queues if queue]
    return taken


def file_name(position: int, label: int, labels: LabelSet, data: bytes) -> str:
    """Returns a name for a golden photo's file, like "03-red-apple.jpg".

    Args:
        position: its place among the golden photos, from 1.
        label: index of its class.
        labels: the class names.
        data: the file's bytes, which tell its format.
    """
    plain = unicodedata.normalize("NFKD", labels.names[label]).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40] or f"class-{label}"
    with Image.open(io.BytesIO(data)) as image:
        suffix = _SUFFIXES.get(image.format or "", ".img")
    return f"{position:02d}-{slug}{suffix}"
