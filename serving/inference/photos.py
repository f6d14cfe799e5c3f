"""The photo formats that the server takes, and from a photo's bytes to a network's pixels."""

import numpy as np
import numpy.typing as npt

from training.preprocess import FORMATS, Preprocess, decode_photo


def _find_heif() -> tuple[str, ...]:
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        return ()
    # No thumbnails, no second pictures: what is not asked for is not decoded.
    register_heif_opener(thumbnails=False, aux_images=False, depth_images=False)
    return ("HEIF",)


# What phones take and send beside the formats of training data.
SERVER_FORMATS = (*FORMATS, "AVIF", *_find_heif())


def read_photo(preprocess: Preprocess, data: bytes) -> npt.NDArray[np.uint8]:
    """Decodes, turns, resizes and crops a photo; its size is checked before it is decoded.

    Args:
        preprocess: of the network that answers.
        data: the bytes of its file.

    Returns:
        `x_hwc`: uint8, shape [side, side, 3], RGB.

    Raises:
        PhotoError: not a photo, damaged, too large or too thin.
    """
    return preprocess(decode_photo(data, formats=SERVER_FORMATS))
