"""Painters of cartons, cans and jars for the synthetic photos. Free of torch."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.sources.synthetic_shapes import (
    Colour,
    Floats,
    Rng,
    View,
    as_planes,
    mix,
    over,
    shade,
    smooth_noise,
    to_planes,
    vary,
    with_alpha,
)

Point = tuple[float, float]
Rgb = tuple[int, int, int]

_FRONT_PX = (66, 100)
_LABEL_PX = (150, 76)
_MILK_INKS: tuple[Rgb, ...] = ((36, 92, 178), (70, 150, 210), (60, 140, 70), (200, 50, 50))
_JUICES: tuple[tuple[str, Rgb, Rgb], ...] = (
    ("ORANGE", (242, 140, 28), (250, 170, 40)),
    ("APPLE", (110, 165, 50), (205, 45, 45)),
    ("CHERRY", (150, 28, 52), (190, 30, 50)),
    ("GRAPE", (92, 52, 130), (120, 70, 160)),
    ("MANGO", (250, 190, 50), (245, 150, 50)),
)
_CAN_WORDS = ("BEANS", "TUNA", "CORN", "SOUP", "PEAS")
_JAR_WORDS = ("JAM", "HONEY", "PLUM", "CHERRY", "Confiture")
_FILLINGS: tuple[Colour, ...] = (
    (0.55, 0.05, 0.09),
    (0.35, 0.06, 0.2),
    (0.85, 0.5, 0.08),
    (0.8, 0.3, 0.05),
    (0.25, 0.08, 0.28),
)


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _write(draw: ImageDraw.ImageDraw, centre: Point, text: str, width_px: float, ink: Rgb) -> None:
    size_px = max(8, min(26, int(width_px / max(len(text), 3) * 1.5)))
    draw.text(centre, text, fill=ink, font=_font(size_px), anchor="mm")


def _small_print(
    rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], ink: Rgb
) -> None:
    left, top, right, bottom = box
    for y in range(top, bottom, 4):
        draw.line((left, y, left + (right - left) * rng.uniform(0.5, 1), y), fill=ink)


def _choose(rng: Rng, count: int) -> int:
    return int(rng.integers(count))


def _draw_milk_face(rng: Rng, ink: Rgb) -> Image.Image:
    width, height = _FRONT_PX
    face = Image.new("RGB", _FRONT_PX, (246, 246, 240))
    draw = ImageDraw.Draw(face)
    level = rng.uniform(0.5, 0.75) * height
    if rng.random() < 0.6:
        wave = [(x, level + 7 * math.sin(x / 9 + 1)) for x in range(0, width + 3, 3)]
        draw.polygon([*wave, (width, height), (0, height)], fill=ink)
    else:
        draw.rectangle((0, level, width, level + 16), fill=ink)
    if rng.random() < 0.5:
        for x, y, size in rng.uniform(0, 1, (4, 3)):
            left, top = x * width - 8, y * height * 0.3 - 4
            draw.ellipse((left, top, left + 10 + 14 * size, top + 9 + 8 * size), fill=(40, 40, 44))
    word = ("MILK", "Milk", "FRESH", "WHOLE")[_choose(rng, 4)]
    _write(draw, (width / 2, height * 0.4), word, width * 0.9, ink)
    _small_print(rng, draw, (8, int(height * 0.86), width - 10, height - 4), (225, 228, 235))
    return face


def _draw_juice_face(rng: Rng, kind: tuple[str, Rgb, Rgb], base: Rgb) -> Image.Image:
    width, height = _FRONT_PX
    word, colour, fruit = kind
    face = Image.new("RGB", _FRONT_PX, base)
    draw = ImageDraw.Draw(face)
    if base != colour:
        draw.rectangle((0, height * 0.8, width, height), fill=colour)
    x, y, radius = width * rng.uniform(0.4, 0.6), height * 0.6, width * rng.uniform(0.24, 0.36)
    draw.ellipse(
        (x - radius, y - radius, x + radius, y + radius), fill=fruit, outline=(255, 250, 235)
    )
    if rng.random() < 0.5:
        inner = radius * 0.82
        for step in range(8):
            a = step * math.tau / 8
            draw.line(
                (x, y, x + inner * math.cos(a), y + inner * math.sin(a)), fill=(255, 240, 205)
            )
    draw.ellipse((x - 1, y - radius - 7, x + 13, y - radius + 2), fill=(60, 135, 50))
    ink = (255, 252, 240) if base == colour else colour
    title = word if rng.random() < 0.5 else "JUICE"
    _write(draw, (width / 2, height * 0.2), title, width * 0.95, ink)
    _small_print(rng, draw, (8, int(height * 0.88), width - 10, height - 4), (250, 240, 225))
    return face


def _draw_side(rng: Rng, base: Rgb, ink: Rgb) -> Image.Image:
    face = Image.new("RGB", _FRONT_PX, base)
    draw = ImageDraw.Draw(face)
    width, height = _FRONT_PX
    draw.rectangle((0, height * 0.66, width, height * rng.uniform(0.74, 1)), fill=ink)
    grey = (150, 150, 150)
    _small_print(rng, draw, (8, 16, width - 8, int(height * rng.uniform(0.3, 0.6))), grey)
    return face


class _Box:
    """An upright box seen from above and aside, without perspective."""

    def __init__(self, rng: Rng, view: View) -> None:
        self.view = view
        self.yaw = rng.uniform(0.15, 0.75) * rng.choice((-1, 1))
        self.pitch = rng.uniform(0.12, 0.42)
        self.patch = np.zeros((4, view.side_px, view.side_px), np.float32)

    def project(self, x: float, y: float, z: float) -> Point:
        """Returns where a point of the box lies in the patch's coordinates."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        depth = -x * sin + z * cos
        return x * cos + z * sin, y * math.cos(self.pitch) + depth * math.sin(self.pitch)

    def add_face(
        self,
        corners: tuple[Point, Point, Point],
        texture: Image.Image,
        brightness: float,
        gable: bool = False,
    ) -> None:
        """Pastes a texture on a parallelogram: its corners top left, top right, bottom left."""
        (x0, y0), (x1, y1), (x2, y2) = corners
        ux, uy, vx, vy = x1 - x0, y1 - y0, x2 - x0, y2 - y0
        area = ux * vy - uy * vx
        if abs(area) < 1e-4:
            return
        dx, dy = self.view.x - x0, self.view.y - y0
        a, b = (dx * vy - dy * vx) / area, (dy * ux - dx * uy) / area
        span_a = abs(area) / math.hypot(vx, vy) * self.view.unit_px
        span_b = abs(area) / math.hypot(ux, uy) * self.view.unit_px
        edge_a = np.minimum(a, 1 - a) if not gable else b / 2 - np.abs(a - 0.5)
        inside = np.minimum(edge_a * span_a, np.minimum(b, 1 - b) * span_b) + 0.7
        self.patch = over(self.patch, with_alpha(_wrap(texture, a, b) * brightness, inside))

    def brightness(self, x: float, y: float, z: float) -> float:
        """Returns how bright a face with this direction is."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        depth = -x * sin + z * cos
        seen_y = y * math.cos(self.pitch) + depth * math.sin(self.pitch)
        seen_z = depth * math.cos(self.pitch) - y * math.sin(self.pitch)
        lx, ly, lz = self.view.light
        return 0.5 + 0.6 * max(0.0, (x * cos + z * sin) * lx + seen_y * ly + seen_z * lz)


def _paint_carton(
    rng: Rng, view: View, front: Image.Image, side: Image.Image, lid: Rgb, gabled: bool
) -> Floats:
    w, d, top = rng.uniform(0.36, 0.46), rng.uniform(0.3, 0.4), -0.45 if gabled else -0.72
    bottom = 0.85
    box = _Box(rng, view)
    aside = -1.0 if box.yaw > 0 else 1.0
    at = box.project
    left, right = (-w, w)
    plain = side.crop((0, 0, side.width, 12))
    side_z = (-d, d) if aside < 0 else (d, -d)
    x = aside * w
    light_front, light_side = box.brightness(0, 0, 1), box.brightness(aside, 0, 0)
    box.add_face(
        (at(x, top, side_z[0]), at(x, top, side_z[1]), at(x, bottom, side_z[0])), side, light_side
    )
    box.add_face((at(left, top, d), at(right, top, d), at(left, bottom, d)), front, light_front)
    if not gabled:
        box.add_face(
            (at(left, top, -d), at(right, top, -d), at(left, top, d)),
            plain,
            box.brightness(0, -1, 0),
        )
        return _add_cap(
            box.patch, view, at(w * rng.uniform(-0.5, 0.5), top, 0), lid, rng.random() < 0.6
        )
    ridge = top - rng.uniform(0.28, 0.36)
    z0, z1 = side_z
    start, end = at(x, ridge, z0), at(x, ridge, z1)
    box.add_face((start, end, at(x, top, z0)), plain, light_side * 0.8, gable=True)
    slope = (at(left, ridge, 0), at(right, ridge, 0), at(left, top, d))
    roof = front.crop((0, 0, front.width, 26))
    box.add_face(slope, roof, box.brightness(0, -0.7, 0.7))
    fin = ridge - 0.15
    box.add_face((at(left, fin, 0), at(right, fin, 0), at(left, ridge, 0)), plain, light_front)
    middle = at(0, (ridge + top) / 2 + 0.02, d / 2)
    return _add_cap(box.patch, view, middle, lid, rng.random() < 0.7)


def _add_cap(patch: Floats, view: View, centre: Point, colour: Rgb, wanted: bool) -> Floats:
    if not wanted:
        return patch
    x, y = view.x - centre[0], view.y - centre[1]
    cap = np.maximum(np.abs(x) - 0.13, np.abs(y + 0.03) - 0.07)
    plastic = np.asarray(colour, np.float32) / 255
    lit = as_planes(plastic) * (0.75 + 2.5 * (0.1 - np.abs(x + 0.03)))
    top = (x / 0.13) ** 2 + ((y + 0.1) / 0.055) ** 2
    lit = mix(lit, plastic * 1.1, (1 - top) * 8)
    alpha = np.maximum((0.015 - cap) * view.unit_px, (1 - top) * 3)
    return over(patch, with_alpha(lit, alpha))


def draw_milk_carton(rng: Rng, view: View) -> Floats:
    """A milk carton: white, with ink of one colour; most have a gable."""
    ink = _MILK_INKS[_choose(rng, len(_MILK_INKS))]
    side = _draw_side(rng, (242, 242, 236), ink)
    return _paint_carton(rng, view, _draw_milk_face(rng, ink), side, ink, rng.random() < 0.85)


def draw_juice_carton(rng: Rng, view: View) -> Floats:
    """A juice carton: a fruit on its front; most are colourful, some as white as milk's."""
    kind = _JUICES[_choose(rng, len(_JUICES))]
    base = kind[1] if rng.random() < 0.7 else (248, 245, 235)
    side = _draw_side(rng, base, kind[2])
    front = _draw_juice_face(rng, kind, base)
    return _paint_carton(rng, view, front, side, kind[1], rng.random() < 0.45)


