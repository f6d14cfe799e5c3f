"""A photo as it is kept: its pixels alone, no larger than training needs."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from serving.inference.photos import decode_bounded
from training.evaluation.photo_hash import Words, hash_image
from training.files import sha256_bytes

# Networks take 224 to 288 pixels, of crops of a photo. Of a 4 : 3 photo 1024 x 768 pixels are left,
# so that a crop of an eighth of its area is still as sharp as the input; more would only be stored.
KEPT_PX = 1024
# Losses far below those of the photo's own first encoding.
_QUALITY = 95
SUFFIX = ".jpg"
# Two photos count as one where at most so many of the 192 bits of their perceptual hashes differ.
# The leakage check takes 32, which finds the next shot of the same item too: here those are worth
# having, and only copies that were resized or encoded again are not.
SAME_BITS = 8


@dataclass(frozen=True)
class CleanPhoto:
    """A photo without anything but its pixels.

    Attributes:
        data: a JPEG file without EXIF, XMP, colour profile, thumbnail or comment.
        sha256: of it.
        look: perceptual hashes of it and its mirror image, 96 hexadecimal digits.
    """

    data: bytes
    sha256: str
    look: str


def clean_photo(data: bytes) -> CleanPhoto:
    """Decodes a photo, turns it upright, and encodes its pixels anew.

    A colour profile is dropped, not applied: training and phones take pixels as they are stored
    (`training.preprocess`), and so must whatever is learnt from here.

    Args:
        data: the bytes of its file.

    Raises:
        PhotoError: not a photo, damaged, too large or too thin.
    """
    image = decode_bounded(data, KEPT_PX)
    image.thumbnail((KEPT_PX, KEPT_PX), Image.Resampling.LANCZOS)
    # Made of bytes: what Pillow remembers of a file, such as its comment, would be written again.
    bare = Image.frombytes("RGB", image.size, image.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=_QUALITY)
    kept = buffer.getvalue()
    return CleanPhoto(kept, sha256_bytes(kept), hash_image(bare).astype(">u8").tobytes().hex())


def looks_same(look: str, other: str) -> bool:
    """Tells whether two photos, or one and the other's mirror image, are copies of one."""
    ours, (upright, _) = _read(look), _read(other)
    differing = np.unpackbits((ours ^ upright).view(np.uint8), axis=-1).sum(axis=-1)
    return bool(differing.min() <= SAME_BITS)


def _read(look: str) -> Words:
    return np.frombuffer(bytes.fromhex(look), ">u8").astype(np.uint64).reshape(2, 3)
