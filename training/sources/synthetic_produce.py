"""Painters of fruit, vegetables and leaves for the synthetic photos. Free of torch."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.sources.synthetic_shapes import (
    Colour,
    Floats,
    Rng,
    Surface,
    View,
    around_pole,
    as_planes,
    bump,
    make_ball,
    make_turned,
    mix,
    over,
    random_pole,
    shade,
    smooth_noise,
    vary,
    with_alpha,
)

_T = np.linspace(-1, 1, 65)


def _shape(view: View) -> tuple[int, int]:
    return (view.side_px, view.side_px)


def _smooth_profile(knots: list[float], widths: list[float]) -> Floats:
    """Returns half widths at the heights `_T`, without the corners of straight pieces."""
    profile = np.interp(_T, knots, widths)
    window = np.ones(5) / 5
    for _ in range(3):
        profile[3:-3] = np.convolve(profile, window, "same")[3:-3]
    return profile


def _citrus(rng: Rng, view: View, colour: Floats, unripe: Colour, fullness: float) -> Floats:
    """A lemon or lime: an ellipsoid with a nub at both ends."""
    body = fullness * np.sqrt(np.clip(1 - (_T / 0.87) ** 2, 0, 1))
    nub = rng.uniform(0.13, 0.2) * np.clip(1 - np.abs(_T) ** 7, 0, 1) ** 0.5
    profile = np.maximum(body, nub * (np.abs(_T) > 0.6))
    surface, height, _ = make_turned(
        view, np.convolve(np.pad(profile, 3, "edge"), np.ones(7) / 7, "valid")
    )
    surface = bump(surface, smooth_noise(rng, view.side_px // 4, _shape(view)), 0.28)
    tint = smooth_noise(rng, 3, _shape(view)) * 0.5 + np.abs(height) - 0.55
    skin = mix(colour, unripe, tint * rng.uniform(0.2, 1.0))
    return with_alpha(shade(view, surface.normal, skin, 0.35, 4), surface.alpha)


def draw_lemon(rng: Rng, view: View) -> Floats:
    """A lemon, now and then a greenish one."""
    colour = vary(rng, (0.96, 0.82, 0.14), 0.04)
    return _citrus(rng, view, colour, (0.72, 0.76, 0.18), rng.uniform(0.58, 0.68))


def draw_lime(rng: Rng, view: View) -> Floats:
    """A lime, now and then a yellowish one."""
    colour = vary(rng, (0.36, 0.6, 0.12), 0.06)
    return _citrus(rng, view, colour, (0.72, 0.76, 0.18), rng.uniform(0.66, 0.78))


def draw_orange(rng: Rng, view: View) -> Floats:
    """An orange: pores all over, a small star where the stem was."""
    surface = make_ball(view, 0.93, rng.uniform(0.86, 0.93))
    angle, longitude = around_pole(surface, random_pole(rng, 0.9))
    surface = bump(surface, smooth_noise(rng, view.side_px // 3, _shape(view)), 0.3)
    skin = mix(
        vary(rng, (0.95, 0.5, 0.05), 0.04),
        (0.98, 0.68, 0.12),
        smooth_noise(rng, 3, _shape(view)) * 0.6,
    )
    star = 0.1 * (1 + 0.35 * np.cos(5 * longitude)) - angle
    skin = mix(skin, (0.42, 0.42, 0.14), star * 25)
    return with_alpha(shade(view, surface.normal, skin, 0.3, 4), surface.alpha)


def draw_tomato(rng: Rng, view: View) -> Floats:
    """A tomato: smooth, slightly lobed and flat, with its green star of sepals."""
    lobes = int(rng.integers(4, 7))
    phase = rng.uniform(0, math.tau)
    outline = 1 + 0.025 * np.cos(lobes * np.arctan2(view.y, view.x) + phase)
    surface = make_ball(view, 0.95, rng.uniform(0.78, 0.92), outline.astype(np.float32))
    angle, longitude = around_pole(surface, random_pole(rng, 0.85))
    skin = mix(
        vary(rng, (0.85, 0.13, 0.06), 0.05),
        (0.93, 0.42, 0.1),
        smooth_noise(rng, 2, _shape(view)) * 0.7 - 0.1,
    )
    skin = skin * (1 - 0.35 * np.exp(-((angle / 0.35) ** 2)))
    lit = shade(view, surface.normal, skin, 0.75, 6)
    wave = np.abs(np.cos(longitude * lobes / 2 + phase + 0.4 * angle))
    sepal = (0.62 * wave**2.2 + 0.08 - angle) * 14
    green = shade(view, surface.normal, vary(rng, (0.25, 0.46, 0.12), 0.05), 0.1)
    lit = mix(lit, green, sepal)
    return with_alpha(lit, surface.alpha)


def draw_apple(rng: Rng, view: View) -> Floats:
    """A red apple: streaked from the stem's dimple down, yellow where the sun did not reach."""
    around = np.arctan2(view.x, -view.y)
    outline = 1 + 0.045 * np.cos(2 * around) - 0.07 * view.y
    surface = make_ball(view, 0.93, 0.9, outline)
    angle, longitude = around_pole(surface, random_pole(rng, 0.5))
    streaks = np.interp(longitude, np.linspace(-math.pi, math.pi, 65), rng.uniform(-1, 1, 65))
    yellow = 0.6 * smooth_noise(rng, 2, _shape(view)) + 0.45 * streaks + 0.6 * np.exp(-angle * 2)
    skin = mix(
        vary(rng, (0.66, 0.07, 0.09), 0.05),
        (0.9, 0.74, 0.28),
        (yellow - 0.1) * rng.uniform(0.3, 1.2),
    )
    dots = rng.random(_shape(view), dtype=np.float32) > 0.975
    skin = mix(skin, (0.92, 0.8, 0.5), dots * 0.5)
    dimple = np.exp(-((angle / 0.36) ** 2))
    skin = mix(skin, (0.55, 0.52, 0.16), dimple * 0.9) * (1 - 0.6 * dimple**2)
    patch = with_alpha(shade(view, surface.normal, skin, 0.5, 5), surface.alpha)
    root = np.unravel_index(int(np.argmin(angle + (surface.alpha < 1) * 9)), angle.shape)
    patch = _add_stem(patch, view, float(view.x[root]), float(view.y[root]), rng)
    if rng.random() < 0.35:
        patch = _add_apple_leaf(patch, view, float(view.x[root]), float(view.y[root]) - 0.15, rng)
    return patch


