"""The only definition of how a photo becomes model input: decode, turn, resize, crop.

Free of torch. Every room, every test and (through the manifest) every app follows this file.
"""

import io
import math
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from training.errors import ConfigError, PhotoError

# Passes today's 50-megapixel phone sensors (8160 x 6144 = 50.1 million); larger photos are
# refused before they are decoded, because decoding takes 3 bytes a pixel and more.
MAX_PIXELS = 52_000_000
# An item seen only as a line has nothing to recognise, and resizing it would ask for huge memory.
MAX_ASPECT = 20
MIN_INPUT_PX, MAX_INPUT_PX = 32, 1024
# Of the shorter side before the crop, in sides of the input.
MAX_RESIZE = 2
# The JPEG reader also takes MPO, the two-picture files of some phones.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_SECTOR_BYTES = 512
RESAMPLERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_RESAMPLER_WORDS = {
    "bilinear": "triangle filter of radius 1",
    "bicubic": "cubic convolution filter with a = -0.5, radius 2",
    "lanczos": "Lanczos filter, radius 3",
}

PixelsHwc = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Preprocess:
    """From a decoded photo to model input.

    Attributes:
        input_px: side of the square that the model takes, in pixels, 32 to 1024.
        resize_px: length of the photo's shorter side before the centre crop, at least `input_px`.
        resampler: "bilinear", "bicubic" or "lanczos", each with Pillow's antialiasing: the
            filter's support grows with the factor of reduction.

    Raises:
        ConfigError: a value is out of range; the message says what is allowed.
    """

    input_px: int
    resize_px: int
    resampler: str = "bilinear"

    def __post_init__(self) -> None:
        if not MIN_INPUT_PX <= self.input_px <= MAX_INPUT_PX:
            raise ConfigError(
                f"input_px is {self.input_px}: allowed are {MIN_INPUT_PX} to {MAX_INPUT_PX}"
            )
        if not self.input_px <= self.resize_px <= MAX_RESIZE * self.input_px:
            raise ConfigError(
                f"resize_px is {self.resize_px}: allowed are {self.input_px} to "
                f"{MAX_RESIZE * self.input_px} (input_px to twice input_px)"
            )
        if self.resampler not in RESAMPLERS:
            raise ConfigError(f"resampler is {self.resampler!r}: allowed are {sorted(RESAMPLERS)}")

    @classmethod
    def for_input(
        cls, input_px: int, crop_pct: float = 0.875, resampler: str = "bilinear"
    ) -> "Preprocess":
        """Makes the usual definition: the crop takes `crop_pct` of the shorter side.

        Args:
            input_px: side of the model's input, in pixels.
            crop_pct: share of the shorter side that the crop keeps, over 0.5 up to 1. The default
                0.875 is 224 of 256, the ImageNet habit.
            resampler: see the class.
        """
        if not 0.5 < crop_pct <= 1:
            raise ConfigError(f"crop_pct is {crop_pct}: allowed are values over 0.5 up to 1")
        return cls(input_px, math.floor(input_px / crop_pct), resampler)

    @property
    def crop_pct(self) -> float:
        """Share of the shorter side that the crop keeps."""
        return self.input_px / self.resize_px

    def __call__(self, image: Image.Image) -> PixelsHwc:
        """Resizes and crops a decoded RGB photo.

        Args:
            image: an RGB photo, as `decode_photo` returns it.

        Returns:
            `x_hwc`: uint8, shape [input_px, input_px, 3], RGB, 0 to 255.
        """
        width, height = image.size
        short = min(width, height)
        # Whole numbers, rounding half up: the same on every platform.
        new_width = (2 * width * self.resize_px + short) // (2 * short)
        new_height = (2 * height * self.resize_px + short) // (2 * short)
        # Two calls, as one leaves the order of the passes to Pillow, and their rounding differs.
        resampler = RESAMPLERS[self.resampler]
        widened = image.resize((new_width, height), resampler)
        resized = widened.resize((new_width, new_height), resampler)
        left, top = (new_width - self.input_px) // 2, (new_height - self.input_px) // 2
        box = (left, top, left + self.input_px, top + self.input_px)
        return np.asarray(resized.crop(box), dtype=np.uint8)

    def read(self, data: bytes, where: str = "photo") -> PixelsHwc:
        """Decodes, turns, resizes and crops a photo file's bytes; see `decode_photo`."""
        return self(decode_photo(data, where))

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers, and the same in words, for a manifest."""
        return {**asdict(self), "steps": self.steps()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Preprocess":
        """Reads what `to_json` wrote; the words are ignored.

        Raises:
            ConfigError: a key is missing or of the wrong type.
        """
        try:
            numbers = value["input_px"], value["resize_px"], value["resampler"]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"preprocess needs input_px, resize_px, resampler: {error}") from None
        input_px, resize_px, resampler = numbers
        if type(input_px) is not int or type(resize_px) is not int:
            raise ConfigError("preprocess: input_px and resize_px must be whole numbers")
        return cls(input_px, resize_px, str(resampler))

    def steps(self) -> list[str]:
        """Returns the definition in words, one step an entry, for an app's developer."""
        return [
            "Decode to 8-bit RGB as stored; do not apply an embedded colour profile. Of an "
            "animation take the first frame; put transparency over white; of 16-bit samples take "
            "value / 257, rounded, where the photo is plain grey, and the upper byte elsewhere; "
            "turn CMYK into RGB as (255 - C) * (255 - K) / 255 and likewise.",
            "Turn the pixels as the EXIF Orientation tag says.",
            f"Resize with both sides in proportion so that the shorter one is {self.resize_px} "
            f"pixels (the longer: longer * {self.resize_px} / shorter, rounded half up), with the "
            f"{_RESAMPLER_WORDS[self.resampler]}, its support multiplied by the factor of "
            "reduction (antialiasing), samples at pixel centres, horizontally and then "
            "vertically, each pass rounded to 8 bits.",
            f"Crop the central {self.input_px} x {self.input_px} pixels, offsets rounded down.",
            "Give the values 0 to 255 as they are: the model scales and normalises them itself.",
        ]


