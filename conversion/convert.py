"""From a checkpoint to a build: variants made, or taken from the cache, and described."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conversion.artifact import (
    BUILD_NAME,
    LABELS_NAME,
    Artifact,
    Build,
    check_model_name,
    check_version,
    to_json_text,
)
from conversion.artifact_cache import ArtifactCache, make_key
from conversion.calibration import Calibration, read_calibration
from conversion.errors import ConversionError
from conversion.request import Quantisation
from conversion.variants import VARIANTS, Variant
from conversion.workers import Order, run_workers
from training.checkpoint import Checkpoint, load_checkpoint
from training.config import DataSettings
from training.files import new_directory, write_atomic, write_sums

_CALIBRATION_NAME = ".calibration.npy"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What to convert, and under which name.

    Attributes:
        checkpoint: folder of the checkpoint.
        model: see `conversion.artifact.check_model_name`.
        version: see `conversion.artifact.check_version`.
        variants: which artifacts to make.
        quantisation: how those of fewer bits are made.
        data: the photos to calibrate with; None for the checkpoint's own source.
    """

    checkpoint: Path
    model: str
    version: str
    variants: tuple[Variant, ...] = VARIANTS
    quantisation: Quantisation = field(default_factory=Quantisation)
    data: DataSettings | None = None

    def __post_init__(self) -> None:
        check_model_name(self.model)
        check_version(self.version)
        if not self.variants:
            raise ConversionError("no variants are named: at least one is needed")


def convert(job: Job, out: Path, jobs: int, tell: Tell, cache: ArtifactCache | None) -> Build:
    """Makes a build at `out`; what stood there stays until the new one is whole.

    Args:
        job: what to convert.
        out: the build's folder.
        jobs: how many converters to run at a time, at least 1.
        tell: takes lines of progress.
        cache: where artifacts made earlier lie; None to make all anew.

    Raises:
        CheckpointError: the checkpoint is incomplete or was changed.
        ConversionError: a converter failed, or there are no photos to calibrate with.
        StorageError: the disk is full, or `out` cannot be written.
    """
    checkpoint = load_checkpoint(job.checkpoint)
    calibration = _calibrate(job, checkpoint, tell)
    with new_directory(out) as folder:
        made = _make_all(job, checkpoint, calibration, folder, jobs, tell, cache)
        # In the order of `VARIANTS`, so that the order of the options changes nothing.
        artifacts = tuple(made[variant] for variant in VARIANTS if variant in job.variants)
        build = _describe(job, checkpoint, calibration, artifacts)
        _check_same_checkpoint(job, checkpoint)
        write_atomic(folder / LABELS_NAME, checkpoint.labels.to_text())
        write_atomic(folder / BUILD_NAME, to_json_text(build.to_json()))
        write_sums(folder)
    return build


def _calibrate(job: Job, checkpoint: Checkpoint, tell: Tell) -> Calibration | None:
    if not any(variant.calibrated for variant in job.variants):
        return None
    data = job.data or checkpoint.settings.data
    count = job.quantisation.calibration_photos
    calibration = read_calibration(data, checkpoint.labels, checkpoint.preprocess, count)
    tell(f"calibration: {len(calibration.x_nhwc)} training photos of {calibration.source}")
    return calibration


def _make_all(
    job: Job,
    checkpoint: Checkpoint,
    calibration: Calibration | None,
    folder: Path,
    jobs: int,
    tell: Tell,
    cache: ArtifactCache | None,
) -> dict[Variant, Artifact]:
    calibrated_with = str(calibration.describe()["sha256"]) if calibration else ""
    keys = {
        variant: make_key(
            checkpoint.sha256, job.model, job.version, variant, job.quantisation, calibrated_with
        )
        for variant in job.variants
    }
    made: dict[Variant, Artifact] = {}
    for variant, key in keys.items():
        if cache is not None and (artifact := cache.take(key, folder)):
            made[variant] = artifact
            tell(f"{artifact.file_name}: taken from the cache")
    left = tuple(variant for variant in job.variants if variant not in made)
    if left:
        fresh = run_workers(_write_order(job, left, calibration, folder), jobs, tell)
        (folder / _CALIBRATION_NAME).unlink(missing_ok=True)
        for variant, artifact in fresh.items():
            if cache is not None:
                cache.put(keys[variant], artifact, folder)
        made |= fresh
    return made


def _write_order(
    job: Job, variants: tuple[Variant, ...], calibration: Calibration | None, folder: Path
) -> Order:
    path = folder / _CALIBRATION_NAME
    if calibration is not None:
        np.save(path, calibration.x_nhwc)
    return Order(
        str(job.checkpoint),
        job.model,
        job.version,
        str(folder),
        tuple(variant.key for variant in variants),
        job.quantisation.keep_float,
        job.quantisation.calibration_photos,
        job.quantisation.qat_steps,
        str(path) if calibration is not None else "",
    )


def _describe(
    job: Job,
    checkpoint: Checkpoint,
    calibration: Calibration | None,
    artifacts: tuple[Artifact, ...],
) -> Build:
    # The photos need not be at hand any more: name and licence stand in the checkpoint.
    photos: dict[str, Any] = checkpoint.metrics.get("source", {})
    return Build(
        model=job.model,
        version=job.version,
        architecture=checkpoint.architecture,
        checkpoint_sha256=checkpoint.sha256,
        labels=checkpoint.labels,
        preprocess=checkpoint.preprocess,
        mean=checkpoint.normalise.mean,
        std=checkpoint.normalise.std,
        hierarchy=checkpoint.hierarchy,
        metrics={key: checkpoint.metrics.get(key) for key in ("top1", "top5", "photos")},
        photos_source=photos.get("name", checkpoint.settings.data.source),
        photos_licence=photos.get("licence", "not stated"),
        calibration=calibration.describe() if calibration else {},
        artifacts=artifacts,
    )


def _check_same_checkpoint(job: Job, checkpoint: Checkpoint) -> None:
    """Refuses a build whose parts were made of different states of one folder."""
    if load_checkpoint(job.checkpoint).sha256 != checkpoint.sha256:
        raise ConversionError(f"{job.checkpoint} changed while it was converted: run again")