def _add_apple_leaf(patch: Floats, view: View, x: float, y: float, rng: Rng) -> Floats:
    side = rng.choice((-1, 1))
    along = (view.x - x) * side / 0.55
    across = np.abs(view.y - y + 0.2 * along)
    width = 0.16 * np.sin(math.pi * np.clip(along, 0, 1))
    green = as_planes(vary(rng, (0.3, 0.5, 0.14))) * (0.75 + 0.35 * (across > 0.02))
    return over(patch, with_alpha(green, (width - across) * view.unit_px))


def _add_stem(patch: Floats, view: View, x: float, y: float, rng: Rng) -> Floats:
    lean = rng.uniform(-0.4, 0.4)
    along = y - view.y
    across = np.abs(view.x - x - lean * along)
    length = rng.uniform(0.32, 0.46)
    share = np.minimum((0.055 - across) * view.unit_px + 0.5, (length - along) * view.unit_px)
    share = np.minimum(share, (along + 0.03) * view.unit_px)
    return over(patch, with_alpha((0.32, 0.2, 0.09), share))


def draw_pear(rng: Rng, view: View) -> Floats:
    """A pear: freckled, yellow-green, some with a red cheek."""
    neck, belly = rng.uniform(0.24, 0.34), rng.uniform(0.6, 0.68)
    knots = [-1, -0.93, -0.8, -0.45, -0.1, 0.25, 0.55, 0.8, 0.92, 1]
    widths = [
        0,
        neck * 0.6,
        neck,
        neck * 1.2,
        belly * 0.72,
        belly * 0.97,
        belly,
        belly * 0.78,
        belly * 0.5,
        0.0,
    ]
    profile = _smooth_profile(knots, widths)
    surface, height, across = make_turned(view, profile, rng.uniform(-0.08, 0.08))
    skin = mix(
        vary(rng, (0.7, 0.72, 0.22), 0.06),
        (0.84, 0.74, 0.28),
        smooth_noise(rng, 3, _shape(view)) * 0.8,
    )
    if rng.random() < 0.4:
        cheek = across * rng.choice((-1, 1)) * 1.2 - 0.2 + 0.4 * smooth_noise(rng, 3, _shape(view))
        skin = mix(skin, (0.75, 0.25, 0.14), np.asarray(cheek * 0.7, np.float32))
    freckles = (rng.random(_shape(view), dtype=np.float32) > 0.96) * np.float32(0.45)
    skin = mix(skin, (0.42, 0.34, 0.12), freckles)
    skin = mix(skin, (0.4, 0.3, 0.15), (np.abs(height) - 0.9) * 6)
    patch = with_alpha(shade(view, surface.normal, skin, 0.22, 4), surface.alpha)
    return _add_stem(patch, view, 0.0, -0.93, rng)


