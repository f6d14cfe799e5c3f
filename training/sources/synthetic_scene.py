"""Backgrounds, things in front, and the camera of the synthetic photos. Free of torch."""

import io
import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.sources.synthetic_shapes import (
    Colour,
    Floats,
    Rng,
    as_planes,
    mix,
    smooth_noise,
    to_planes,
    vary,
)

Size = tuple[int, int]  # height and width, in pixels


def draw_background(rng: Rng, size: Size) -> Floats:
    """Draws what lies behind the items, and some clutter: `rgb_chw`, float32 [3, h, w], 0 to 1."""
    painters = (_draw_wood, _draw_soil, _draw_cloth, _draw_shelf, _draw_counter, _draw_straw)
    surface = painters[int(rng.integers(len(painters)))](rng, size)
    if rng.random() < 0.6:
        surface = _add_clutter(rng, surface)
    return surface


def _draw_wood(rng: Rng, size: Size) -> Floats:
    height, width = size
    long_way = rng.random() < 0.5
    grain = smooth_noise(rng, (60, 3) if long_way else (3, 60), size)
    broad = smooth_noise(rng, (12, 2) if long_way else (2, 12), size)
    wood = mix(
        vary(rng, (0.62, 0.43, 0.26), 0.14), (0.28, 0.17, 0.09), grain * 0.35 + broad * 0.3 + 0.2
    )
    planks = int(rng.integers(2, 6))
    ticks = np.arange(height if long_way else width, dtype=np.float32)
    seam = np.mod(ticks * planks / len(ticks) + rng.random(), 1) < 0.025
    line = seam[:, None] if long_way else seam[None, :]
    return wood * (1 - np.float32(0.6) * np.broadcast_to(line, size))


def _draw_soil(rng: Rng, size: Size) -> Floats:
    lumps = smooth_noise(rng, 14, size) + 0.8 * smooth_noise(rng, 45, size)
    soil = mix(vary(rng, (0.3, 0.2, 0.13), 0.05), (0.12, 0.08, 0.05), lumps)
    return mix(soil, (0.52, 0.44, 0.33), (smooth_noise(rng, 36, size) - 0.55) * 3)


def _draw_cloth(rng: Rng, size: Size) -> Floats:
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, math.pi)
    along, across = (
        x * math.cos(angle) + y * math.sin(angle),
        y * math.cos(angle) - x * math.sin(angle),
    )
    period = rng.uniform(14, 48)
    ground, ink = _any_colour(rng) * 0.5 + 0.45, _any_colour(rng)
    bands = (np.mod(along, period) < period / 2).astype(np.float32) * 0.5
    if rng.random() < 0.6:
        bands = bands + (np.mod(across, period) < period / 2) * np.float32(0.5)
    cloth = mix(ground, ink, bands * rng.uniform(0, 1))
    weave = 1 + 0.05 * np.sin(x * 2.2) * np.sin(y * 2.2) + 0.18 * smooth_noise(rng, 4, size)
    return np.asarray(cloth * weave, np.float32)


def _draw_shelf(rng: Rng, size: Size) -> Floats:
    """A shop's shelf: blurred goods behind, and the board with a price rail in front."""
    height, width = size
    image = Image.new("RGB", (width, height), _rgb(_any_colour(rng) * 0.6))
    draw = ImageDraw.Draw(image)
    board = height * rng.uniform(0.62, 0.85)
    left = 0.0
    while left < width:
        step = rng.uniform(14, 44)
        top = board - rng.uniform(30, board)
        box = (left, top, left + step - 2, board)
        fill = _rgb(_any_colour(rng))
        if rng.random() < 0.5:
            draw.rectangle(box, fill=fill)
        else:
            draw.rounded_rectangle(box, radius=step / 2.5, fill=fill)
        left += step
    image = image.filter(ImageFilter.BoxBlur(rng.uniform(1.5, 4)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, board, width, height), fill=_rgb(rng.uniform(0.6, 0.9) * np.ones(3)))
    draw.rectangle(
        (0, board + 12, width, board + 14), fill=_rgb(rng.uniform(0.3, 0.5) * np.ones(3))
    )
    return to_planes(image)


def _draw_counter(rng: Rng, size: Size) -> Floats:
    """A plain counter or stone, with a soft change of light."""
    ground = rng.uniform(0.25, 0.95) + rng.uniform(-0.08, 0.08, 3)
    veins = np.abs(smooth_noise(rng, 6, size))
    stone = mix(ground, ground * 0.75, (0.12 - veins) * 8 * rng.uniform(0, 1))
    return stone * (1 + 0.15 * smooth_noise(rng, 2, size))


