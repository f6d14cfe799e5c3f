"""Charts as numbers: where bars, lines and words stand in an SVG, and the table of the same.

Templates draw them with presentation attributes and classes alone, as pages run no inline style.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# Narrow, so that words stay readable where a phone shows it 340 pixels wide.
WIDTH, HEIGHT = 480, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 22
_LINES = 4
_MOST_TICKS = 6
_ROW, _BAR = 26, 9
_NAME_WIDTH = 150
_VALUE_WIDTH = 92


@dataclass(frozen=True)
class Series:
    """One row of numbers.

    Attributes:
        name: what they are.
        css: the class that colours them.
        values: None where there is nothing to show.
        total: what shares are of, where that is not the sum of the values.
    """

    name: str
    css: str
    values: Sequence[float | None]
    total: float | None = None


@dataclass(frozen=True)
class Bar:
    """A rectangle, with what it says to who points at it."""

    x: float
    y: float
    width: float
    height: float
    css: str
    words: str


@dataclass(frozen=True)
class Chart:
    """A drawing and its table.

    Attributes:
        title: what it shows.
        summary: the same in a sentence, for who cannot see it.
        legend: name and class of each series.
        bars: rectangles.
        lines: points of a polyline, and its class.
        grid: height and words of each line across.
        ticks: place and words below.
        names: name, place and height of each row, in a chart of rows.
        header: of the table.
        rows: of the table.
        height: of the drawing.
    """

    title: str
    summary: str
    legend: list[tuple[str, str]]
    header: list[str]
    rows: list[list[str]]
    bars: list[Bar] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    grid: list[tuple[float, str]] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    names: list[tuple[str, float, str]] = field(default_factory=list)
    height: float = HEIGHT
    width: float = WIDTH


def format_number(value: float) -> str:
    """Returns a count with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def format_share(value: float) -> str:
    """Returns a share, 0 to 1, in per cent."""
    return f"{100 * value:.0f} %" if value >= 0.0995 or value == 0 else f"{100 * value:.1f} %"


def format_ms(value: float) -> str:
    """Returns a time, in seconds from one second on."""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def draw_stack(
    title: str, summary: str, days: Sequence[str], series: Sequence[Series], as_shares: bool
) -> Chart:
    """Draws a stacked bar a day.

    Args:
        title: what it shows.
        summary: the same in a sentence.
        days: their names.
        series: from the bottom up.
        as_shares: whether each bar is all of its day.
    """
    totals = [sum(row.values[day] or 0 for row in series) for day in range(len(days))]
    top = 1.0 if as_shares else find_top(max(totals, default=0))
    words = format_share if as_shares else format_number
    chart = _begin(title, summary, days, series, top, words)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(days))
    for day, name in enumerate(days):
        below = 0.0
        for row in series:
            value = row.values[day] or 0
            share = value / (totals[day] if as_shares and totals[day] else 1)
            if not value:
                continue
            y = _find_y(below + share, top)
            said = f"{name}: {row.name} {format_number(value)}"
            if as_shares:
                said += f" ({format_share(share)})"
            place = (_LEFT + day * step + 0.5, y, max(1.0, step - 1), _find_y(below, top) - y)
            chart.bars.append(_make_bar(place, row.css, said))
            below += share
        chart.rows.append(
            [name]
            + [
                _say(row.values[day] or 0, totals[day])
                if as_shares
                else words(row.values[day] or 0)
                for row in series
            ]
        )
    chart.rows.reverse()
    return chart


def draw_lines(
    title: str,
    summary: str,
    days: Sequence[str],
    series: Sequence[Series],
    logarithmic: bool,
) -> Chart:
    """Draws a line for each series: shares, or on a logarithmic scale milliseconds.

    Args:
        title: what it shows.
        summary: the same in a sentence.
        days: their names.
        series: lines, which are broken where a day has no value.
        logarithmic: whether values are milliseconds.
    """
    known = [value for row in series for value in row.values if value is not None]
    words = format_ms if logarithmic else format_share
    low = 10 ** math.floor(math.log10(min(known, default=1))) if logarithmic else 0.0
    high = max(known, default=1.0)
    top = low * 10 ** max(1, math.ceil(math.log10(high / low))) if logarithmic else find_top(high)

    def place(value: float) -> float:
        if logarithmic:
            return _find_y(math.log10(max(value, low) / low), math.log10(top / low))
        return _find_y(value, top)

    chart = _begin(title, summary, days, series, top, words)
    if logarithmic:
        levels = [low * 10**n for n in range(round(math.log10(top / low)) + 1)]
        chart.grid[:] = [(_round(place(level)), words(level)) for level in levels]
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(days))
    for row in series:
        points: list[str] = []
        for day, value in enumerate([*row.values, None]):
            if value is not None:
                x, y = _LEFT + (day + 0.5) * step, place(value)
                points.append(f"{_round(x)},{_round(y)}")
                said = f"{days[day]}: {row.name} {words(value)}"
                chart.bars.append(_make_bar((x - 2, y - 2, 4, 4), f"{row.css} dot", said))
            elif points:
                chart.lines.append((" ".join(points), row.css))
                points = []
    for day, name in enumerate(days):
        values = [row.values[day] for row in series]
        chart.rows.append([name, *("" if value is None else words(value) for value in values)])
    chart.rows.reverse()
    return chart


