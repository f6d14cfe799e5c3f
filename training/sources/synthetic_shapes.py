"""Drawing of lit, textured shapes on small patches with numpy. Free of torch.

Colours are float32 RGB on the 0-1 scale. Pictures are `rgb_chw`, float32, shape [3, h, w], and the
patch of one item is `rgba_chw`, [4, side, side]: numpy blends planes several times faster than
interleaved pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.floating[Any]]
Colour = Sequence[float] | Floats
Rng = np.random.Generator

# Half the side of a patch in the shape's own units: shapes reach to about 1 in any direction.
REACH = 1.2


@dataclass(frozen=True)
class View:
    """How one item is seen.

    Attributes:
        x: the item's own horizontal coordinate of each pixel, float32 [side, side].
        y: the item's own vertical coordinate, downwards, float32 [side, side].
        light: direction to the light in the item's own coordinates, unit length; z is towards
            the camera.
        unit_px: pixels that one unit of `x` and `y` takes.
    """

    x: Floats
    y: Floats
    light: tuple[float, float, float]
    unit_px: float

    @property
    def side_px(self) -> int:
        """Side of the patch, in pixels."""
        return int(self.x.shape[0])


@lru_cache(maxsize=256)
def _grid(side_px: int) -> tuple[Floats, Floats]:
    ticks = np.linspace(-REACH, REACH, side_px, dtype=np.float32)
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def make_view(side_px: int, angle: float, light: tuple[float, float, float]) -> View:
    """Makes the view of an item that is turned in the picture's plane.

    Args:
        side_px: side of the patch, in pixels.
        angle: turn, in radians, clockwise as seen.
        light: direction to the light in the picture's coordinates.
    """
    x, y = _grid(side_px)
    cos, sin = math.cos(angle), math.sin(angle)
    turned = (cos * light[0] + sin * light[1], -sin * light[0] + cos * light[1], light[2])
    return View(cos * x + sin * y, cos * y - sin * x, turned, (side_px - 1) / (2 * REACH))


def smooth_noise(rng: Rng, cells: int | tuple[int, int], shape: tuple[int, int]) -> Floats:
    """Returns smooth noise in about -1 to 1, float32 of `shape`, with `cells` bumps a side."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    coarse = rng.random((rows + 1, columns + 1), dtype=np.float32) * 2 - 1
    image = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image)


def mix(under: Colour, over: Colour, share: Floats) -> Floats:
    """Blends colours over colours.

    Args:
        under: one colour, or a picture [3, h, w].
        over: one colour, or a picture [3, h, w].
        share: how much of `over` shows, [h, w]; cut to 0 to 1.

    Returns:
        A picture, `rgb_chw`: float32, [3, h, w].
    """
    base, top = as_planes(under), as_planes(over)
    blend: Floats = base + (top - base) * np.clip(share, 0, 1).astype(np.float32, copy=False)
    return blend


def as_planes(colour: Colour) -> Floats:
    """Returns one colour as float32 [3, 1, 1], or a picture as float32 [3, h, w]."""
    planes = np.asarray(colour, np.float32)
    return planes.reshape(3, 1, 1) if planes.ndim == 1 else planes


