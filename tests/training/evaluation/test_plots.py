"""Pictures: every one is drawn of any figures, the same of the same, and none is left over."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.answers import Answers
from training.config import DataSettings
from training.evaluation.pictures import write_pictures
from training.evaluation.plots_confusion import draw_confusions
from training.evaluation.plots_photos import find_worst
from training.evaluation.summary import Classes, Predictions, summarise_fitted
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.sources.data import open_source

PHOTOS = open_source(DataSettings(train_per_class=1, validation_per_class=1)).validation[:3] * 8


def make_predictions(unknown: int, sharpness: float) -> Predictions:
    random = np.random.default_rng(1)
    truth = np.arange(24) % 3
    logits = random.normal(size=(24, 3))
    logits[np.arange(24), truth] += sharpness
    powers = np.exp(logits)
    rows = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    answers = Answers(rows, random.normal(size=24).astype(np.float32))
    return Predictions(answers, truth, {"clutter": answers[:unknown]})


HIERARCHY = Hierarchy(LabelSet(("fruit", "root")), (0, 1, 0))


@pytest.mark.parametrize(
    ("unknown", "sharpness", "hierarchy"),
    [(5, 1.0, HIERARCHY), (0, 50.0, None), (1, -50.0, HIERARCHY)],
    ids=["some right", "all right", "none right"],
)
def test_every_picture_is_drawn_whatever_the_figures(
    tmp_path: Path, unknown: int, sharpness: float, hierarchy: Hierarchy | None
) -> None:
    (tmp_path / "rejection.png").write_bytes(b"of an earlier run")
    predictions = make_predictions(unknown, sharpness)
    classes = Classes(
        ("apple", "a name as long as the shelf that it stands on", "りんご $\\price$"), hierarchy
    )
    figures = summarise_fitted(predictions, classes, 0.9)
    write_pictures(tmp_path, predictions, classes, figures, PHOTOS, "of $\\us$")
    names = {"confusion.png", "reliability.png", "risk_coverage.png", "worst_classes.jpg"}
    assert {path.name for path in tmp_path.iterdir()} == (
        names | ({"rejection.png"} if unknown else set())
    )
    for name in names:
        assert min(Image.open(tmp_path / name).size) > 200


def test_the_same_figures_give_the_same_bytes() -> None:
    figures = summarise_fitted(make_predictions(5, 1.0), Classes(("a", "b", "c")), 0.9)
    assert draw_confusions(figures) == draw_confusions(figures)


def draw_many(wrong: dict[tuple[int, int], int], hierarchy: Hierarchy | None) -> Image.Image:
    """Draws the confusions of 1,000 classes, ten photos each, some of them answered wrong."""
    names = tuple(f"class {index}" for index in range(1000))
    counts = np.diag(np.full(1000, 10))
    for place, photos in wrong.items():
        counts[place] = photos
    figures = {
        "per_class": [{"label": name} for name in names],
        "confusions": counts.tolist(),
        "top1": 0.9,
    }
    return Image.open(io.BytesIO(draw_confusions(figures, hierarchy)))


def test_of_many_classes_only_those_that_are_confused_are_shown() -> None:
    few = draw_many({(3, 900): 4}, None)
    many = draw_many({(index, index + 1): 4 for index in range(0, 990, 2)}, None)
    assert few.height < many.height < 1500
    coarse = Hierarchy.from_names([f"group {index // 10}" for index in range(1000)])
    # The coarse classes get a matrix of their own, below.
    assert draw_many({(3, 900): 4}, coarse).height > few.height + 300


def test_many_classes_without_a_confusion_are_drawn_too() -> None:
    assert min(draw_many({}, None).size) > 200


def test_the_worst_class_is_the_one_that_is_surely_bad() -> None:
    truth = np.array([0] * 10 + [1] + [2] * 4 + [3] * 2)
    answers = np.where(truth == 3, 3, 0)
    answers[:10] = 1
    answers[11:13] = 2
    # None of ten, none of one, two of four; class 3 is all right.
    assert find_worst(answers, truth) == [0, 1, 2]
