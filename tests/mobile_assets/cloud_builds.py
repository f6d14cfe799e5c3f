"""The build of a cloud model: the colours again, of a wider network at a higher resolution."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from conversion.artifact import artifact_name, read_build
from conversion.formats.tflite_metadata import append_labels
from conversion.runners import LiteRtRunner
from conversion.variants import find_variant
from tests.mobile_assets.builds import (
    COLOURS,
    LABELS,
    MODEL,
    change_report,
    describe,
    describe_build,
    make_photo,
    write_build,
    write_parity,
)
from tests.mobile_assets.tiny_model import make_tflite
from training.answers import Answers
from training.files import sha256_bytes
from training.labels import LabelSet
from training.preprocess import Preprocess

CLOUD_MODEL = f"{MODEL}-cloud"
CLOUD_SIDE_PX = 64
CLOUD_PREPROCESS = Preprocess.for_input(CLOUD_SIDE_PX)
CLOUD_CHECKPOINT_SHA256 = sha256_bytes(b"cloud checkpoint")
CLOUD_LITERT = artifact_name(CLOUD_MODEL, "1.0.0", find_variant("litert-fp32"))


def make_cloud_tflite(strength: float = 0.04, labels: LabelSet = LABELS) -> bytes:
    """A LiteRT file that answers more surely than the device's, which has a strength of 0.02."""
    weights = np.array(list(COLOURS.values()), np.float32) / 255 * np.float32(strength)
    return append_labels(make_tflite(CLOUD_SIDE_PX, weights), labels)


def answer_cloud(tflite: bytes, photo: bytes) -> list[float]:
    """What a cloud model's file says of a photo."""
    return [float(value) for value in _ask(tflite, photo).probabilities[0]]


def _ask(tflite: bytes, photo: bytes) -> Answers:
    return LiteRtRunner(tflite).answer(CLOUD_PREPROCESS.read(photo)[None])


def make_cloud_build(folder: Path, tflite: bytes | None = None, **changes: object) -> Path:
    """Writes a whole cloud build with passing parity; `changes` are of its `Build`."""
    folder.mkdir(parents=True)
    tflite = make_cloud_tflite() if tflite is None else tflite
    (folder / CLOUD_LITERT).write_bytes(tflite)
    artifact = describe(folder, CLOUD_LITERT, find_variant("litert-fp32"))
    own = {
        "model": CLOUD_MODEL,
        "architecture": "ghostnet_100",
        "checkpoint_sha256": CLOUD_CHECKPOINT_SHA256,
        "preprocess": CLOUD_PREPROCESS,
        "metrics": {"top1": 0.98, "top5": 1.0, "photos": 200},
    }
    write_build(folder, replace(describe_build("1.0.0", (artifact,)), **own | changes))  # type: ignore[arg-type]
    photos = {label: make_photo(colour) for label, colour in COLOURS.items()}
    answers = {label: answer_cloud(tflite, photo) for label, photo in photos.items()}
    scores = {label: float(_ask(tflite, photo).known_scores[0]) for label, photo in photos.items()}
    write_parity(folder, (artifact,), answers, scores)
    change_report(folder, artifact, checkpoint_sha256=CLOUD_CHECKPOINT_SHA256)
    return folder


def change_cloud_report(folder: Path, **changes: object) -> None:
    """Rewrites the parity report of a cloud build with other figures, hashes included."""
    (artifact,) = read_build(folder).artifacts
    changes = {"checkpoint_sha256": CLOUD_CHECKPOINT_SHA256, **changes}
    change_report(folder, artifact, **changes)
