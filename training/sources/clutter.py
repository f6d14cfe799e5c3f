"""Drawn photos of a shop without any item: what a camera sees before it is pointed. Free of torch.

They measure how a network rejects what is none of its labels, and are never trained on. Each photo
depends on the seed and its number alone, as those of `training.sources.synthetic` do.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.photos import CLUTTER, UNKNOWN, Photo
from training.sources.synthetic_scene import add_occluder, draw_background, take_photo
from training.sources.synthetic_shapes import Floats, Rng, mix, smooth_noise, to_planes

Size = tuple[int, int]  # height and width, in pixels
Fill = tuple[int, int, int]

_SIZES = ((256, 256), (256, 256), (232, 280), (280, 232))
# Splits 0 and 1 are the items' own; see `training.sources.synthetic.SyntheticPhoto`.
_SPLIT = 2
_SKINS = ((236, 188, 160), (214, 160, 124), (168, 112, 80), (110, 70, 48), (78, 50, 36))
_PAPERS = ((250, 248, 240), (252, 226, 80), (226, 60, 52), (40, 96, 170), (235, 235, 235))
_WORDS = (
    *("SALE", "FRESH", "OPEN", "EXIT", "2 FOR 1", "OFFER", "ECO", "PER KG", "NEW", "TODAY"),
    *("PAY HERE", "STAFF ONLY", "LOT 4471", "BEST BEFORE", "TOTAL", "CASH", "THANK YOU"),
)


@dataclass(frozen=True)
class ClutterPhoto:
    """Draws one photo when called.

    Attributes:
        seed: of the whole set.
        number: of the photo; scenes take turns.
    """

    seed: int
    number: int

    def __call__(self) -> bytes:
        """Returns the bytes of a JPEG."""
        rng = np.random.default_rng((self.seed, _SPLIT, 0, self.number))
        scene = SCENES[scene_of(self.number)](rng, _SIZES[int(rng.integers(len(_SIZES)))])
        if rng.random() < 0.2:
            scene = add_occluder(rng, scene)
        return take_photo(rng, scene)


def scene_of(number: int) -> str:
    """Returns what the photo of a number shows: a key of `SCENES`."""
    return tuple(SCENES)[number % len(SCENES)]


def draw_clutter(seed: int, count: int) -> tuple[Photo, ...]:
    """Returns photos of clutter, which are drawn when they are read.

    Args:
        seed: another seed gives other photos.
        count: how many; the first ones stay the same when more are asked for.
    """
    return tuple(
        Photo(f"{CLUTTER}/{scene_of(number)}/{number:05}.jpg", UNKNOWN, ClutterPhoto(seed, number))
        for number in range(count)
    )


def _draw_floor(rng: Rng, size: Size) -> Floats:
    """Tiles with joints, seen at an angle, worn and dirty."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth = 1 + rng.uniform(0, 1.6) * (1 - y / height)
    turn, tile = rng.uniform(-0.5, 0.5), rng.uniform(40, 110)
    across = ((x - width / 2) * math.cos(turn) + y * math.sin(turn)) * depth / tile
    along = (y * math.cos(turn) - (x - width / 2) * math.sin(turn)) * depth / tile
    stone = rng.uniform(0.35, 0.85) + rng.uniform(-0.06, 0.06, 3)
    other = stone * (0.6 if rng.random() < 0.35 else 1)
    joint = (np.mod(across, 1) < 0.04) | (np.mod(along, 1) < 0.04)
    checks = mix(stone, other, np.mod(np.floor(across) + np.floor(along), 2))
    floor = mix(checks, stone * 0.45, joint * np.float32(0.9))
    return floor * (1 + 0.06 * smooth_noise(rng, 30, size) + 0.08 * smooth_noise(rng, 5, size))


def _draw_cardboard(rng: Rng, size: Size) -> Floats:
    """A closed box with tape and printing, on something darker."""
    image = _canvas(size, _brown(rng) * 0.4)
    draw = ImageDraw.Draw(image)
    side = image.width
    brown = _brown(rng)
    left, top = rng.uniform(0.1, 0.3, 2) * side
    fold = top + rng.uniform(0.12, 0.3) * side
    draw.rectangle((left, top, side, side), fill=_fill(brown))
    draw.rectangle((left, top, side, fold), fill=_fill(brown * 1.12))
    tape = rng.uniform(0.4, 0.6) * side
    draw.rectangle((tape, top, tape + 0.1 * side, fold + 0.1 * side), fill=_fill(brown * 1.3))
    draw.line((left, fold, side, fold), fill=_fill(brown * 0.6), width=3)
    place = (left + 0.06 * side, fold + 0.14 * side)
    draw.text(place, _pick_words(rng, 1), fill=_fill(brown * 0.45), font_size=34)
    return _turn(rng, image, size, 25) * (1 + 0.07 * smooth_noise(rng, (60, 6), size))


