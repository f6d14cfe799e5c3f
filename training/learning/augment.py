"""Random changes of a training photo, each decided by a generator that is handed in."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch.nn import functional

from training.preprocess import PixelsHwc
from training.recipe import TrainSettings

_GREY = (128, 128, 128)
# Aspect ratios of random crops, and tries before falling back to a centre crop: as in
# Inception's training (Szegedy et al., arXiv 1409.4842, section 6).
_RATIO = (3 / 4, 4 / 3)
_CROP_TRIES = 10
_RAND_OPERATIONS = 2  # RandAugment's N for small networks (arXiv 1909.13719, section 4)
# Random erasing (arXiv 1708.04896, section 4.2): share of the area, and aspect ratio.
_ERASED_AREA = (0.02, 0.4)
_ERASED_RATIO = (0.3, 1 / 0.3)
_ERASE_TRIES = 10
# Shares of red, green and blue in grey: ITU-R BT.601, as Pillow's mode "L".
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])

Change = Callable[[Image.Image, float], Image.Image]
_Rng = np.random.Generator


@dataclass(frozen=True)
class Augment:
    """The whole augmentation of one photo: crop, flip, policy, colour, erasing.

    Attributes:
        settings: the strengths.
    """

    settings: TrainSettings

    def __call__(self, x_hwc: PixelsHwc, side_px: int, random: _Rng) -> PixelsHwc:
        """Changes a photo.

        Args:
            x_hwc: uint8, shape [H, W, 3], RGB; it may lie in a memory-mapped file, and only the
                part that is cut out is read.
            side_px: side of the square result, in pixels.
            random: decides everything.

        Returns:
            uint8, shape [side_px, side_px, 3], RGB, 0 to 255.
        """
        settings = self.settings
        mirrored = settings.flip and random.random() < 0.5
        x_hwc = crop_and_resize(x_hwc, side_px, settings.crop_scale_min, random, mirrored)
        if settings.policy != "none" or settings.colour_jitter > 0:
            image = apply_policy(Image.fromarray(x_hwc), settings, random)
            image = jitter_colour(image, settings.colour_jitter, random)
            x_hwc = np.array(image)
        if settings.erase_share > 0 and random.random() < settings.erase_share:
            erase_rectangle(x_hwc, random)
        return x_hwc


def crop_and_resize(
    x_hwc: PixelsHwc, side_px: int, scale_min: float, random: _Rng, mirrored: bool = False
) -> PixelsHwc:
    """Cuts a random part of `scale_min` to 1 of the area, and resizes it to a square.

    The filter is bilinear with antialiasing. PyTorch's gives the same pixels as Pillow's in less
    than half the time (docs/performance.md).
    """
    top, left, height, width = draw_crop(x_hwc.shape[0], x_hwc.shape[1], scale_min, random)
    cut = torch.from_numpy(x_hwc[top : top + height, left : left + width])
    # A batch of one whose channels are the innermost dimension, which takes the fast way.
    x_nchw = cut.permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
    resized = functional.interpolate(x_nchw, (side_px, side_px), mode="bilinear", antialias=True)
    square = resized[0].permute(1, 2, 0)
    pixels: PixelsHwc = (square.flip(1) if mirrored else square).contiguous().numpy()
    return pixels


def draw_crop(height: int, width: int, scale_min: float, random: _Rng) -> tuple[int, int, int, int]:
    """Returns top, left, height and width of a random crop, in whole pixels."""
    for _ in range(_CROP_TRIES):
        area = width * height * random.uniform(scale_min, 1)
        ratio = math.exp(random.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        cut_width, cut_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < cut_width <= width and 0 < cut_height <= height:
            break
    else:
        cut_width = cut_height = min(width, height)
    top = int(random.integers(height - cut_height + 1))
    left = int(random.integers(width - cut_width + 1))
    return top, left, cut_height, cut_width


def jitter_colour(image: Image.Image, most: float, random: _Rng) -> Image.Image:
    """Changes brightness, contrast and saturation, each by a factor in [1 - most, 1 + most].

    In this order and in one step: each is linear in the pixels, so together they are one matrix.
    Values are cut off at 0 and 255 once, at the end.
    """
    if most == 0:
        return image
    brightness, contrast, saturation = random.uniform(1 - most, 1 + most, 3)
    scale = brightness * contrast
    # Contrast goes around the photo's mean grey, which brightness has scaled before.
    mean = np.asarray(image.resize((1, 1), Image.Resampling.BOX), np.float64)[0, 0]
    offset = (1 - contrast) * brightness * float(mean @ _GREY_WEIGHTS)
    mixed = saturation * np.eye(3) + (1 - saturation) * _GREY_WEIGHTS
    matrix = np.column_stack([scale * mixed, np.full(3, offset)])
    return image.convert("RGB", tuple(matrix.ravel().tolist()))


def erase_rectangle(x_hwc: PixelsHwc, random: _Rng) -> None:
    """Fills a random rectangle with random values, in place (RE-R of arXiv 1708.04896)."""
    height, width = x_hwc.shape[:2]
    for _ in range(_ERASE_TRIES):
        area = height * width * random.uniform(*_ERASED_AREA)
        ratio = random.uniform(*_ERASED_RATIO)
        rows, columns = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < rows < height and 0 < columns < width:
            top = int(random.integers(height - rows + 1))
            left = int(random.integers(width - columns + 1))
            noise = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
            x_hwc[top : top + rows, left : left + columns] = noise
            return


def apply_policy(image: Image.Image, settings: TrainSettings, random: _Rng) -> Image.Image:
    """Applies TrivialAugment (one random change of random strength) or RandAugment (two, fixed)."""
    if settings.policy == "trivial":
        return _change(image, random.uniform(0, 1), random)
    if settings.policy == "rand":
        for _ in range(_RAND_OPERATIONS):
            image = _change(image, settings.rand_magnitude / 10, random)
    return image


def _change(image: Image.Image, strength: float, random: _Rng) -> Image.Image:
    change = CHANGES[random.integers(len(CHANGES))]
    return change(image, strength if random.random() < 0.5 else -strength)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance], most: float) -> Change:
    return lambda image, strength: kind(image).enhance(1 + most * strength)


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_GREY
    )


def _shear_x(image: Image.Image, strength: float) -> Image.Image:
    slope = 0.3 * strength
    return _affine(image, (1, slope, -slope * image.height / 2, 0, 1, 0))


def _shear_y(image: Image.Image, strength: float) -> Image.Image:
    slope = 0.3 * strength
    return _affine(image, (1, 0, 0, slope, 1, -slope * image.width / 2))


def _shift_x(image: Image.Image, strength: float) -> Image.Image:
    return _affine(image, (1, 0, 0.25 * strength * image.width, 0, 1, 0))


def _shift_y(image: Image.Image, strength: float) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, 0.25 * strength * image.height))


def _rotate(image: Image.Image, strength: float) -> Image.Image:
    return image.rotate(30 * strength, Image.Resampling.BILINEAR, fillcolor=_GREY)


def _posterize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * abs(strength)))


def _solarize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.solarize(image, round(256 - 128 * abs(strength)))


# TrivialAugment's list (arXiv 2103.10158, table 7) with its ranges narrowed to about half: colour
# is part of what an item is, and a small network cannot spend itself on the extremes.
CHANGES: tuple[Change, ...] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    _enhance(ImageEnhance.Brightness, 0.5),
    _enhance(ImageEnhance.Color, 0.5),
    _enhance(ImageEnhance.Contrast, 0.5),
    _enhance(ImageEnhance.Sharpness, 0.9),
    _posterize,
    _solarize,
    _rotate,
    _shear_x,
    _shear_y,
    _shift_x,
    _shift_y,
)
