"""A sheet of the photos that a network gets wrong, drawn without a screen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from training.evaluation.metrics import Floats, Indices, wilson_interval
from training.evaluation.plots import GREY, plain, to_jpeg
from training.photos import Photo
from training.preprocess import decode_photo
from training.words import count_words

_CLASSES = 8
_PHOTOS = 6
_SIDE_PX = 160
_ROW_INCHES = 2.0
_MOST_CHARS = 22


def draw_worst(
    photos: Sequence[Photo], probabilities: Floats, truth: Indices, names: tuple[str, ...]
) -> bytes:
    """Draws wrongly answered photos of the worst classes, and returns a JPEG.

    A class is the worse the lower the upper end of its share's 95 % interval: none right of ten
    photos is worse than none of one.

    Args:
        photos: as many as there are answers, in their order.
        probabilities: calibrated, shape [N, classes].
        truth: true class of each photo, shape [N].
        names: of the classes.

    Raises:
        PhotoError: a photo cannot be decoded.
    """
    answers = probabilities.argmax(axis=1)
    worst = find_worst(answers, truth)[:_CLASSES]
    columns = _count_columns(answers, truth, worst)
    height = _ROW_INCHES * max(len(worst), 1) + 0.5
    figure = Figure(figsize=(max(1.55 * columns, 7), height))
    count = count_words(len(truth), "photo")
    figure.suptitle(
        f"The worst classes, and what their photos were taken for ({count} in all)",
        fontsize=11,
        y=1 - 0.12 / height,
    )
    if not worst:
        figure.text(0.5, 0.4, "every photo was answered right", ha="center", color=GREY)
        return to_jpeg(figure)
    grid = figure.subplots(len(worst), columns, squeeze=False)
    top, bottom = 1 - 0.6 / height, 0.2 / height
    figure.subplots_adjust(left=0.01, right=0.99, top=top, bottom=bottom, hspace=0.4, wspace=0.04)
    for row, index in zip(grid, worst, strict=True):
        mine = np.flatnonzero(truth == index)
        wrong = mine[answers[mine] != index]
        # The surest mistakes first: they are what a threshold cannot catch.
        wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
        for axes in row:
            axes.axis("off")
        for axes, place in zip(row, wrong.tolist(), strict=False):
            sure = 100 * probabilities[place].max()
            _draw_photo(axes, photos[place], f"{_shorten(names[answers[place]])} {sure:.0f} %")
        words = f"{names[index]}: {len(mine) - len(wrong)} of {len(mine)} right; taken for:"
        row[0].set_title(plain(words), loc="left", fontsize=10, fontweight="bold")
    return to_jpeg(figure)


def _count_columns(answers: Indices, truth: Indices, worst: list[int]) -> int:
    wrong = [int(((truth == index) & (answers != index)).sum()) for index in worst]
    return min(_PHOTOS, max(wrong, default=1))


def find_worst(answers: Indices, truth: Indices) -> list[int]:
    """Returns the classes that have wrong answers, the worst first.

    Args:
        answers: the likeliest class of each photo, shape [N].
        truth: true class of each photo, shape [N].
    """
    ranked: list[tuple[float, int, int]] = []
    for index in np.unique(truth).tolist():
        photos = int((truth == index).sum())
        hits = int((answers[truth == index] == index).sum())
        if hits < photos:
            ranked.append((wilson_interval(hits, photos)[1], -photos, index))
    return [index for _, _, index in sorted(ranked)]


def _draw_photo(axes: Axes, photo: Photo, words: str) -> None:
    image: Any = decode_photo(photo.read(), photo.name)
    image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    axes.imshow(np.asarray(image))
    axes.text(0.5, -0.03, plain(words), fontsize=7, ha="center", va="top", transform=axes.transAxes)


def _shorten(name: str) -> str:
    return name if len(name) <= _MOST_CHARS else f"{name[: _MOST_CHARS - 1]}…"