def _draw_crate(rng: Rng, size: Size) -> Floats:
    """An empty crate: slats of wood or plastic over the dark."""
    wood = _brown(rng) * 1.2 if rng.random() < 0.6 else _any_colour(rng)
    image = _canvas(size, wood * 0.2)
    draw = ImageDraw.Draw(image)
    slat = rng.uniform(26, 60)
    gap = slat * rng.uniform(0.15, 0.5)
    top = 0.0
    while top < image.height:
        fill = _fill(wood * rng.uniform(0.85, 1.1))
        draw.rectangle((0, top, image.width, top + slat - gap), fill=fill)
        top += slat
    if rng.random() < 0.6:
        post = rng.uniform(0.3, 0.6) * image.width
        draw.rectangle((post, 0, post + slat, image.height), fill=_fill(wood * 1.15))
    return _turn(rng, image, size, 90) * (1 + 0.12 * smooth_noise(rng, (8, 50), size))


def _draw_sign(rng: Rng, size: Size) -> Floats:
    """Printed text: a shelf label, a notice or a receipt, with a bar code now and then."""
    paper = _PAPERS[int(rng.integers(len(_PAPERS)))]
    ink = (245, 245, 245) if sum(paper) < 400 else (25, 25, 30)
    image = _canvas(size, np.asarray(paper) / 255)
    draw = ImageDraw.Draw(image)
    y = rng.uniform(6, 30)
    while y < image.height:
        font = int(rng.choice((16, 22, 32, 56)))
        if rng.random() < 0.2:
            _draw_bars(rng, draw, (20, y, image.width - 20, y + 50), ink)
            y += 60
            continue
        words = (
            _pick_words(rng, 5) if font < 20 else f"{_pick_words(rng, 2)} {rng.uniform(1, 99):.2f}"
        )
        draw.text((rng.uniform(8, 90), y), words, fill=ink, font_size=font)
        y += font * 1.3
    return _turn(rng, image, size, 30) * (1 + 0.06 * smooth_noise(rng, 4, size))


def _draw_bars(
    rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], ink: Fill
) -> None:
    x = box[0]
    while x < box[2]:
        wide = float(rng.choice((2, 2, 4, 6)))
        draw.rectangle((x, box[1], x + wide - 1, box[3]), fill=ink)
        x += wide + float(rng.choice((2, 2, 4)))


def _draw_hand(rng: Rng, size: Size) -> Floats:
    """A palm with fingers, reaching into the picture from a side."""
    behind = draw_background(rng, size)
    skin = np.asarray(_SKINS[int(rng.integers(len(_SKINS)))])
    side = max(size)
    layer = Image.new("RGBA", (side, side), (*skin.tolist(), 0))
    draw = ImageDraw.Draw(layer)
    palm, wide = side * rng.uniform(0.55, 0.75), side * rng.uniform(0.26, 0.36)
    left = (side - wide) / 2
    for tone, shrink in ((0.6, 0.0), (0.88, 2.5), (1.0, 8.0)):
        fill = (*(int(value) for value in skin * tone), 255)
        draw.rounded_rectangle(
            (left + shrink, palm + shrink, left + wide - shrink, side + 40), wide / 4, fill
        )
        for finger in range(4):
            x = left + wide * (finger + 0.5) / 4
            tip = palm - wide * (0.75, 1.0, 1.05, 0.85)[finger]
            thick = wide / 4.6 - shrink
            draw.line((x, palm + wide * 0.2, x, tip), fill=fill, width=max(int(thick), 1))
            draw.ellipse((x - thick / 2, tip - thick / 2, x + thick / 2, tip + thick / 2), fill)
        draw.line(
            (left + 4, palm + wide * 0.6, left - wide * 0.45, palm + wide * 0.05),
            fill=fill,
            width=max(int(wide / 4 - shrink), 1),
        )
    turned = layer.rotate(float(rng.choice((0, 90, 180, 270))) + rng.normal(0, 20))
    soft = turned.resize((size[1], size[0])).filter(ImageFilter.BoxBlur(rng.uniform(1, 2.5)))
    pixels = to_planes(soft)
    return mix(behind, pixels[:3] * (1 + 0.12 * smooth_noise(rng, 6, size)), pixels[3])