def draw_banana(rng: Rng, view: View) -> Floats:
    """A banana: bent, with ridges, brown tips and freckles with age."""
    bend = rng.uniform(0.42, 0.62) * rng.choice((-1, 1))
    knots = [-1, -0.96, -0.82, -0.7, -0.3, 0.3, 0.75, 0.9, 0.97, 1]
    fat = rng.uniform(0.2, 0.25)
    widths = [0.05, 0.055, 0.07, 0.13, fat, fat, fat * 0.62, 0.08, 0.05, 0.0]
    surface, height, across = make_turned(view, _smooth_profile(knots, widths), bend)
    ripe = rng.random()
    skin = mix(
        vary(rng, (0.95, 0.8, 0.18), 0.03),
        (0.62, 0.7, 0.2),
        np.asarray(np.abs(height) * 0.9 - 0.35 - ripe * 0.5, np.float32),
    )
    ridge = np.exp(-(((across - 0.25) / 0.1) ** 2)) + np.exp(-(((across + 0.5) / 0.1) ** 2))
    skin = mix(skin, (0.78, 0.58, 0.1), np.asarray(ridge * 0.5, np.float32))
    if ripe > 0.4:
        spots = smooth_noise(rng, view.side_px // 5, _shape(view)) - 1.05 + 0.5 * ripe
        skin = mix(skin, (0.36, 0.22, 0.08), spots * 5)
    tip = np.maximum(height - 0.92, -0.93 - height) * 14
    skin = mix(skin, (0.24, 0.17, 0.08), np.asarray(tip, np.float32))
    return with_alpha(shade(view, surface.normal, skin, 0.15, 4), surface.alpha)


def draw_carrot(rng: Rng, view: View) -> Floats:
    """A carrot: a taper with rings, most with some of their greens."""
    top = rng.uniform(0.22, 0.3)
    knots = [-1, -0.62, -0.58, -0.5, 0.2, 0.85, 1]
    profile = np.interp(_T, knots, [0, 0, top * 0.6, top, top * 0.7, 0.07, 0.0])
    surface, height, across = make_turned(view, profile, rng.uniform(-0.15, 0.15))
    rings = smooth_noise(rng, (28, 3), _shape(view))
    row = np.clip((height + 1) / 2 * (view.side_px - 1), 0, view.side_px - 1).astype(np.intp)
    column = np.clip((across + 1) / 2 * (view.side_px - 1), 0, view.side_px - 1).astype(np.intp)
    rings = rings[row, column]
    skin = mix(vary(rng, (0.93, 0.45, 0.09), 0.05), (0.62, 0.26, 0.05), (rings - 0.35) * 1.4)
    skin = mix(skin, (0.45, 0.42, 0.1), (-0.5 - height) * 8)
    body = with_alpha(shade(view, surface.normal, skin, 0.18, 4), surface.alpha)
    fronds = np.zeros(_shape(view), np.float32)
    up = -0.55 - view.y
    for _ in range(int(rng.integers(3, 7)) if rng.random() < 0.8 else 1):
        lean, curl = rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.8)
        across_frond = np.abs(view.x - lean * up - curl * up * up)
        ragged = 0.03 + 0.05 * np.abs(np.sin(up * 40)) * (up > 0.15)
        fronds = np.maximum(fronds, (ragged - across_frond) * view.unit_px * (up > 0) * (up < 0.62))
    green = mix(
        vary(rng, (0.25, 0.5, 0.13), 0.06), (0.4, 0.62, 0.22), smooth_noise(rng, 9, _shape(view))
    )
    return over(with_alpha(green, fronds), body)


def draw_aubergine(rng: Rng, view: View) -> Floats:
    """An aubergine: glossy, nearly black, under a green cap."""
    neck, belly = rng.uniform(0.24, 0.32), rng.uniform(0.44, 0.56)
    knots = [-1, -0.84, -0.82, -0.7, -0.3, 0.2, 0.6, 0.85, 0.95, 1]
    widths = [
        0.05,
        0.06,
        neck * 0.8,
        neck,
        neck * 1.15,
        belly * 0.92,
        belly,
        belly * 0.72,
        belly * 0.42,
        0.0,
    ]
    surface, height, across = make_turned(
        view, _smooth_profile(knots, widths), rng.uniform(-0.2, 0.2)
    )
    skin = mix(
        vary(rng, (0.2, 0.07, 0.22), 0.04),
        (0.42, 0.14, 0.36),
        smooth_noise(rng, 2, _shape(view)) * 0.5,
    )
    lit = shade(view, surface.normal, skin, 0.75, 5)
    cap = (-0.62 - height + 0.2 * np.abs(np.cos(across * 4 + rng.uniform(0, 3)))) * 12
    green = shade(view, surface.normal, vary(rng, (0.36, 0.46, 0.18), 0.05), 0.1)
    lit = mix(lit, green, cap)
    return with_alpha(lit, surface.alpha)


