"""Pictures of a training run, drawn without a screen."""

import io
import warnings
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from training.hierarchy import Hierarchy

BLUE, ORANGE, GREY = "#1f5fa8", "#d9731a", "#8a8a8a"
_FEW_NAMES = 30
_MOST_NAMES = 90  # more class names than this cannot be read beside a picture


def draw_learning_curve(history: list[dict[str, float]]) -> bytes:
    """Draws loss and accuracy over the epochs, and returns a PNG.

    Args:
        history: one entry an epoch: `train_loss`, `validation_loss`, `top1`, `top5`.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = range(1, len(history) + 1)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [e["train_loss"] for e in history], color=GREY, label="training, augmented")
    left.plot(epochs, [e["validation_loss"] for e in history], color=BLUE, label="validation")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy, nats", ylim=(0, None))
    best = max(e["top1"] for e in history)
    for key, colour, words in (("top5", GREY, "top-5"), ("top1", ORANGE, "top-1")):
        right.plot(epochs, [100 * e[key] for e in history], color=colour, label=words)
    right.axhline(100 * best, color=ORANGE, linewidth=0.6, linestyle=":")
    right.set(title=f"Validation accuracy (best top-1 {100 * best:.1f} %)", xlabel="epoch")
    right.set(ylabel="% of photos", ylim=(0, 102))
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return to_png(figure)


def draw_confusions(metrics: dict[str, Any], hierarchy: Hierarchy | None = None) -> bytes:
    """Draws the confusion matrix and a list of the most frequent confusions, and returns a PNG.

    Args:
        metrics: what `training.evaluation.summary.summarise` returned.
        hierarchy: the coarse class of each label, by which rows are then ordered and framed.
    """
    names = [plain(entry["label"]) for entry in metrics["per_class"]]
    counts: npt.NDArray[np.float64] = np.array(metrics["confusions"], np.float64)
    order = _order(names, hierarchy)
    counts, names = counts[np.ix_(order, order)], [names[index] for index in order]
    figure, axes, listed = _lay_out(names)
    image = _draw_matrix(axes, counts, names)
    if hierarchy is not None:
        _frame_coarse(axes, [hierarchy.parents[index] for index in order])
    top1, photos = metrics["top1"], metrics["photos"]
    framed = "; frames hold the classes of one coarse class" if hierarchy is not None else ""
    axes.set_title(
        f"Right on {100 * top1:.1f} % of {photos} photos{framed}", fontsize=11, loc="left"
    )
    bar = listed.inset_axes((0.0, 0.25 / figure.get_size_inches()[1], 0.5, 0.02))
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_title("% of the class's photos", fontsize=8, loc="left")
    most = int((figure.get_size_inches()[1] - 1.9) * 72 / 13)  # lines that there is room for
    _list_confusions(listed, metrics.get("most_confused", [])[:most])
    return to_png(figure)


def _order(names: list[str], hierarchy: Hierarchy | None) -> list[int]:
    if hierarchy is None:
        return list(range(len(names)))
    return sorted(range(len(names)), key=lambda index: (hierarchy.parents[index], index))


def _lay_out(names: list[str]) -> tuple[Figure, Axes, Axes]:
    """Returns a figure with room for names, in inches: matplotlib's own layout takes seconds."""
    shown = len(names) <= _MOST_NAMES
    points = 9 if len(names) <= _FEW_NAMES else 6.5
    label = 0.5 + (max(map(len, names)) * 0.6 * points / 72 if shown else 0.0)
    side = min(14.0, max(3.6, 0.24 * len(names)))
    # A line of the list holds two names; letters of 8.5 points are about 0.066 inches wide.
    width = label + side + 1 + max(3.2, 2 * 0.066 * max(map(len, names)))
    height = label + side + 0.5
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((label / width, label / height, side / width, side / height))
    left = (label + side + 0.3) / width
    listed = figure.add_axes((left, 0.2 / height, 1 - left, 1 - 0.7 / height))
    axes.set(xlabel="answer", ylabel="truth")
    if shown:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=points)
        axes.set_yticks(range(len(names)), names, fontsize=points)
    return figure, axes, listed


def _draw_matrix(axes: Axes, counts: npt.NDArray[np.float64], names: list[str]) -> AxesImage:
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0)
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#eeeeee")
    image = axes.imshow(100 * shares, cmap=colours, vmin=0, vmax=100)
    if len(names) <= _MOST_NAMES:
        lines = np.arange(0.5, len(names) - 1)
        axes.hlines(lines, -0.5, len(names) - 0.5, color=GREY, linewidth=0.15)
        axes.vlines(lines, -0.5, len(names) - 0.5, color=GREY, linewidth=0.15)
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{counts[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    return image


def _frame_coarse(axes: Axes, parents: list[int]) -> None:
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


def plain(text: str) -> str:
    """Returns a text that matplotlib draws as it is: between dollars it would set formulas."""
    return text.replace("$", r"\$")


def to_jpeg(figure: Figure) -> bytes:
    """Returns a figure full of photos as the bytes of a JPEG."""
    return _save(figure, "jpeg", pil_kwargs={"quality": 88})


def to_png(figure: Figure) -> bytes:
    """Returns a figure as the bytes of a PNG; the same figure gives the same bytes."""
    # No creation time or version inside.
    return _save(figure, "png", metadata={"Software": None})


def _save(figure: Figure, kind: str, **options: Any) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Labels may be of any alphabet; what no font of the machine has is drawn as a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(buffer, format=kind, dpi=110, **options)
    return buffer.getvalue()
