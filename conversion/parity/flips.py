"""Small pictures of the photos on which artifacts answer otherwise: a report shows them."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PIL import Image

from conversion.artifact import PARITY_NAME, to_json_text
from conversion.errors import ArtifactError
from conversion.parity.statistics import Flip, Statistics
from training.files import write_atomic
from training.preprocess import decode_photo

FOLDER = "flips"
MAX_PHOTOS = 60
SIDE_PX = 160
_INDEX = "flips.json"
_QUALITY = 80
_KINDS = ("lost", "won", "other")


def choose_flips(statistics: Iterable[Statistics]) -> list[str]:
    """Returns the names of photos to show, at most `MAX_PHOTOS`.

    Photos that an artifact lost come before those it won; among them those that most artifacts
    answer otherwise.

    Args:
        statistics: of every artifact that was run.
    """
    worst: dict[str, int] = {}
    count: dict[str, int] = {}
    for flip in _all_flips(statistics):
        place = _KINDS.index(flip.kind)
        worst[flip.photo] = min(place, worst.get(flip.photo, place))
        count[flip.photo] = count.get(flip.photo, 0) + 1
    ordered = sorted(worst, key=lambda name: (worst[name], -count[name], name))
    return ordered[:MAX_PHOTOS]


def write_flips(
    folder: Path, statistics: Iterable[Statistics], read: Callable[[str], bytes]
) -> None:
    """Writes thumbnails, and an index of which photo each one shows.

    Args:
        folder: becomes the build's `parity/`.
        statistics: of every artifact that was run.
        read: gives the bytes of a photo by its name.

    Raises:
        PhotoError: a photo can no longer be read.
    """
    index = {}
    for number, name in enumerate(choose_flips(statistics), start=1):
        file = f"{FOLDER}/{number:03d}.jpg"
        write_atomic(folder / file, to_thumbnail(read(name), name))
        index[name] = file
    write_atomic(folder / FOLDER / _INDEX, to_json_text(index))


def to_thumbnail(data: bytes, where: str) -> bytes:
    """Returns a photo as a JPEG of at most `SIDE_PX` a side, turned upright, with no metadata.

    Args:
        data: the photo's file.
        where: its name, for error messages.

    Raises:
        PhotoError: it is not a readable photo.
    """
    image = decode_photo(data, where)
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    bare = Image.new("RGB", image.size)  # the decoded one may carry EXIF, with places and names
    bare.paste(image)
    bare.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def read_flips(directory: Path) -> dict[str, str]:
    """Reads which photos have thumbnails; parity of an older release wrote none.

    Args:
        directory: the build's folder, whose `parity/` was checked against its hashes.

    Returns:
        Name of a photo -> path of its thumbnail below `parity/`.

    Raises:
        ArtifactError: the index is malformed, or names a file elsewhere or none.
    """
    folder = directory / PARITY_NAME
    path = folder / FOLDER / _INDEX
    if not path.exists():
        return {}
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        names = {str(name): str(file) for name, file in index.items()}
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    for file in names.values():
        inside = (folder / file).resolve().is_relative_to((folder / FOLDER).resolve())
        if not inside or not (folder / file).is_file():
            raise ArtifactError(f"{path} names {file!r}: allowed are files beside it")
    return names


def _all_flips(statistics: Iterable[Statistics]) -> Iterator[Flip]:
    for entry in statistics:
        yield from entry.flips
