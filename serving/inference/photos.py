"""The photo formats that the server takes, and from a photo's bytes to a network's pixels."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.errors import PhotoError
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
# What decoding and its copies take at most, and how much of it for a pixel, at the peak: measured
# with photos of 7200 x 7200 pixels, and a WebP of 12 megapixels. See docs/serving.md.
_MOST_BYTES = 400 << 20
_BYTES_A_PIXEL, _BYTES_WITH_ALPHA, _BYTES_OF_WEBP = 14, 25, 30


def decode_bounded(data: bytes, short_px: int) -> Image.Image:
    """Decodes a photo, as `training.preprocess.decode_photo` does, within bounded memory.

    Args:
        data: the bytes of its file.
        short_px: see there.

    Raises:
        PhotoError: see there; or decoding it would take too much memory.
    """
    return decode_photo(data, short_px=short_px, formats=SERVER_FORMATS, check=_check_cost)


def _check_cost(image: Image.Image) -> None:
    pixels, allowed = image.width * image.height, _MOST_BYTES // _find_cost(image)
    if pixels > allowed:
        raise PhotoError(
            f"photo: {pixels / 1e6:.1f} megapixels of a {image.format} ({image.mode}) take too "
            f"much memory; allowed are {allowed / 1e6:.1f}, or a JPEG"
        )


def _find_cost(image: Image.Image) -> int:
    if image.format == "WEBP":
        return _BYTES_OF_WEBP
    has_more = image.has_transparency_data or image.mode.startswith(("I", "F"))
    return _BYTES_WITH_ALPHA if has_more else _BYTES_A_PIXEL


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
    return preprocess(decode_bounded(data, short_px))
