"""The built-in photos: fruit, vegetables, leaves and packages, drawn from a seed. Free of torch.

Every photo is drawn when it is read, from random numbers that depend only on the seed, the split,
the class and the photo's number: any photo can be drawn alone, in any order, in any process.
Several classes look alike on purpose: lemon and lime, orange, tomato and apple, the three leaves,
the two cartons.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.photos import Photo, Source
from training.preprocess import decode_photo
from training.sources.synthetic_packages import (
    draw_can,
    draw_jar,
    draw_juice_carton,
    draw_milk_carton,
)
from training.sources.synthetic_produce import (
    draw_apple,
    draw_aubergine,
    draw_banana,
    draw_carrot,
    draw_healthy_leaf,
    draw_lemon,
    draw_lime,
    draw_mildew_leaf,
    draw_orange,
    draw_pear,
    draw_rust_leaf,
    draw_tomato,
)
from training.sources.synthetic_scene import add_occluder, draw_background, take_photo
from training.sources.synthetic_shapes import REACH, Floats, Rng, View, make_view

LICENCE = "drawn by Ghostlens, CC0-1.0"
SPLITS = ("train", "validation")
# The same code draws all of them, and drawing thousands twice would hold up a first run.
_CHECKED_PER_CLASS = 10
_SIZES = ((176, 176), (176, 176), (160, 192), (192, 160))


@dataclass(frozen=True)
class _Kind:
    """How a class is drawn.

    Attributes:
        coarse: the group that it belongs to, by what looks alike.
        paint: draws one item on a patch.
        upright: packages stand or lie; all else may be turned any way.
        most: items in one photo, at most.
    """

    coarse: str
    paint: Callable[[Rng, View], Floats]
    upright: bool = False
    most: int = 4


KINDS = {
    "apple": _Kind("other fruit", draw_apple),
    "aubergine": _Kind("vegetable", draw_aubergine, most=3),
    "banana": _Kind("other fruit", draw_banana),
    "can": _Kind("tin or jar", draw_can, upright=True, most=2),
    "carrot": _Kind("vegetable", draw_carrot),
    "jar": _Kind("tin or jar", draw_jar, upright=True, most=2),
    "juice carton": _Kind("carton", draw_juice_carton, upright=True, most=2),
    "leaf, healthy": _Kind("leaf", draw_healthy_leaf, most=3),
    "leaf, mildew": _Kind("leaf", draw_mildew_leaf, most=3),
    "leaf, rust": _Kind("leaf", draw_rust_leaf, most=3),
    "lemon": _Kind("citrus fruit", draw_lemon),
    "lime": _Kind("citrus fruit", draw_lime),
    "milk carton": _Kind("carton", draw_milk_carton, upright=True, most=2),
    "orange": _Kind("citrus fruit", draw_orange),
    "pear": _Kind("other fruit", draw_pear),
    "tomato": _Kind("vegetable", draw_tomato),
}
LABELS = LabelSet(tuple(KINDS))
HIERARCHY = Hierarchy.from_names([kind.coarse for kind in KINDS.values()])
# A table of names of both in other languages, as a model owner would write it.
NAMES_PATH = Path(__file__).with_name("synthetic_names.csv")


@dataclass(frozen=True)
class SyntheticPhoto:
    """Draws one photo when called.

    Attributes:
        seed: of the whole set.
        split: index into `SPLITS`.
        class_index: index into `LABELS`.
        number: of the photo in its class and split.
    """

    seed: int
    split: int
    class_index: int
    number: int

    def __call__(self) -> bytes:
        """Returns the bytes of a JPEG."""
        rng = np.random.default_rng((self.seed, self.split, self.class_index, self.number))
        return take_photo(rng, _draw_scene(rng, KINDS[LABELS.names[self.class_index]]))


def open_synthetic(seed: int, train_per_class: int, validation_per_class: int) -> Source:
    """Opens the built-in set; no photo is drawn yet.

    Args:
        seed: another seed gives other photos.
        train_per_class: photos for training, for each class.
        validation_per_class: photos for validation, for each class.
    """

    def photos(split: int, per_class: int) -> tuple[Photo, ...]:
        return tuple(
            Photo(
                f"{SPLITS[split]}/{label}/{number:05}.jpg",
                class_index,
                SyntheticPhoto(seed, split, class_index, number),
            )
            for class_index, label in enumerate(LABELS.names)
            for number in range(per_class)
        )

    train, validation = photos(0, train_per_class), photos(1, validation_per_class)
    return Source(
        f"synthetic, seed {seed}",
        LABELS,
        train,
        validation,
        LICENCE,
        sample_per_class=_CHECKED_PER_CLASS,
        hierarchy=HIERARCHY,
    )


def contact_sheet(per_class: int, seed: int) -> Image.Image:
    """Draws a picture of the first training photos of each class, one class a row.

    Args:
        per_class: photos a row.
        seed: of the set.
    """
    cell, margin = 128, 116
    rows = len(LABELS)
    sheet = Image.new("RGB", (margin + per_class * cell, rows * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for class_index, label in enumerate(LABELS.names):
        top = class_index * cell
        draw.text((8, top + cell / 2), label, fill="black", font_size=15, anchor="lm")
        for number in range(per_class):
            photo = decode_photo(SyntheticPhoto(seed, 0, class_index, number)(), label)
            photo.thumbnail((cell - 4, cell - 4))
            left = margin + number * cell + (cell - photo.width) // 2
            sheet.paste(photo, (left, top + (cell - photo.height) // 2))
    return sheet


def _draw_scene(rng: Rng, kind: _Kind) -> Floats:
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    scene = draw_background(rng, size)
    light = _random_light(rng)
    count = 1 if rng.random() < 0.5 else int(rng.integers(1, kind.most + 1))
    reach_px = min(size) * rng.uniform(0.3, 0.48) / (1 if count == 1 else count**0.35)
    turn = _random_turn(rng, kind)
    for place in range(count):
        y, x = _random_place(rng, size, count, place)
        side_px = 2 * round(reach_px * rng.uniform(0.9, 1.1) * REACH)
        angle = turn + rng.normal(0, 0.12 if kind.upright else 0.7)
        patch = kind.paint(rng, make_view(side_px, angle, light))
        _place(scene, patch, (y, x), light)
    if rng.random() < 0.35:
        scene = add_occluder(rng, scene)
    return scene


def _random_light(rng: Rng) -> tuple[float, float, float]:
    side = rng.uniform(-0.75, 0.75)
    above = rng.uniform(-0.75, -0.15)
    front = rng.uniform(0.5, 0.9)
    length = math.sqrt(side * side + above * above + front * front)
    return side / length, above / length, front / length


def _random_turn(rng: Rng, kind: _Kind) -> float:
    if not kind.upright:
        return rng.uniform(0, math.tau)
    lying = rng.choice((-1, 1)) * math.pi / 2 if rng.random() < 0.12 else 0.0
    return float(lying + rng.normal(0, 0.15))


def _random_place(rng: Rng, size: tuple[int, int], count: int, place: int) -> tuple[float, float]:
    """Returns a centre: near the middle for one item, around it for several."""
    height, width = size
    y, x = height / 2 + rng.normal(0, 0.06) * height, width / 2 + rng.normal(0, 0.06) * width
    if count > 1:
        angle = math.tau * (place + rng.uniform(-0.2, 0.2)) / count
        away = 0.22 * min(size) * rng.uniform(0.8, 1.2)
        y, x = y + away * math.sin(angle), x + away * math.cos(angle)
    return y, x


def _place(
    scene: Floats, patch: Floats, centre: tuple[float, float], light: tuple[float, float, float]
) -> None:
    """Darkens the scene where the item's shadow falls, and puts the item there."""
    side_px = patch.shape[1]
    soft = Image.fromarray((patch[3] * 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.BoxBlur(side_px * 0.035))
    shadow = np.asarray(soft, np.float32) / 255
    top, left = round(centre[0] - side_px / 2), round(centre[1] - side_px / 2)
    fall = side_px * 0.09
    _blend(scene, top - round(light[1] * fall), left - round(light[0] * fall), shadow * 0.55, None)
    _blend(scene, top, left, patch[3], patch[:3])


def _blend(scene: Floats, top: int, left: int, alpha: Floats, colour: Floats | None) -> None:
    """Blends a square into the scene, cut at its borders; black where no colour is given."""
    height, width = scene.shape[1:]
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + alpha.shape[0], height), min(left + alpha.shape[1], width)
    if y0 >= y1 or x0 >= x1:
        return
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    share = alpha[inside]
    region = scene[:, y0:y1, x0:x1]
    region *= 1 - share
    if colour is not None:
        region += colour[:, *inside] * share
