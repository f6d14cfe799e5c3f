"""The pictures of the HTML report as SVG: text stays text, and nothing is loaded from elsewhere.

Every string that comes from outside goes through `Markup.format`, which escapes it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from conversion.parity.report import PASSED, ParityReport, points
from conversion.parity.statistics import Calibration

COLOURS = {"executorch": "#7b3fa0", "litert": "#1f5fa8", "coreml": "#0b6e4f"}
_TEXT, _GREY, _LINE, _ORANGE = "#222222", "#5f5f5f", "#d5d5d5", "#b35a00"
_CHAR_PX, _ROW_PX = 6.4, 24
# The loss axis reaches so many margins to either side; what lies beyond ends at its edge.
_AXIS_MARGINS = 3.0


@dataclass(frozen=True)
class Point:
    """One artifact in a scatter plot.

    Attributes:
        label: its name.
        runtime: decides colour and shape.
        x: position.
        y: position, with `low` and `high` as its interval.
        low: lower end.
        high: upper end.
        full: whether it is drawn filled: it passed.
    """

    label: str
    runtime: str
    x: float
    y: float
    low: float
    high: float
    full: bool


@dataclass(frozen=True)
class _Plot:
    """Maps values to pixels."""

    left: float
    right: float
    top: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.bottom - share * (self.bottom - self.top), 1)


def nice_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Returns round numbers, about `count`, that lie within a range; steps of 1, 2 or 5."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    found = range(first, math.floor(high / step + 1e-9) + 1)
    return [round(step * number, 10) for number in found]


def draw_losses(rows: Sequence[tuple[str, str, ParityReport]]) -> Markup:
    """Draws the interval of each artifact's accuracy loss against its margin.

    Args:
        rows: label, runtime and report of each artifact that was compared.
    """
    if not rows:
        return Markup("")
    height = 46 + _ROW_PX * len(rows) + 40
    span = _AXIS_MARGINS * 100 * max(report.loss_margin for _, _, report in rows)
    plot = _Plot(190, 700, 30, height - 40, (-span, span), (0, 1))
    parts = [_grid_x(plot, nice_ticks(-span, span, 8), "points of accuracy lost")]
    zero = plot.x(0)
    parts.append(_line(zero, plot.top, zero, plot.bottom, _GREY))
    parts.append(_text(plot.left, 16, "← better than the trained model", "start", _GREY))
    parts.append(_text(plot.right, 16, "worse than the trained model →", "end", _GREY))
    for number, (label, runtime, report) in enumerate(rows):
        y = plot.top + 16 + _ROW_PX * number
        parts.append(_text(plot.left - 10, y + 4, label, "end"))
        low, high, margin = (
            plot.x(100 * value) for value in (report.loss_low, report.loss_high, report.loss_margin)
        )
        parts.append(_line(margin, y - 10, margin, y + 10, _ORANGE, 3))
        parts.append(_line(low, y, high, y, COLOURS[runtime], 3))
        full = report.verdict == PASSED
        parts.append(_marker(runtime, plot.x(100 * report.loss), y, full))
        for value, end, sign in ((report.loss_low, low, "◂"), (report.loss_high, high, "▸")):
            if abs(100 * value) > span:  # it goes on beyond the axis
                parts.append(_text(end, y + 5, sign, "middle", COLOURS[runtime]))
        words = f"{points(report.loss)} ({points(report.loss_low)} to {points(report.loss_high)})"
        parts.append(_text(plot.right + 8, y + 4, words, "start"))
    title = "Accuracy loss of each file with its 95 % interval, against the margin allowed"
    return _svg(870, height, title, parts)


def draw_scatter(
    points: Sequence[Point], title: str, x_label: str, reference: float, reference_label: str
) -> Markup:
    """Draws right answers, in per cent, against something that should be small.

    Args:
        points: the artifacts.
        title: what a reader who cannot see it is told.
        x_label: of the horizontal axis, which begins at 0.
        reference: right answers of the trained model, drawn as a line.
        reference_label: what stands at that line.
    """
    if not points:
        return Markup("")
    width, height = 620, 420
    low = min([reference, *(point.low for point in points)])
    high = max([reference, *(point.high for point in points)])
    space = max(0.1 * (high - low), 0.5)
    most = max(point.x for point in points)
    y_range = (max(0.0, low - space), min(100.0, high + space))
    plot = _Plot(56, width - 14, 14, height - 44, (0, 1.22 * most), y_range)
    parts = [_grid_x(plot, nice_ticks(0, 1.22 * most), x_label), _grid_y(plot)]
    y = plot.y(reference)
    parts.append(_line(plot.left, y, plot.right, y, _ORANGE, 1.5, "6 4"))
    parts.append(_text(plot.right, y - 5, reference_label, "end", _ORANGE))
    taken = [(plot.right - _CHAR_PX * len(reference_label), y - 17, plot.right, y)]
    places = [(plot.x(point.x), plot.y(point.y)) for point in points]
    taken += [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        parts.append(_line(x, plot.y(point.low), x, plot.y(point.high), COLOURS[point.runtime], 1))
        parts.append(_marker(point.runtime, x, y, point.full))
    for point, place in zip(points, places, strict=True):
        parts.append(_label(plot, point.label, place, taken))
    return _svg(width, height, title, parts)


def draw_calibration(label: str, reference: Calibration, own: Calibration, runtime: str) -> Markup:
    """Draws accuracy against confidence of the trained model and of an artifact.

    Args:
        label: the artifact's name.
        reference: of the trained model.
        own: of the artifact.
        runtime: decides the colour.
    """
    plot = _Plot(44, 210, 12, 172, (0, 100), (0, 100))
    parts = [_grid_x(plot, [0, 50, 100], "says, %"), _grid_y(plot, [0, 50, 100])]
    parts.append(_text(14, 96, "is right, %", "middle", _GREY, "rotate(-90 14 96)"))
    parts.append(_line(plot.left, plot.bottom, plot.right, plot.top, _LINE, 1.5))
    for curve, colour, dash in ((reference, _GREY, "5 3"), (own, COLOURS[runtime], "none")):
        bins = [entry for entry in curve.bins if entry.photos]
        where = [(plot.x(100 * e.confidence), plot.y(100 * e.accuracy)) for e in bins]
        path = " ".join(f"{x},{y}" for x, y in where)
        parts.append(
            Markup(
                '<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8" '
                'stroke-dasharray="{}"/>'
            ).format(path, colour, dash)
        )
        most = max(entry.photos for entry in bins)
        for entry, (x, y) in zip(bins, where, strict=True):
            radius = round(1.5 + 3 * math.sqrt(entry.photos / most), 1)
            circle = '<circle cx="{}" cy="{}" r="{}" fill="{}"/>'
            parts.append(Markup(circle).format(x, y, radius, colour))
    title = (
        f"Calibration of {label}: error {own.error:.3f}, of the trained model {reference.error:.3f}"
    )
    return _svg(226, 210, title, parts)


def _label(
    plot: _Plot,
    label: str,
    place: tuple[float, float],
    taken: list[tuple[float, float, float, float]],
) -> Markup:
    """Writes a point's name where nothing stands yet, with a line to it where that is far off."""
    x, y = place
    width = _CHAR_PX * len(label)
    boxes = [
        (x + side * (12 + far / 2) - (width if side < 0 else 0), y + up * far - 8)
        for far in (0, 16, 30, 44, 58, 74, 90, 110, 130, 150)
        for side in (1, -1)
        for up in ((-1, 1) if far else (0,))
    ]
    left, top = next((box for box in boxes if _is_free(plot, box, width, taken)), boxes[0])
    taken.append((left, top, left + width, top + 15))
    words = _text(left, top + 12, label, "start")
    if abs(top + 8 - y) < 12:
        return words
    end = left if left > x else left + width
    return _line(x, y, round(end, 1), round(top + 8, 1), _GREY, 0.7) + words