def to_planes(image: Image.Image) -> Floats:
    """Returns an image's bands as float32 [bands, h, w], 0 to 1."""
    pixels = np.asarray(image, np.float32) * np.float32(1 / 255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def vary(rng: Rng, colour: Colour, spread: float = 0.05) -> Floats:
    """Returns a colour near the given one."""
    return np.clip(np.asarray(colour) + rng.uniform(-spread, spread, 3), 0, 1).astype(np.float32)


def shade(
    view: View,
    normal: tuple[Floats, Floats, Floats],
    colour: Colour,
    gloss: float,
    hardness: int = 4,
) -> Floats:
    """Lights a surface: ambient and diffuse light on its colour, and a highlight on top.

    Args:
        view: gives the light.
        normal: x, y and z of the surface's direction, each [h, w].
        colour: of the surface: one, or a picture [3, h, w].
        gloss: strength of the highlight, 0 to 1.
        hardness: larger makes the highlight smaller; its exponent is 2 ** hardness.
    """
    nx, ny, nz = normal
    lx, ly, lz = view.light
    diffuse = np.clip(nx * lx + ny * ly + nz * lz, 0, 1)
    lit: Floats = as_planes(colour) * (0.32 + 0.78 * diffuse)
    if gloss:
        scale = 1 / math.sqrt(lx * lx + ly * ly + (lz + 1) ** 2)
        highlight = np.clip(nx * (lx * scale) + ny * (ly * scale) + nz * (lz + 1) * scale, 0, 1)
        for _ in range(hardness):
            highlight = highlight * highlight
        lit += gloss * highlight
    return lit


def with_alpha(colour: Colour, alpha: Floats) -> Floats:
    """Joins a picture and its coverage, [h, w], cut to 0 to 1, to a patch."""
    patch = np.empty((4, *alpha.shape), np.float32)
    patch[:3] = as_planes(colour)
    np.clip(alpha, 0, 1, out=patch[3])
    return patch


def over(under: Floats, top: Floats) -> Floats:
    """Puts one patch over another of the same shape."""
    alpha = top[3]
    rest = under[3] * (1 - alpha)
    total = alpha + rest
    share = alpha / np.maximum(total, np.float32(1e-4))
    return with_alpha(under[:3] + (top[:3] - under[:3]) * share, total)


@dataclass(frozen=True)
class Surface:
    """A lit body before its colour is known.

    Attributes:
        normal: x, y and z of the direction, each [h, w].
        alpha: coverage, [h, w].
    """

    normal: tuple[Floats, Floats, Floats]
    alpha: Floats


def make_ball(view: View, width: float, height: float, outline: Floats | float = 1.0) -> Surface:
    """Makes an ellipsoid that faces the camera.

    Args:
        view: where it is seen.
        width: half its width.
        height: half its height.
        outline: factor on both, for each pixel, for bodies that are not quite round.
    """
    u, v = view.x / (width * outline), view.y / (height * outline)
    square = u * u + v * v
    distance = np.sqrt(square)
    nz = np.sqrt(np.clip(1 - square, 0, 1))
    alpha = (1 - distance) * (view.unit_px * min(width, height))
    scale = 1 / np.maximum(distance, 1)
    return Surface((u * scale, v * scale, nz), np.clip(alpha, 0, 1))


def make_turned(view: View, profile: Floats, bend: float = 0.0) -> tuple[Surface, Floats, Floats]:
    """Makes a body turned on a lathe, whose axis runs from top to bottom.

    Args:
        view: where it is seen.
        profile: half its width at evenly spaced heights from -1 (top) to 1.
        bend: how far the ends swing to the right.

    Returns:
        The surface, the height -1 to 1 of each pixel, and its distance from the axis as a share
        of the half width, from -1 on the left to 1 on the right.
    """
    height = view.y
    across = view.x - bend * (height * height - 0.35)
    ticks = np.linspace(-1, 1, len(profile))
    width = np.interp(height, ticks, profile, left=0, right=0).astype(np.float32)
    slope = np.interp(height, ticks, np.gradient(profile, ticks)).astype(np.float32)
    nx = np.clip(across / np.maximum(width, 1e-3), -1, 1)
    nz = np.sqrt(1 - nx * nx)
    ny = -np.clip(slope, -3, 3)
    norm = 1 / np.sqrt(1 + ny * ny)
    alpha = np.clip((width - np.abs(across)) * view.unit_px + 0.5, 0, 1) * (width > 0)
    # Leans the normals of a bent body along with its axis.
    lean = np.asarray(2 * bend * height * nx, np.float32)
    return Surface((nx * norm, (ny - lean) * norm, nz * norm), alpha), height, nx


def bump(surface: Surface, noise: Floats, depth: float) -> Surface:
    """Roughens a surface: `noise` is a height field, [h, w]."""
    dy, dx = np.gradient(noise * depth)
    nx, ny, nz = surface.normal
    return Surface((nx - dx, ny - dy, nz), surface.alpha)


def around_pole(surface: Surface, pole: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Returns the angle from a pole, 0 to pi, and the longitude around it, -pi to pi.

    Args:
        surface: a ball.
        pole: its direction, unit length, as normals are.
    """
    nx, ny, nz = surface.normal
    px, py, pz = pole
    length = max(math.hypot(pz, px), 1e-3)
    east_x, east_z = pz / length, -px / length
    north = (py * east_z, pz * east_x - px * east_z, -py * east_x)
    angle = np.arccos(np.clip(nx * px + ny * py + nz * pz, -1, 1))
    right = nx * east_x + nz * east_z
    up = nx * north[0] + ny * north[1] + nz * north[2]
    return angle, np.arctan2(up, right)


def random_pole(rng: Rng, tilt: float) -> tuple[float, float, float]:
    """Returns a direction around "up", leaning to the camera by `tilt` radians or so."""
    lean = tilt + rng.uniform(-0.45, 0.45)
    side = rng.uniform(-0.5, 0.5)
    y, z = -math.cos(lean), math.sin(lean)
    return (math.sin(side) * -y, math.cos(side) * y, z)
