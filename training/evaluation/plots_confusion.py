"""A picture of what is taken for what, drawn without a screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from training.evaluation.metrics import Indices
from training.evaluation.plots import GREY, ORANGE, plain, to_png
from training.evaluation.summary import list_confusions
from training.hierarchy import Hierarchy
from training.words import count_words

_MOST_CLASSES = 30  # a matrix of more cannot be read
_SHOWN = 24  # classes that are shown of more
_OTHERS = "another class"
_CELL_INCHES, _MARGIN_INCHES, _LETTER_INCHES = 0.24, 0.5, 0.075
_LINE_INCHES = 13 / 72  # of the list
_LEAST_SIDE_INCHES = 3.6


@dataclass(frozen=True)
class _Panel:
    """A matrix, and the list beside it.

    Attributes:
        title: what it shows.
        counts: photos by class and answer, shape [rows, columns]; a column may come last for
            the answers that are none of the rows.
        names: of the columns; those of the rows are the same, without the last column.
        parents: the coarse class of each row, by which rows are framed; none for no frames.
        confusions: see `training.evaluation.summary.list_confusions`.
    """

    title: str
    counts: Indices
    names: tuple[str, ...]
    parents: tuple[int, ...]
    confusions: list[dict[str, Any]]

    @property
    def label_inches(self) -> float:
        return _MARGIN_INCHES + _LETTER_INCHES * max(map(len, self.names))

    @property
    def side_inches(self) -> tuple[float, float]:
        """Width and height of the matrix."""
        rows, columns = self.counts.shape
        cell = max(_CELL_INCHES, _LEAST_SIDE_INCHES / columns)
        return cell * columns, cell * rows

    @property
    def size_inches(self) -> tuple[float, float]:
        """Width and height of all."""
        # A line of the list holds two names; letters of 8.5 points are about 0.066 inches wide.
        listed = max(3.2, 2 * 0.066 * max(map(len, self.names)) + 0.5)
        width, height = self.side_inches
        return self.label_inches + width + 0.3 + listed, self.label_inches + height + 0.7


def draw_confusions(metrics: dict[str, Any], hierarchy: Hierarchy | None = None) -> bytes:
    """Draws what is taken for what, as matrix and list, and returns a PNG.

    Of more than 30 classes those of the most frequent confusions are shown, and with a hierarchy
    a second matrix of the coarse classes.

    Args:
        metrics: what `training.evaluation.summary.summarise` returned.
        hierarchy: the coarse class of each label, by which rows are then ordered and framed.
    """
    names = tuple(entry["label"] for entry in metrics["per_class"])
    counts = np.array(metrics["confusions"], np.int64)
    right = f"Right on {100 * metrics['top1']:.1f} % of {count_words(int(counts.sum()), 'photo')}"
    panels = [_make_panel(right, "classes", counts, names, hierarchy)]
    if hierarchy is not None and len(names) > _MOST_CLASSES:
        coarse = _sum_coarse(counts, hierarchy)
        share = 100 * np.trace(coarse) / max(coarse.sum(), 1)
        right = f"The answer is of the right coarse class on {share:.1f} %"
        panels.append(_make_panel(right, "coarse classes", coarse, hierarchy.coarse.names, None))
    width = max(panel.size_inches[0] for panel in panels)
    height = sum(panel.size_inches[1] for panel in panels)
    figure = Figure(figsize=(width, height))
    top = height
    for panel in panels:
        _draw_panel(figure, panel, top)
        top -= panel.size_inches[1]
    return to_png(figure)


def _sum_coarse(counts: Indices, hierarchy: Hierarchy) -> Indices:
    parents = np.array(hierarchy.parents)
    summed = np.zeros((len(hierarchy.coarse), len(hierarchy.coarse)), np.int64)
    rows, columns = np.indices(counts.shape)
    np.add.at(summed, (parents[rows], parents[columns]), counts)
    return summed


def _make_panel(
    right: str,
    kind: str,
    counts: Indices,
    names: tuple[str, ...],
    hierarchy: Hierarchy | None,
) -> _Panel:
    confusions = list_confusions(counts.tolist(), names, most=counts.size)
    chosen, title = list(range(len(names))), right
    if len(names) > _MOST_CLASSES:
        chosen = _choose(confusions, names)
        which = "with the most frequent confusions" if confusions else "that come first"
        title = f"{right}. Shown: the {len(chosen)} of {len(names)} {kind} {which}"
    parents: tuple[int, ...] = ()
    if hierarchy is not None:
        chosen.sort(key=lambda index: (hierarchy.parents[index], index))
        parents = tuple(hierarchy.parents[index] for index in chosen)
        if any(one == other for one, other in pairwise(parents)):
            title += ";\nframes hold the classes of one coarse class"
    shown, columns = counts[np.ix_(chosen, chosen)], [names[index] for index in chosen]
    others = counts[chosen].sum(axis=1) - shown.sum(axis=1)
    if others.any():
        shown, columns = np.column_stack((shown, others)), [*columns, _OTHERS]
    return _Panel(title, shown, tuple(map(plain, columns)), parents, confusions)


def _choose(confusions: list[dict[str, Any]], names: tuple[str, ...]) -> list[int]:
    """Returns the classes of the most frequent confusions; of none, the first ones."""
    places = {name: place for place, name in enumerate(names)}
    chosen: set[int] = set()
    for confusion in confusions:
        pair = {places[confusion["truth"]], places[confusion["answer"]]}
        if len(chosen | pair) > _SHOWN:
            break
        chosen |= pair
    return sorted(chosen) or list(range(_SHOWN))


def _draw_panel(figure: Figure, panel: _Panel, top: float) -> None:
    """Draws a matrix, its bar of colours and its list.

    Places are given in inches, as matplotlib's own layout takes seconds.

    Args:
        figure: to draw on.
        panel: what to draw.
        top: where it begins, in inches from the figure's lower edge.
    """
    (total_width, total_height), (side, tall) = figure.get_size_inches(), panel.side_inches
    label, height = panel.label_inches, panel.size_inches[1]

    def place(left: float, bottom: float, width: float, tall: float) -> Axes:
        bottom += top - height
        return figure.add_axes(
            (left / total_width, bottom / total_height, width / total_width, tall / total_height)
        )

    axes = place(label, label, side, tall)
    image = _draw_matrix(axes, panel)
    _frame_coarse(axes, panel.parents)
    axes.set_title(panel.title, fontsize=11, loc="left")
    left = label + side + 0.3
    bar = place(left, 0.35, 1.8, 0.12)
    figure.colorbar(image, cax=bar, orientation="horizontal")
    none = "" if panel.counts.sum(axis=1).all() else "; grey: it has none"
    bar.set_title(f"% of the class's photos{none}", fontsize=8, loc="left")
    room = height - 0.7 - 0.9  # without the title above and the bar below
    listed = place(left, 0.9, total_width - left, room)
    _list_confusions(listed, panel.confusions[: int(room / _LINE_INCHES) - 2])


def _draw_matrix(axes: Axes, panel: _Panel) -> AxesImage:
    rows, columns = panel.counts.shape
    totals = panel.counts.sum(axis=1, keepdims=True)
    counts: npt.NDArray[np.float64] = panel.counts.astype(np.float64)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#eeeeee")
    image = axes.imshow(100 * shares, cmap=colours, vmin=0, vmax=100)
    axes.set(xlabel="answer", ylabel="truth")
    axes.set_xticks(range(columns), panel.names, rotation=90, fontsize=9)
    axes.set_yticks(range(rows), panel.names[:rows], fontsize=9)
    axes.hlines(np.arange(0.5, rows - 1), -0.5, columns - 0.5, color=GREY, linewidth=0.15)
    axes.vlines(np.arange(0.5, columns - 1), -0.5, rows - 0.5, color=GREY, linewidth=0.15)
    if columns > rows:
        axes.axvline(rows - 0.5, color="black", linewidth=0.8)
    for row, column in zip(*np.nonzero(panel.counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = str(panel.counts[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    return image


def _frame_coarse(axes: Axes, parents: Sequence[int]) -> None:
    start = 0
    for end in range(1, len(parents) + 1):
        if end == len(parents) or parents[end] != parents[start]:
            if end - start > 1:
                corner, width = (start - 0.5, start - 0.5), end - start
                axes.add_patch(Rectangle(corner, width, width, fill=False, edgecolor=ORANGE))
            start = end


def _list_confusions(axes: Axes, confusions: list[dict[str, Any]]) -> None:
    axes.axis("off")
    lines = [plain(f"{e['photos']}: {e['truth']} → {e['answer']}") for e in confusions]
    text = "Most frequent confusions (photos: truth → answer)\n\n" + ("\n".join(lines) or "none")
    axes.text(0, 1, text, va="top", fontsize=8.5, linespacing=1.3, transform=axes.transAxes)