def draw_bins(
    title: str,
    summary: str,
    bins: Sequence[str],
    ticks: Sequence[tuple[int, str]],
    now: Series,
    before: Series | None,
) -> Chart:
    """Draws shares by bin: of now as bars, of before as an outline over them.

    Args:
        title: what it shows.
        summary: the same in a sentence.
        bins: their names.
        ticks: words below the beginning of some bins.
        now: counts.
        before: counts that they are compared with.
    """
    shares = _find_shares(now)
    theirs = _find_shares(before) if before else []
    top = find_top(max([*shares, *theirs], default=0))
    both = [now, before] if before else [now]
    chart = _begin(title, summary, [], both, top, format_share)
    chart.header[0] = "Confidence"
    step = (WIDTH - _LEFT - _RIGHT) / len(bins)
    chart.ticks.extend((_round(_LEFT + at * step), words) for at, words in ticks)
    outline = []
    for place, name in enumerate(bins):
        x, share = _LEFT + place * step, shares[place]
        said = f"{name}: {now.name} {format_share(share)}"
        row = [name, format_share(share)]
        if before:
            y = _find_y(theirs[place], top)
            outline += [f"{_round(x)},{_round(y)}", f"{_round(x + step)},{_round(y)}"]
            said += f", {before.name} {format_share(theirs[place])}"
            row.append(format_share(theirs[place]))
        y = _find_y(share, top)
        chart.bars.append(_make_bar((x + 0.5, y, step - 1, _find_y(0, top) - y), now.css, said))
        chart.rows.append(row)
    if before:
        chart.lines.append((" ".join(outline), before.css))
    return chart


def draw_rows(
    title: str, summary: str, names: Sequence[str], now: Series, before: Series | None
) -> Chart:
    """Draws shares by name, a row each: a bar of now above a thin one of before.

    Args:
        title: what it shows.
        summary: the same in a sentence.
        names: of the rows, which may be long.
        now: counts.
        before: counts that they are compared with.
    """
    shares = _find_shares(now)
    theirs = _find_shares(before) if before else []
    top = max([*shares, *theirs], default=0) or 1.0
    legend = [(row.name, row.css) for row in ([now, before] if before else [now])]
    header = ["", *(name for name, _ in legend)]
    chart = Chart(title, summary, legend, header, [], height=_ROW * max(1, len(names)))
    full = WIDTH - _NAME_WIDTH - _VALUE_WIDTH
    for place, name in enumerate(names):
        y = place * _ROW + 4
        values = [shares[place], *([theirs[place]] if before else [])]
        said = " / ".join(format_share(value) for value in values)
        for at, (value, row) in enumerate(zip(values, (now, before), strict=False)):
            if row is not None and value:
                bar = (_NAME_WIDTH, y + at * _BAR, max(1.0, full * value / top), _BAR - 1)
                words = f"{name}: {row.name} {format_share(value)}"
                chart.bars.append(_make_bar(bar, row.css, words))
        chart.names.append((_shorten(name), _round(y + _BAR + 3), said))
        chart.rows.append([name, *(format_share(value) for value in values)])
    return chart


def find_top(value: float) -> float:
    """Returns the next number from a value on that a quarter of is easily read."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(
        nice * power
        for nice in (1, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
        if value <= nice * power * 1.0000001
    )


def _begin(
    title: str,
    summary: str,
    days: Sequence[str],
    series: Sequence[Series],
    top: float,
    words: Callable[[float], str],
) -> Chart:
    legend = [(row.name, row.css) for row in series]
    chart = Chart(title, summary, legend, ["Day", *(row.name for row in series)], [])
    for line in range(_LINES + 1):
        value = top * line / _LINES
        chart.grid.append((_round(_find_y(value, top)), words(value)))
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(days))
    every = max(1, math.ceil(len(days) / _MOST_TICKS))
    for day in range(len(days) - 1, -1, -every):
        chart.ticks.append((_round(_LEFT + (day + 0.5) * step), days[day]))
    return chart


def _make_bar(place: tuple[float, float, float, float], css: str, words: str) -> Bar:
    x, y, width, height = map(_round, place)
    return Bar(x, y, width, height, css, words)


def _find_y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(1.0, value / top)


def _find_shares(row: Series) -> list[float]:
    total = row.total or sum(value or 0 for value in row.values) or 1
    return [(value or 0) / total for value in row.values]


def _say(value: float, total: float) -> str:
    return f"{format_number(value)} ({format_share(value / total)})" if total else "0"


def _shorten(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _round(value: float) -> float:
    return round(value, 1)
