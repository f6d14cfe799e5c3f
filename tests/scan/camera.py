"""What a fake camera sees: photos as a film that Chromium plays again and again."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageOps

# Frames of one film are of one size; Chromium plays 30 a second.
SIZE = (640, 480)
PER_SECOND = 30


def write_film(path: Path, photos: Iterable[bytes], seconds_each: float = 1) -> Path:
    """Writes encoded photos as Motion JPEG, one shown after the other.

    Args:
        path: ends in `.mjpeg`.
        photos: files of any format that Pillow reads; scaled and cropped to the film's size.
        seconds_each: how long each is shown.
    """
    frames = []
    for photo in photos:
        buffer = io.BytesIO()
        image = Image.open(io.BytesIO(photo)).convert("RGB")
        ImageOps.fit(image, SIZE).save(buffer, "JPEG", quality=92)
        frames += [buffer.getvalue()] * max(1, round(PER_SECOND * seconds_each))
    path.write_bytes(b"".join(frames))
    return path
