"""The photo formats that the server takes, and from a photo's bytes to a network's pixels."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.preprocess import FORMATS, Preprocess, decode_photo


def _find_heif() -> tuple[str, ...]:
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        return ()
    # No thumbnails, no second pictures: what is not asked for is not decoded.
    register_heif_opener(thumbnails=False, aux_images=False, depth_images=False)
    return ("HEIF",)


# A JPEG is decoded at a half, a quarter or an eighth of its size as long as its shorter side keeps
# so many times the length that it is resized to next. Measured on 100 photos of 8 megapixels with a
# GhostNet 1.0x of 81 classes: four times moves no probability by more than 0.009, where 0.02 is
# allowed between decoders (`mobile_assets.selftest`), and takes 85 ms where the whole takes 311;
# two times moves them by 0.015, once by 0.057. See docs/serving.md.
_DRAFT_MARGIN = 4
# What phones take and send beside the formats of training data.
SERVER_FORMATS = (*FORMATS, "AVIF", *_find_heif())
# What decodes the usual ones is loaded once, before the fork, and not by each process.
Image.preinit()


def read_photo(preprocess: Preprocess, data: bytes) -> npt.NDArray[np.uint8]:
    """Decodes, turns, resizes and crops a photo; its size is checked before it is decoded.

    The pixels are those of the contract, but for JPEGs of eight times the resized length and more.

    Args:
        preprocess: of the network that answers.
        data: the bytes of its file.

    Returns:
        `x_hwc`: uint8, shape [side, side, 3], RGB.

    Raises:
        PhotoError: not a photo, damaged, too large or too thin.
    """
    short_px = _DRAFT_MARGIN * preprocess.resize_px
    return preprocess(decode_photo(data, short_px=short_px, formats=SERVER_FORMATS))