def _draw_wire(rng: Rng, size: Size) -> Floats:
    """The wires of a basket or a trolley, before what lies behind it, out of focus."""
    behind = _soften(draw_background(rng, size), rng.uniform(3, 8))
    layer = Image.new("RGBA", _canvas_size(size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    metal = np.ones(3) * rng.uniform(0.55, 0.85) if rng.random() < 0.7 else _any_colour(rng)
    step, thick = rng.uniform(22, 60), int(rng.integers(3, 8))
    for start in np.arange(0, layer.width, step).tolist():
        for shift, width, tone in ((0, thick, 0.7), (-1, max(thick // 2, 1), 1.15)):
            fill = (*_fill(metal * tone), 255)
            draw.line((start + shift, 0, start + shift, layer.height), fill=fill, width=width)
            draw.line((0, start + shift, layer.width, start + shift), fill=fill, width=width)
    pixels = _turn(rng, layer, size, 45)
    return mix(behind, pixels[:3], pixels[3])


def _draw_bag(rng: Rng, size: Size) -> Floats:
    """Crumpled plastic, paper or cloth: facets of light on one colour."""
    colour = _any_colour(rng) if rng.random() < 0.6 else rng.uniform(0.6, 0.95) * np.ones(3)
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(6, 14))):
        angle, at = rng.uniform(0, math.tau), rng.uniform(-0.5, 0.5) * min(size)
        crease = (x - width / 2) * math.cos(angle) + (y - height / 2) * math.sin(angle) - at
        crease = crease + 14 * smooth_noise(rng, 5, size)
        light += rng.uniform(0.05, 0.2) * np.tanh(crease / rng.uniform(4, 20))
    gloss = np.clip(light - 0.25, 0, 1) * rng.uniform(0, 2)
    return mix(colour * 0.8, colour * 0.3, 0.5 - light) + gloss * np.float32(0.5)


def _draw_glimpse(rng: Rng, size: Size) -> Floats:
    """No scene at all: a pocket, a covered lens, a lamp, or what a swing of the arm smears."""
    kind = int(rng.integers(4))
    dim = smooth_noise(rng, 2, size) * 0.5 + 0.5
    if kind == 0:
        return mix(_any_colour(rng) * 0.08, _any_colour(rng) * 0.3, dim)
    if kind == 1:
        skin = np.asarray(_SKINS[int(rng.integers(len(_SKINS)))]) / 255
        return mix(skin * (0.75, 0.3, 0.25), skin * (1.1, 0.75, 0.65), dim)
    if kind == 2:
        height, width = size
        y, x = np.mgrid[:height, :width].astype(np.float32)
        away = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) / rng.uniform(
            30, 120
        )
        return mix(_any_colour(rng) * 0.5, (1.0, 0.98, 0.92), 1.3 / (0.5 + away**2))
    smeared = draw_background(rng, size)
    return _soften(smeared, rng.uniform(10, 22))


def _draw_heap(rng: Rng, size: Size) -> Floats:
    """Things that nobody could name: patches of any colour and shape over each other."""
    image = _canvas(size, _any_colour(rng) * 0.5)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(15, 45))):
        middle = rng.uniform(0, 1, 2) * image.size
        points = middle + rng.normal(0, rng.uniform(8, 60), (int(rng.integers(3, 7)), 2))
        draw.polygon([(x, y) for x, y in points.tolist()], fill=_fill(_any_colour(rng)))
    scene = _soften(_turn(rng, image, size, 180), rng.uniform(0, 6))
    return scene * (1 + 0.25 * smooth_noise(rng, 8, size))


def _draw_static(rng: Rng, size: Size) -> Floats:
    """A screen or glitter: noise in one scale, fine or coarse, grey or coloured."""
    cells = int(rng.choice((6, 20, 60, 120)))
    planes = [smooth_noise(rng, cells, size) for _ in range(3)]
    if rng.random() < 0.4:
        planes = planes[:1] * 3
    return np.stack(planes) * np.float32(rng.uniform(0.1, 0.4)) + np.float32(0.45)


SCENES = {
    "surface": draw_background,
    "floor": _draw_floor,
    "cardboard": _draw_cardboard,
    "crate": _draw_crate,
    "sign": _draw_sign,
    "hand": _draw_hand,
    "wire": _draw_wire,
    "bag": _draw_bag,
    "glimpse": _draw_glimpse,
    "heap": _draw_heap,
    "static": _draw_static,
}


def _canvas_size(size: Size) -> tuple[int, int]:
    side = math.ceil(math.hypot(*size))
    return side, side


def _canvas(size: Size, colour: Floats) -> Image.Image:
    """Returns a square that still covers the picture when it is turned."""
    return Image.new("RGB", _canvas_size(size), _fill(colour))


def _turn(rng: Rng, image: Image.Image, size: Size, most_degrees: float) -> Floats:
    """Turns a square about its middle, and cuts the picture out of it."""
    angle = rng.uniform(-most_degrees, most_degrees)
    turned = image.rotate(angle, Image.Resampling.BICUBIC)
    left, top = (image.width - size[1]) // 2, (image.height - size[0]) // 2
    return to_planes(turned.crop((left, top, left + size[1], top + size[0])))


def _soften(scene: Floats, radius_px: float) -> Floats:
    pixels = np.clip(scene * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return to_planes(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius_px)))


def _pick_words(rng: Rng, count: int) -> str:
    return " ".join(_WORDS[int(index)] for index in rng.integers(len(_WORDS), size=count))


def _any_colour(rng: Rng) -> Floats:
    return np.clip(rng.uniform(0.12, 0.9) + rng.uniform(-0.28, 0.28, 3), 0, 1)


def _brown(rng: Rng) -> Floats:
    return np.asarray((0.68, 0.52, 0.36)) * rng.uniform(0.7, 1.15)


def _fill(colour: Floats) -> Fill:
    red, green, blue = (int(min(max(value, 0.0), 1.0) * 255) for value in colour.tolist())
    return red, green, blue
