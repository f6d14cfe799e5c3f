"""All pictures of what a network came to on labelled photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.evaluation.confidence import Confidence
from training.evaluation.plots_confidence import (
    draw_rejection,
    draw_reliability,
    draw_risk_coverage,
)
from training.evaluation.plots_confusion import draw_confusions
from training.evaluation.plots_photos import draw_worst
from training.evaluation.summary import Classes, Predictions
from training.evaluation.temperature import calibrate
from training.files import write_atomic
from training.photos import Photo
from training.words import count_words


def write_pictures(
    directory: Path,
    predictions: Predictions,
    classes: Classes,
    figures: dict[str, Any],
    photos: Sequence[Photo],
    name: str,
) -> None:
    """Draws every picture into a folder.

    Args:
        directory: made where it is missing.
        predictions: what the network answered.
        classes: of the network.
        figures: what `training.evaluation.summary.summarise` made of the predictions.
        photos: of the known things, in the predictions' order.
        name: where the photos come from, for titles.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: the disk is full, or the folder cannot be written.
    """
    confidence = Confidence.from_json(figures["confidence"])
    known, truth = predictions.answers, predictions.truth
    words = f"{count_words(len(truth), 'photo')}, {name}"
    verdicts = figures["selective"]["verdicts"]
    hierarchy = classes.hierarchy
    calibrated = calibrate(known.probabilities, confidence.temperature)
    drawn = {
        "confusion.png": draw_confusions(figures, hierarchy),
        "reliability.png": draw_reliability(figures["calibration"], words),
        "risk_coverage.png": draw_risk_coverage(
            known.probabilities, truth, confidence, hierarchy, verdicts, words
        ),
        "worst_classes.jpg": draw_worst(photos, calibrated, truth, classes.names),
    }
    if figures["unknown"]:
        drawn["rejection.png"] = draw_rejection(
            known, predictions.unknown, confidence, figures["unknown"], words
        )
    else:
        (directory / "rejection.png").unlink(missing_ok=True)  # an earlier run's
    for file_name, picture in drawn.items():
        write_atomic(directory / file_name, picture)