def _draw_label(rng: Rng, words: tuple[str, ...], paper: Rgb, ink: Rgb) -> Image.Image:
    width, height = _LABEL_PX
    label = Image.new("RGB", _LABEL_PX, paper)
    draw = ImageDraw.Draw(label)
    draw.rectangle((0, 0, width, 6), fill=ink)
    draw.rectangle((0, height - 7, width, height), fill=ink)
    if rng.random() < 0.6:
        draw.ellipse((width / 2 - 24, height / 2 - 2, width / 2 + 24, height - 10), fill=ink)
    _write(draw, (width / 2, height * 0.3), words[_choose(rng, len(words))], 62, ink)
    _small_print(rng, draw, (8, 18, 34, height - 18), ink)
    _small_print(rng, draw, (width - 36, 18, width - 8, height - 18), ink)
    return label


def _wrap(label: Image.Image, turn: Floats, level: Floats) -> Floats:
    """Looks a label's colours up: `turn` and `level` are 0 to 1 across and down."""
    pixels = to_planes(label)
    rows = np.clip(level * label.height, 0, label.height - 1).astype(np.intp)
    columns = np.clip(turn * label.width, 0, label.width - 1).astype(np.intp)
    return pixels[:, rows, columns]


def _random_rgb(rng: Rng, low: int, high: int) -> Rgb:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def draw_can(rng: Rng, view: View) -> Floats:
    """A tin can: bare metal above and below a wide paper label."""
    width, height, depth = rng.uniform(0.5, 0.64), rng.uniform(0.62, 0.85), rng.uniform(0.1, 0.2)
    across = np.clip(view.x / width, -1, 1)
    nz = np.sqrt(1 - across * across)
    level = view.y - depth * nz
    alpha = np.minimum(
        (width - np.abs(view.x)) * view.unit_px + 0.5, (height - level) * view.unit_px
    )
    alpha = np.clip(np.minimum(alpha, (view.y + height) * view.unit_px), 0, 1)
    ribs = 0.6 + 0.1 * np.sin(level * 60) + 0.22 * np.sin(across * 7 + rng.uniform(0, 6))
    paper, ink = _random_rgb(rng, 60, 250), _random_rgb(rng, 10, 200)
    label = _draw_label(rng, _CAN_WORDS, paper, ink)
    turn = np.arcsin(across) / math.pi * 0.8 + 0.5 + rng.uniform(-0.15, 0.15)
    reach = rng.uniform(0.74, 0.84) * height
    wrapped = _wrap(label, turn, (level + reach) / (2 * reach))
    metal = np.broadcast_to(ribs, wrapped.shape)
    skin = mix(metal, wrapped, (reach - np.abs(level)) * view.unit_px)
    lit = shade(view, (across, np.zeros_like(across), nz), skin, 0.35, 4)
    body = with_alpha(lit, alpha)
    return over(body, _draw_can_lid(rng, view, width, height, depth))


