"""Judging a checkpoint: leakage first, then answers, figures, and pictures."""

from pathlib import Path
from typing import Any

from training.checkpoint import Checkpoint
from training.errors import DataError
from training.evaluation.confidence import Confidence
from training.evaluation.describe import (
    describe_caveats,
    describe_figures,
    describe_leakage,
    describe_share,
)
from training.evaluation.evaluate import evaluate
from training.evaluation.judged import Judged
from training.evaluation.leakage import LIMIT_BITS, Leakage
from training.evaluation.metrics import count_confusions
from training.evaluation.pictures import write_pictures
from training.evaluation.seen import check_judged
from training.evaluation.summary import Classes, Predictions, summarise, summarise_fitted
from training.words import count_words


def judge_checkpoint(
    checkpoint: Checkpoint,
    judged: Judged,
    workers: int,
    pictures: Path | None = None,
    leakage: tuple[Leakage | None, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Measures a checkpoint on photos, with the temperature and thresholds that it holds.

    Args:
        checkpoint: the model.
        judged: the photos.
        workers: processes to decode with.
        pictures: a folder to draw into, if any.
        leakage: what `check_leakage` found; it is looked for when not given.

    Returns:
        The figures of `training.evaluation.summary.summarise`; `source`, the checkpoint's `sha256`,
        `leakage`, and, where some photos were seen in training and others not,
        `without_seen`: the same figures on the others alone.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: a picture cannot be written.
    """
    found, entry = leakage or check_leakage(checkpoint, judged, workers)
    predictions = evaluate(checkpoint, judged, workers)
    classes = Classes(checkpoint.labels.names, checkpoint.hierarchy)
    figures = _summarise(checkpoint, predictions, classes)
    if found is not None and found.seen.any() and not found.seen.all():
        rest = _summarise(checkpoint, predictions.take(~found.seen), classes)
        figures["without_seen"] = rest
    if pictures is not None:
        write_pictures(pictures, predictions, classes, figures, judged.photos, judged.name)
    return {
        "source": judged.name,
        "checkpoint_sha256": checkpoint.sha256,
        "notes": list(judged.notes),
        "leakage": entry,
        **figures,
    }


def check_leakage(
    checkpoint: Checkpoint,
    judged: Judged,
    workers: int,
    limit_bits: int = LIMIT_BITS,
    strict: bool = False,
) -> tuple[Leakage | None, dict[str, Any]]:
    """Looks for photos that the checkpoint has seen in training; see `training.evaluation.seen`.

    Args:
        checkpoint: the model.
        judged: the photos.
        workers: threads to decode with.
        limit_bits: the largest distance that counts as the same.
        strict: refuse where a photo was seen, or where nothing can be compared.

    Raises:
        DataError: `strict`, and the check did not come out clean.
        PhotoError: a photo cannot be decoded.
    """
    data = checkpoint.settings.data
    found, entry = check_judged(judged.photos, checkpoint.directory, data, workers, limit_bits)
    if strict and (found is None or found.seen.any()):
        raise DataError("\n".join(("no figures are given", *describe_leakage(entry))))
    return found, entry


def describe_judgement(figures: dict[str, Any]) -> list[str]:
    """Returns the figures of `judge_checkpoint` in words; the check for leakage is not repeated."""
    lines = describe_figures(figures)
    if "without_seen" in figures:
        rest = figures["without_seen"]
        lines.append(
            f"without photos seen in training: top-1 {describe_share(rest, 'top1')}, top-5 "
            f"{describe_share(rest, 'top5')} of {count_words(rest['photos'], 'photo')}"
        )
    elif figures["leakage"].get("seen_in_training"):
        lines.append("every photo was seen in training: this says nothing about new photos")
    return [*lines, *describe_caveats(figures)]


def _summarise(
    checkpoint: Checkpoint, predictions: Predictions, classes: Classes
) -> dict[str, Any]:
    held = checkpoint.metrics.get("confidence")
    if held is None:
        target = checkpoint.settings.train.target_precision
        return summarise_fitted(predictions, classes, target)
    # A run's metrics hold the confusions of the photos that it chose its thresholds on.
    answers = predictions.answers.probabilities.argmax(axis=1)
    confusions = count_confusions(answers, predictions.truth, len(classes.names))
    fitted_here = confusions.tolist() == checkpoint.metrics.get("confusions")
    return summarise(predictions, classes, Confidence.from_json(held), fitted_here)