def _leaf(rng: Rng, view: View) -> tuple[Surface, Floats]:
    """A leaf blade with veins and a stalk: its surface and its colour before any disease."""
    width = rng.uniform(0.46, 0.62)
    ticks = (_T + 1) / 2
    profile = (
        width * np.sin(math.pi * np.clip(ticks / 0.86, 0, 1) ** rng.uniform(0.75, 1.15)) ** 0.8
    )
    profile = np.maximum(profile, 0.028 * (ticks > 0.4))
    surface, height, across = make_turned(view, profile, rng.uniform(-0.2, 0.2))
    teeth = 0.05 * np.abs(np.mod(height * 11, 1) - 0.5)
    alpha = surface.alpha * np.clip(
        (0.985 - teeth - np.abs(across)) * view.unit_px * 0.3 + (height > 0.6), 0, 1
    )
    fold = rng.uniform(-0.45, 0.45)
    curl = smooth_noise(rng, 3, _shape(view))
    nx = fold * np.sign(across) * (1 - np.abs(across)) + 0.25 * curl
    ny = 0.3 * smooth_noise(rng, 3, _shape(view))
    slant = np.mod((height + 0.42 * np.abs(across)) * 5.5, 1) - 0.5
    vein = np.maximum(0.06 - np.abs(slant), 0) * 14 + np.maximum(0.05 - np.abs(across), 0) * 30
    green = mix(
        vary(rng, (0.22, 0.45, 0.12), 0.06),
        (0.42, 0.58, 0.16),
        smooth_noise(rng, 4, _shape(view)) * rng.uniform(0.2, 1),
    )
    green = mix(green, (0.62, 0.72, 0.36), np.asarray(vein * 0.75, np.float32))
    normal = (
        nx.astype(np.float32),
        ny,
        np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.1, 1)).astype(np.float32),
    )
    return Surface(normal, np.asarray(alpha, np.float32)), green


def draw_healthy_leaf(rng: Rng, view: View) -> Floats:
    """A green leaf; drops of water and holes that insects ate are not a disease."""
    surface, green = _leaf(rng, view)
    if rng.random() < 0.3:
        edge = smooth_noise(rng, 3, _shape(view)) - 0.3
        green = mix(green, (0.66, 0.68, 0.2), edge)
    alpha = surface.alpha
    if rng.random() < 0.35:
        alpha = alpha * (
            1 - _discs(rng.uniform(0, 1, (int(rng.integers(1, 4)), 3)), view, 0.03, 0.08)
        )
    lit = shade(view, surface.normal, green, 0.25, 3)
    if rng.random() < 0.4:
        lit += 0.35 * _discs(rng.uniform(0, 1, (int(rng.integers(3, 12)), 3)), view, 0.012, 0.03)
    return with_alpha(lit, alpha)


def draw_rust_leaf(rng: Rng, view: View) -> Floats:
    """A leaf with rust: many small orange-brown pustules, each in a yellow halo."""
    surface, green = _leaf(rng, view)
    count = int(rng.integers(9, 40))
    places = rng.uniform(0, 1, (count, 3))
    halo = _discs(places, view, 0.06, 0.12)
    pustule = _discs(places, view, 0.03, 0.075)
    green = mix(green, (0.76, 0.7, 0.2), halo * 0.7)
    green = mix(green, vary(rng, (0.56, 0.24, 0.06), 0.05), pustule * 0.95)
    return with_alpha(shade(view, surface.normal, green, 0.15, 3), surface.alpha)


def draw_mildew_leaf(rng: Rng, view: View) -> Floats:
    """A leaf with powdery mildew: white, floury patches that run into each other."""
    surface, green = _leaf(rng, view)
    powder = smooth_noise(rng, int(rng.integers(4, 8)), _shape(view)) * 1.6 + rng.uniform(
        -0.05, 0.4
    )
    grain = rng.random(_shape(view), dtype=np.float32)
    green = mix(green, (0.86, 0.87, 0.82), np.clip(powder, 0, 0.9) * (0.65 + 0.35 * grain))
    return with_alpha(shade(view, surface.normal, green, 0.08, 3), surface.alpha)


def _discs(places: Floats, view: View, smallest: float, largest: float) -> Floats:
    """Soft discs: 1 inside, 0 outside, [h, w]; `places` has x, y and size, 0 to 1, a row."""
    layer = Image.new("L", _shape(view))
    draw = ImageDraw.Draw(layer)
    centre = view.side_px / 2
    for x, y, size in places:
        radius = (smallest + (largest - smallest) * size) * view.unit_px
        left, top = centre + (x - 0.5) * 1.9 * view.unit_px, centre + (y - 0.5) * 1.9 * view.unit_px
        draw.ellipse((left - radius, top - radius, left + radius, top + radius), fill=255)
    soft = layer.filter(ImageFilter.BoxBlur(max(0.6, 0.012 * view.unit_px)))
    return np.asarray(soft, np.float32) / 255