def _draw_can_lid(rng: Rng, view: View, width: float, height: float, depth: float) -> Floats:
    radius = np.sqrt((view.x / width) ** 2 + ((view.y + height) / depth) ** 2)
    metal = 0.68 + 0.16 * np.sin(radius * 22) * (radius > 0.35) + 0.15 * view.x * view.light[0]
    metal = metal + 0.25 * np.clip(radius - 0.88, 0, 1) / 0.12
    ring = np.abs(
        np.sqrt((view.x / width) ** 2 * 6 + ((view.y + height) / depth + 0.1) ** 2 * 6) - 0.8
    )
    metal = metal - 0.25 * (ring < 0.16) * (rng.random() < 0.6)
    alpha = (1 - radius) * depth * view.unit_px + 0.5
    return with_alpha(as_planes((0.98, 0.99, 1.0)) * metal, alpha)


def draw_jar(rng: Rng, view: View) -> Floats:
    """A glass jar: one sees what is in it around a small label; the lid is wide and flat."""
    width, depth = rng.uniform(0.5, 0.6), rng.uniform(0.06, 0.14)
    top, bottom = rng.uniform(-0.62, -0.5), rng.uniform(0.68, 0.85)
    shoulder = np.clip((view.y - top) / 0.22, 0, 1)
    half = width * (0.86 + 0.14 * np.sqrt(shoulder))
    across = np.clip(view.x / half, -1, 1)
    nz = np.sqrt(1 - across * across)
    level = view.y - depth * nz
    filling = mix(
        vary(rng, _FILLINGS[_choose(rng, len(_FILLINGS))], 0.06),
        (0.15, 0.04, 0.05),
        smooth_noise(rng, 9, across.shape) * 0.6,
    )
    glass = mix(filling, (0.85, 0.9, 0.9), (np.abs(across) - 0.86) * 5)
    air = np.clip((top + rng.uniform(0.1, 0.25) - level) * view.unit_px, 0, 1) * 0.7
    glass = mix(glass, (0.82, 0.85, 0.84), np.asarray(air, np.float32))
    label = _draw_label(rng, _JAR_WORDS, (244, 238, 218), _random_rgb(rng, 10, 150))
    turn = np.arcsin(across) / math.pi * 1.35 + 0.5
    low, high = rng.uniform(0.42, 0.52), rng.uniform(-0.22, -0.1)
    wrapped = _wrap(label, turn, (level - high) / (low - high))
    on_label = np.minimum(low - level, level - high) * view.unit_px
    on_label = np.minimum(on_label, np.minimum(turn, 1 - turn) * 60)
    glass = mix(glass, wrapped, on_label)
    streak = 0.5 * np.exp(-(((across + 0.62) / 0.07) ** 2)) + 0.25 * np.exp(
        -(((across - 0.72) / 0.05) ** 2)
    )
    lit = shade(view, (across, np.zeros_like(across), nz), glass, 0.3, 4) + streak
    alpha = np.minimum(
        (half - np.abs(view.x)) * view.unit_px + 0.5, (bottom - level) * view.unit_px
    )
    alpha = np.clip(np.minimum(alpha, (view.y - top + 0.05) * view.unit_px), 0, 1)
    body = with_alpha(lit, alpha)
    return over(body, _draw_jar_lid(rng, view, width * 0.95, top, depth))


def _draw_jar_lid(rng: Rng, view: View, width: float, level: float, depth: float) -> Floats:
    across = np.clip(view.x / width, -1, 1)
    nz = np.sqrt(1 - across * across)
    lower, upper = level + depth * nz, level - 0.2
    ellipse = (view.x / width) ** 2 + ((view.y - upper) / depth) ** 2
    colours = (
        (0.85, 0.68, 0.3),
        (0.75, 0.12, 0.12),
        (0.9, 0.9, 0.88),
        (0.2, 0.4, 0.25),
        (0.72, 0.73, 0.75),
    )
    colour = vary(rng, colours[_choose(rng, len(colours))])
    skin = as_planes(colour) * (0.9 + 0.1 * np.sin(across * 40))
    lit = shade(view, (across, np.zeros_like(across), nz), skin, 0.4, 4)
    lit = mix(lit, colour * 1.02, (1 - ellipse) * 12)
    side = np.minimum((width - np.abs(view.x)) * view.unit_px, (lower - view.y) * view.unit_px)
    side = np.minimum(side, (view.y - upper) * view.unit_px)
    alpha = np.maximum(side, (1 - ellipse) * depth * view.unit_px)
    return with_alpha(lit, alpha)
