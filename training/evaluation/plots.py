"""Pictures of a training run, drawn without a screen."""

import io
import warnings
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f5fa8", "#d9731a", "#8a8a8a"


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
