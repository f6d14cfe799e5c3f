"""Random changes of a training photo. Each takes an image and a generator, and returns an image."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from training.preprocess import PixelsHwc
from training.recipe import TrainSettings

_GREY = (128, 128, 128)
# Aspect ratios of random crops, and tries before falling back to a centre crop: as in
# Inception's training (Szegedy et al., arXiv 1409.4842, section 6).
_RATIO = (3 / 4, 4 / 3)
_CROP_TRIES = 10
_RAND_OPERATIONS = 2  # RandAugment's N for small networks (arXiv 1909.13719, section 4)

Change = Callable[[Image.Image, float], Image.Image]


@dataclass(frozen=True)
class Augment:
    """The whole augmentation of one photo: crop, flip, policy, colour.

    Attributes:
        settings: the strengths.
        input_px: side of the square result, in pixels.
    """

    settings: TrainSettings
    input_px: int

    def __call__(self, image: Image.Image, random: np.random.Generator) -> PixelsHwc:
        """Returns `x_hwc`: uint8, shape [input_px, input_px, 3], RGB, 0 to 255."""
        image = crop_and_resize(image, self.input_px, self.settings.crop_scale_min, random)
        if self.settings.flip and random.random() < 0.5:
            image = ImageOps.mirror(image)
        image = apply_policy(image, self.settings, random)
        image = jitter_colour(image, self.settings.colour_jitter, random)
        return np.asarray(image, dtype=np.uint8)


def crop_and_resize(
    image: Image.Image, side_px: int, scale_min: float, random: np.random.Generator
) -> Image.Image:
    """Cuts a random part of `scale_min` to 1 of the area, and resizes it to a square."""
    width, height = image.size
    for _ in range(_CROP_TRIES):
        area = width * height * random.uniform(scale_min, 1)
        ratio = math.exp(random.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        cut_width, cut_height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if cut_width <= width and cut_height <= height:
            break
    else:
        cut_width = cut_height = min(width, height)
    left = random.uniform(0, width - cut_width)
    top = random.uniform(0, height - cut_height)
    box = (left, top, left + cut_width, top + cut_height)
    return image.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)


def jitter_colour(image: Image.Image, most: float, random: np.random.Generator) -> Image.Image:
    """Changes brightness, contrast and saturation, each by a factor in [1 - most, 1 + most]."""
    if most == 0:
        return image
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(random.uniform(1 - most, 1 + most))
    return image


def apply_policy(
    image: Image.Image, settings: TrainSettings, random: np.random.Generator
) -> Image.Image:
    """Applies TrivialAugment (one random change of random strength) or RandAugment (two, fixed)."""
    if settings.policy == "trivial":
        return _change(image, random.uniform(0, 1), random)
    if settings.policy == "rand":
        for _ in range(_RAND_OPERATIONS):
            image = _change(image, settings.rand_magnitude / 10, random)
    return image


def _change(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
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