def _draw_straw(rng: Rng, size: Size) -> Floats:
    """Straw or cut grass: many thin strokes."""
    height, width = size
    base: Colour = (0.62, 0.52, 0.28) if rng.random() < 0.5 else (0.25, 0.38, 0.15)
    image = Image.new("RGB", (width, height), _rgb(np.asarray(base) * 0.55))
    draw = ImageDraw.Draw(image)
    for x, y, turn, tone in rng.uniform(0, 1, (110, 4)):
        dx, dy = 22 * math.cos(turn * math.pi), 22 * math.sin(turn * math.pi)
        start = (x * width - dx, y * height - dy)
        draw.line(
            (*start, x * width + dx, y * height + dy),
            fill=_rgb(np.asarray(base) * (0.6 + 0.6 * tone)),
            width=2,
        )
    return to_planes(image)


def _add_clutter(rng: Rng, surface: Floats) -> Floats:
    """Adds things that are no class: balls, blocks and strips, out of focus."""
    height, width = surface.shape[1:]
    # Drawn at half the size: they are blurred anyway.
    layer = Image.new("RGBA", (width // 2, height // 2))
    draw = ImageDraw.Draw(layer)
    for x, y, size, kind in rng.uniform(0, 1, (int(rng.integers(1, 6)), 4)):
        radius = 4 + 13 * size
        left, top = x * layer.width - radius, y * layer.height - radius
        fill = (*_rgb(_any_colour(rng)), 255)
        if kind < 0.4:
            draw.ellipse((left, top, left + 2 * radius, top + 2 * radius), fill=fill)
        elif kind < 0.75:
            draw.rectangle((left, top, left + 2 * radius, top + radius * 1.4), fill=fill)
        else:
            draw.line((left, top, left + 3 * radius, top + 2 * radius), fill=fill, width=5)
    layer = layer.filter(ImageFilter.BoxBlur(rng.uniform(0.4, 2)))
    pixels = to_planes(layer.resize((width, height), Image.Resampling.BILINEAR))
    light = 1 + 0.3 * smooth_noise(rng, 5, (height, width))
    return mix(surface, pixels[:3] * light, pixels[3] * 0.9)


def add_occluder(rng: Rng, surface: Floats) -> Floats:
    """Puts a price tag, fingers, a blade of green or the glare of a wrapper in front."""
    painters = (_draw_tag, _draw_fingers, _draw_blade, _draw_glare)
    height, width = surface.shape[1:]
    layer = painters[int(rng.integers(len(painters)))](rng, (height, width))
    layer = layer.filter(ImageFilter.BoxBlur(rng.uniform(0.4, 1.4)))
    pixels = to_planes(layer)
    return mix(surface, pixels[:3], pixels[3])


def _draw_tag(rng: Rng, size: Size) -> Image.Image:
    height, width = size
    layer = Image.new("RGBA", (width, height), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    paper = ((250, 248, 240, 255), (250, 222, 70, 255), (225, 60, 50, 255))[int(rng.integers(3))]
    left, top = rng.uniform(0.05, 0.65) * width, rng.uniform(0.55, 0.85) * height
    wide, high = rng.uniform(42, 62), rng.uniform(22, 32)
    draw.rectangle((left, top, left + wide, top + high), fill=paper)
    price = f"{int(rng.integers(1, 9))}.{int(rng.integers(10, 99))}"
    draw.text(
        (left + wide / 2, top + high / 2), price, fill=(30, 30, 30, 255), font_size=18, anchor="mm"
    )
    return layer.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR, center=(left, top))


def _draw_fingers(rng: Rng, size: Size) -> Image.Image:
    height, width = size
    skins = ((236, 188, 160), (214, 160, 124), (168, 112, 80), (110, 70, 48), (78, 50, 36))
    skin = np.asarray(skins[int(rng.integers(len(skins)))])
    layer = Image.new("RGBA", (width, height), (*(int(v) for v in skin), 0))
    draw = ImageDraw.Draw(layer)
    from_left = rng.random() < 0.5
    thick = rng.uniform(15, 22)
    y = rng.uniform(0.25, 0.7) * height
    for _ in range(int(rng.integers(1, 4))):
        reach = rng.uniform(0.16, 0.34) * width
        start = (
            (-12.0, y + rng.uniform(5, 25)) if from_left else (width + 12.0, y + rng.uniform(5, 25))
        )
        tip = (reach, y) if from_left else (width - reach, y)
        for shrink, tone in ((1.0, 0.62), (0.86, 0.86), (0.5, 1.0)):
            radius = thick * shrink / 2
            fill = (*(int(value) for value in skin * tone), 255)
            draw.line((*start, *tip), fill=fill, width=int(2 * radius))
            draw.ellipse(
                (tip[0] - radius, tip[1] - radius, tip[0] + radius, tip[1] + radius), fill=fill
            )
        y += thick * 0.95
    return layer


def _draw_blade(rng: Rng, size: Size) -> Image.Image:
    height, width = size
    layer = Image.new("RGBA", (width, height), (50, 90, 30, 0))
    draw = ImageDraw.Draw(layer)
    green = (*_rgb(vary(rng, (0.25, 0.45, 0.15), 0.1)), 255)
    x, lean = rng.uniform(0.1, 0.9) * width, rng.uniform(-0.5, 0.5) * width
    thick = rng.uniform(5, 12)
    top = rng.uniform(-0.1, 0.4) * height
    draw.polygon([(x, height), (x + thick, height), (x + lean, top)], fill=green)
    draw.line((x + thick / 2, height, x + lean, top), fill=(*green[:2], 90, 255))
    return layer


def _draw_glare(rng: Rng, size: Size) -> Image.Image:
    height, width = size
    layer = Image.new("RGBA", (width, height), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    for _ in range(int(rng.integers(1, 4))):
        x, lean = rng.uniform(0, width), rng.uniform(-40, 40)
        fill = (255, 255, 255, int(rng.uniform(60, 150)))
        draw.line((x, -5, x + lean, height + 5), fill=fill, width=int(rng.uniform(3, 14)))
    return layer.filter(ImageFilter.BoxBlur(2))


def take_photo(rng: Rng, scene: Floats) -> bytes:
    """Exposes, blurs and adds noise as a phone's camera does, and encodes a JPEG.

    Args:
        rng: random numbers.
        scene: `rgb_chw`, float32 [3, h, w], about 0 to 1.
    """
    size = scene.shape[1:]
    warmth = rng.uniform(-0.14, 0.14)
    light = rng.uniform(0.72, 1.25) * np.asarray((1 + warmth, 1 + 0.1 * warmth, 1 - warmth))
    contrast = rng.uniform(0.8, 1.15)
    uneven = 1 + rng.uniform(0, 0.3) * smooth_noise(rng, 2, size)
    if rng.random() < 0.25:
        uneven = uneven * _cast_shadow(rng, size)
    exposed = scene * uneven
    exposed *= as_planes(light * contrast * 255)
    exposed += 127.5 * (1 - contrast)
    image = _blur(rng, _to_image(exposed))
    noisy = np.asarray(image) + _cut_noise(rng, size) * np.float32(rng.uniform(1, 9))
    buffer = io.BytesIO()
    photo = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    photo.save(buffer, "JPEG", quality=int(rng.integers(45, 94)))
    return buffer.getvalue()


def _to_image(planes: Floats) -> Image.Image:
    pixels = np.clip(planes, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels))


@lru_cache(maxsize=1)
def _noise_sheet() -> Floats:
    """Gaussian noise of variance 1 to cut from: drawing it anew would take a millisecond."""
    return np.random.default_rng(0).standard_normal((512, 512, 3), np.float32)


def _cut_noise(rng: Rng, size: Size) -> Floats:
    top, left = (int(value) for value in rng.integers(0, 512 - np.asarray(size)))
    return _noise_sheet()[top : top + size[0], left : left + size[1]]


def _cast_shadow(rng: Rng, size: Size) -> Floats:
    """The shadow of something outside the picture: a soft edge across it."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, math.tau)
    side = (x - width / 2) * math.cos(angle) + (y - height / 2) * math.sin(angle)
    edge = np.clip(side / rng.uniform(6, 40) + rng.uniform(-2, 2), 0, 1)
    return np.asarray(1 - rng.uniform(0.2, 0.5) * edge, np.float32)


def _blur(rng: Rng, image: Image.Image) -> Image.Image:
    kind = rng.random()
    if kind < 0.55:
        return image.filter(ImageFilter.BoxBlur(rng.uniform(0.2, 1.7)))
    if kind < 0.75:
        return image.filter(_motion_kernel(rng))
    return image


def _motion_kernel(rng: Rng) -> ImageFilter.Kernel:
    """A 5 x 5 kernel that smears along a line."""
    angle = rng.uniform(0, math.pi)
    weights = np.zeros((5, 5))
    for step in np.linspace(-2, 2, 9):
        weights[round(2 + step * math.sin(angle)), round(2 + step * math.cos(angle))] += 1
    return ImageFilter.Kernel((5, 5), weights.ravel().tolist(), float(weights.sum()))


def _any_colour(rng: Rng) -> Floats:
    """Returns a colour as things in a shop or a kitchen have: seldom a pure one."""
    return np.clip(rng.uniform(0.12, 0.9) + rng.uniform(-0.28, 0.28, 3), 0, 1)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (int(min(max(value, 0.0), 1.0) * 255) for value in np.asarray(colour))
    return red, green, blue