def decode_photo(
    data: bytes,
    where: str = "photo",
    short_px: int = 0,
    formats: tuple[str, ...] = FORMATS,
    check: Callable[[Image.Image], None] | None = None,
) -> Image.Image:
    """Decodes a photo file to 8-bit RGB, turned as its EXIF orientation says.

    Args:
        data: the bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF file, of any colour mode.
        where: the photo's name, for error messages.
        short_px: for training, where the exact pixels do not matter: a JPEG may be decoded at a
            half, a quarter or an eighth of its size, in less time, as long as its shorter side
            keeps this length. 0 for the whole photo.
        formats: of the file, by Pillow's names; those of training data when not given.
        check: called before the pixels are decoded, with an image of the size that they will have;
            refuses it by a PhotoError.

    Returns:
        An RGB image of at most `MAX_PIXELS` pixels.

    Raises:
        PhotoError: not a photo, damaged, over `MAX_PIXELS`, thinner than 1 : `MAX_ASPECT`,
            or refused by the check.
    """
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(image, where)
            _check_end(data, image.format, where)
            if short_px:
                image.draft(image.mode, (short_px, short_px))
            if check is not None:
                check(image)
            return _to_rgb(_turn(image), where)
    except PhotoError:
        raise
    # Pillow warns or refuses on its own above 89 megapixels, before our check sees the size.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError(f"{where}: too large: allowed are {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{where}: not a photo; allowed are {', '.join(formats)}") from None
    # Pillow's decoders raise many kinds of error on damaged files, struct.error among them.
    except Exception as error:
        raise PhotoError(
            f"{where}: not a readable photo ({error or type(error).__name__}); "
            f"allowed are {', '.join(formats)}"
        ) from error


def _check_size(image: Image.Image, where: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"{where}: {width} x {height} is {width * height / 1e6:.1f} megapixels; "
            f"allowed are {MAX_PIXELS / 1e6:.0f}"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PhotoError(
            f"{where}: {width} x {height} is too thin; allowed are up to {MAX_ASPECT} : 1"
        )


def _check_end(data: bytes, kind: str | None, where: str) -> None:
    """Refuses a JPEG that a broken copy filled up with zeros: they decode, as a grey area."""
    filled_up = kind in ("JPEG", "MPO") and data.endswith(bytes(_SECTOR_BYTES))
    if filled_up and data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise PhotoError(f"{where}: not a readable photo (its end is all zeros)")


def _turn(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    # A damaged EXIF block says nothing about turning, and the pixels are whole.
    except (SyntaxError, ValueError, TypeError, KeyError, EOFError, struct.error):
        return image.copy()


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return _from_16_bit(image, where)
    if image.mode == "F":
        raise PhotoError(f"{where}: floating-point samples are not a photo; save as 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image, where: str) -> Image.Image:
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise PhotoError(f"{where}: 32-bit samples are not a photo; save as 8 or 16 bits")
    # 65535 / 255 = 257: full scale stays full scale.
    grey = ((samples + 128) // 257).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