def _is_free(
    plot: _Plot,
    box: tuple[float, float],
    width: float,
    taken: list[tuple[float, float, float, float]],
) -> bool:
    left, top = box
    right, bottom = left + width, top + 15
    if left < plot.left or right > plot.right or top < plot.top or bottom > plot.bottom:
        return False
    return not any(
        left < other[2] and right > other[0] and top < other[3] and bottom > other[1]
        for other in taken
    )


def _marker(runtime: str, x: float, y: float, full: bool) -> Markup:
    colour = COLOURS[runtime]
    fill = colour if full else "#ffffff"
    style = Markup('fill="{}" stroke="{}" stroke-width="2"').format(fill, colour)
    if runtime == "litert":
        return Markup('<rect x="{}" y="{}" width="10" height="10" {}/>').format(x - 5, y - 5, style)
    if runtime == "coreml":
        corners = f"{x},{y - 6} {x + 6},{y + 5} {x - 6},{y + 5}"
        return Markup('<polygon points="{}" {}/>').format(corners, style)
    return Markup('<circle cx="{}" cy="{}" r="5.5" {}/>').format(x, y, style)


def _grid_x(plot: _Plot, ticks: list[float], label: str) -> Markup:
    parts = []
    for tick in ticks:
        x = plot.x(tick)
        parts.append(_line(x, plot.top, x, plot.bottom, _LINE))
        parts.append(_text(x, plot.bottom + 16, f"{tick:g}", "middle", _GREY))
    middle = (plot.left + plot.right) / 2
    parts.append(_text(middle, plot.bottom + 34, label, "middle", _GREY))
    return Markup("").join(parts)


def _grid_y(plot: _Plot, ticks: list[float] | None = None) -> Markup:
    parts = []
    for tick in ticks or nice_ticks(*plot.y_range):
        y = plot.y(tick)
        parts.append(_line(plot.left, y, plot.right, y, _LINE))
        parts.append(_text(plot.left - 6, y + 4, f"{tick:g}", "end", _GREY))
    return Markup("").join(parts)


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "none"
) -> Markup:
    return Markup(
        '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-width="{}" '
        'stroke-dasharray="{}"/>'
    ).format(x1, y1, x2, y2, colour, width, dash)


def _text(
    x: float, y: float, words: str, anchor: str, colour: str = _TEXT, transform: str = ""
) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}" fill="{}" transform="{}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, colour, transform, words
    )


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="max-width:{}px">{}</svg>'
    ).format(width, height, title, width, Markup("").join(parts))
