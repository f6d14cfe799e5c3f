"""Pictures of a training run, drawn without a screen."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9731a", "#8a8a8a"
_MOST_NAMES = 90  # more class names than this cannot be read beside a picture


def draw_learning_curve(history: list[dict[str, float]]) -> bytes:
    """Draws loss and accuracy over the epochs, and returns a PNG.

    Args:
        history: one entry an epoch: `train_loss`, `validation_loss`, `top1`, `top5`.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = range(1, len(history) + 1)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [e["train_loss"] for e in history], color=_GREY, label="training, augmented")
    left.plot(epochs, [e["validation_loss"] for e in history], color=_BLUE, label="validation")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy, nats", ylim=(0, None))
    best = max(e["top1"] for e in history)
    for key, colour, words in (("top5", _GREY, "top-5"), ("top1", _ORANGE, "top-1")):
        right.plot(epochs, [100 * e[key] for e in history], color=colour, label=words)
    right.axhline(100 * best, color=_ORANGE, linewidth=0.6, linestyle=":")
    right.set(title=f"Validation accuracy (best top-1 {100 * best:.1f} %)", xlabel="epoch")
    right.set(ylabel="% of photos", ylim=(0, 102))
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return _png(figure)


def draw_confusions(metrics: dict[str, Any]) -> bytes:
    """Draws the confusion matrix, each row as shares of its class, and returns a PNG.

    Args:
        metrics: what `training.metrics.summarise` returned.
    """
    names = [entry["label"] for entry in metrics["per_class"]]
    counts: npt.NDArray[np.float64] = np.array(metrics["confusions"], np.float64)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0)
    side = min(18.0, 3.2 + 0.24 * len(names))
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    if len(names) <= _MOST_NAMES:
        size = 9 if len(names) <= 30 else 6
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    if len(names) <= 30:
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{counts[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    top1, photos = metrics["top1"], metrics["photos"]
    axes.set(xlabel="answer", ylabel="truth")
    axes.set_title(f"Right on {100 * top1:.1f} % of {photos} validation photos")
    figure.colorbar(image, ax=axes, shrink=0.6, label="% of the class's photos")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    # No creation time or version inside: the same figures give the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
