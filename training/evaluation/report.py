"""What a finished run came to: figures, pictures, and the hashes of its training photos."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from training.answers import Answers
from training.config import Settings
from training.evaluation.evaluate import answer_unknown, truth_of
from training.evaluation.pictures import write_pictures
from training.evaluation.seen import check_run
from training.evaluation.summary import Classes, Predictions, summarise_fitted
from training.learning.photo_cache import DecodedPhotos, read_preprocessed
from training.photos import Source, group_by_kind
from training.preprocess import Preprocess


def report_run(
    settings: Settings,
    source: Source,
    training: DecodedPhotos,
    validation: DecodedPhotos,
    answer: Callable[[DecodedPhotos], Answers],
    out: Path,
) -> dict[str, Any]:
    """Measures a trained network on the validation photos, and draws its pictures.

    The check for leakage comes first. Temperature and thresholds are chosen on these same photos.

    Args:
        settings: of the run.
        source: of the run.
        training: the source's training photos, whole.
        validation: the source's validation photos, preprocessed.
        answer: from preprocessed photos to answers.
        out: the run's folder, which gets the pictures and the hashes of the training photos.

    Returns:
        The figures of `training.evaluation.summary.summarise`, and `leakage`.

    Raises:
        PhotoError: a photo cannot be decoded.
        StorageError: the disk is full.
    """
    workers = settings.train.workers
    leakage = check_run(source, training.pixels, out, workers)
    model = settings.model
    preprocess = Preprocess.for_input(model.input_px, model.crop_pct, model.resampler)
    decode = partial(read_preprocessed, preprocess=preprocess)
    unknown = answer_unknown(group_by_kind(source.unknown), decode, answer, workers)
    predictions = Predictions(answer(validation), truth_of(validation), unknown)
    classes = Classes(source.labels.names, source.hierarchy)
    figures = summarise_fitted(predictions, classes, settings.train.target_precision)
    name = f"{source.name}, split validation"
    write_pictures(out, predictions, classes, figures, source.validation, name)
    return {"leakage": leakage, **figures}
