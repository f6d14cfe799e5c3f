"""Cross-check: does the same `.tflite` mean the same to TensorFlow's own interpreter?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from conversion.answers import PixelsNhwc, Replies, Tell, without_folder
from conversion.artifact import Artifact, Build
from conversion.errors import ArtifactError
from conversion.parity.statistics import CrossCheck
from conversion.spread import spread_places
from conversion.tensorflow_runner import TensorFlowRunner
from training.answers import Answers
from training.checkpoint import Checkpoint

MAX_PHOTOS = 64
# Smallest agreement, largest difference of one probability. Measured on 64 photos: up to 3e-6
# for float weights, where only the order of sums differs, so that one photo may lie on the edge
# between two classes; for int8, where kernels round differently layer by layer, up to 0.2 with
# 3 of 64 answers changed, of a network that is unsure of most photos. A file that one of the two
# misreads agrees by chance only.
_FLOAT_LIMITS = (0.98, 1e-3)
_INT8_LIMITS = (0.85, 0.6)


def cross_check(
    directory: Path, build: Build, checkpoint: Checkpoint, answers: Replies, tell: Tell
) -> dict[str, CrossCheck]:
    """Runs every `.tflite` that answered in TensorFlow as well, on up to `MAX_PHOTOS` photos.

    Args:
        directory: the build's folder.
        build: what lies there.
        checkpoint: gives the preprocessing.
        answers: what the artifacts answered in their own runtime.
        tell: takes lines of progress.

    Returns:
        Artifact file name -> what came out.

    Raises:
        RuntimeMissingError: TensorFlow is not installed.
        PhotoError: a photo can no longer be read.
    """
    chosen = list(_litert(build, answers))
    if not chosen:
        return {}
    rows = spread_places(len(answers.photos), MAX_PHOTOS)
    photos = [answers.photos[row] for row in rows]
    x_nhwc = np.stack([checkpoint.preprocess.read(photo.read(), photo.name) for photo in photos])
    checks = {}
    for artifact in chosen:
        own = answers.artifacts[artifact.file_name][rows]
        checks[artifact.file_name] = _check(directory, artifact, x_nhwc, own)
        tell(f"parity: {artifact.file_name} in {TensorFlowRunner.evaluator} as well")
    return checks


def _litert(build: Build, answers: Replies) -> Iterator[Artifact]:
    for artifact in build.artifacts:
        if artifact.runtime == "litert" and artifact.file_name in answers.artifacts:
            yield artifact


def _check(directory: Path, artifact: Artifact, x_nhwc: PixelsNhwc, own: Answers) -> CrossCheck:
    limits = _FLOAT_LIMITS if artifact.precision in ("fp32", "fp16") else _INT8_LIMITS
    try:
        other = TensorFlowRunner(directory / artifact.file_name).answer(x_nhwc)
    except ArtifactError as error:
        words = without_folder(error, directory)
        return CrossCheck(TensorFlowRunner.evaluator, 0, 0.0, 0.0, *limits, failure=words)
    rows, own_rows = other.probabilities, own.probabilities
    same = rows.argmax(axis=1) == own_rows.argmax(axis=1)
    return CrossCheck(
        TensorFlowRunner.evaluator,
        len(x_nhwc),
        float(same.mean()),
        float(np.abs(rows - own_rows).max()),
        *limits,
    )
