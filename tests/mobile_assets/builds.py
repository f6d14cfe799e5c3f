"""A build folder as conversion leaves it, small and made in a moment.

The LiteRT file is real and runs; the `.pte` and the `.mlpackage` are only bytes, which this room
packs and ships but never runs.
"""

import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from conversion.artifact import (
    Artifact,
    Build,
    GoldenPhoto,
    artifact_bytes,
    artifact_name,
    read_build,
    read_parity,
    to_json_text,
)
from conversion.formats.tflite_metadata import append_labels
from conversion.parity.confidences import CONFIDENCE_FOLDER, ArtifactConfidence, write_confidence
from conversion.parity.distributions import write_distribution
from conversion.parity.report import ParityReport
from conversion.runners import LiteRtRunner
from conversion.variants import Variant, find_variant
from tests.mobile_assets.tiny_model import COLOURS, make_tflite
from training.evaluation.confidence import Confidence, Known, Share, Threshold
from training.evaluation.distribution import Distribution
from training.files import sha256_bytes, write_atomic, write_sums
from training.labels import LabelSet
from training.preprocess import Preprocess

MODEL = "colours"
SIDE_PX = 32
LABELS = LabelSet(tuple(COLOURS))
PREPROCESS = Preprocess.for_input(SIDE_PX)
CHECKPOINT_SHA256 = sha256_bytes(b"checkpoint")
LITERT = artifact_name(MODEL, "1.0.0", find_variant("litert-fp32"))
EXECUTORCH = artifact_name(MODEL, "1.0.0", find_variant("executorch-fp32"))
COREML = artifact_name(MODEL, "1.0.0", find_variant("coreml-fp16"))


def make_photo(colour: tuple[int, int, int], width: int = 60, height: int = 44) -> bytes:
    """A JPEG of one colour with a darker frame, so that crop and resize matter."""
    image = Image.new("RGB", (width, height), tuple(value // 3 for value in colour))
    image.paste(colour, (width // 5, height // 5, width * 4 // 5, height * 4 // 5))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def score(tflite: bytes, photo: bytes) -> float:
    """The known score that the LiteRT file gives of a photo."""
    return float(LiteRtRunner(tflite).answer(PREPROCESS.read(photo)[None]).known_scores[0])


def answer(tflite: bytes, photo: bytes) -> list[float]:
    """What the LiteRT file says of a photo, in its own runtime."""
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    pixels = PREPROCESS.read(photo)[None].astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return [float(value) for value in given[0]]


def make_build(folder: Path, version: str = "1.0.0", strength: float = 0.02) -> Path:
    """Writes a whole build with passing parity; `strength` makes versions answer differently."""
    folder.mkdir(parents=True)
    weights = np.array(list(COLOURS.values()), np.float32) / 255 * np.float32(strength)
    tflite = append_labels(make_tflite(SIDE_PX, weights), LABELS)
    variants = [find_variant(key) for key in ("litert-fp32", "executorch-fp32", "coreml-fp16")]
    names = {variant.runtime: artifact_name(MODEL, version, variant) for variant in variants}
    (folder / names["litert"]).write_bytes(tflite)
    (folder / names["executorch"]).write_bytes(b"pte" * 100 + version.encode())
    weights_folder = folder / names["coreml"] / "Data" / "com.apple.CoreML" / "weights"
    weights_folder.mkdir(parents=True)
    (weights_folder / "weight.bin").write_bytes(bytes(range(256)))
    (folder / names["coreml"] / "Manifest.json").write_text('{"fileFormatVersion": "1.0.0"}')
    artifacts = tuple(describe(folder, names[entry.runtime], entry) for entry in variants)
    write_build(folder, describe_build(version, artifacts))
    write_parity(folder, artifacts, answer_all(tflite), score_all(tflite))
    return folder


def add_variants(folder: Path, *keys: str, **changes: object) -> dict[str, str]:
    """Adds artifacts to a build, with passing reports but for `changes`; returns key -> name.

    Those that no machine here runs have no golden answers, as parity leaves them.
    """
    build = read_build(folder)
    tflite = (folder / LITERT).read_bytes()
    added = []
    for key in keys:
        name = artifact_name(MODEL, build.version, find_variant(key))
        data = tflite if name.endswith(".tflite") else key.encode() * 50
        if name.endswith(".mlpackage"):
            (folder / name).mkdir()
            (folder / name / "Manifest.json").write_bytes(data)
        else:
            (folder / name).write_bytes(data)
        added.append(describe(folder, name, find_variant(key)))
    artifacts = (*build.artifacts, *added)
    write_build(folder, replace(build, artifacts=artifacts))
    executed = tuple(artifact for artifact in artifacts if artifact.variant.executed_here)
    before = read_parity(folder).values()
    write_parity(folder, executed, answer_all(tflite), score_all(tflite))
    for report in before:
        write_report(folder, report)
    for artifact in added:
        delegate = {} if artifact.variant.executed_here else {"executed": False, "photos": 0}
        change_report(folder, artifact, **{**delegate, **changes})
    return {artifact.variant.key: artifact.file_name for artifact in added}


def answer_all(tflite: bytes) -> dict[str, list[float]]:
    return {label: answer(tflite, make_photo(colour)) for label, colour in COLOURS.items()}


def score_all(tflite: bytes) -> dict[str, float]:
    return {label: score(tflite, make_photo(colour)) for label, colour in COLOURS.items()}


def write_build(folder: Path, build: Build) -> None:
    (folder / "build.json").write_text(to_json_text(build.to_json()))
    (folder / "labels.txt").write_text(build.labels.to_text())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    write_sums(folder, [name for name in names if not name.startswith("parity/")])


def write_parity(
    folder: Path,
    artifacts: tuple[Artifact, ...],
    answers: dict[str, list[float]],
    scores: dict[str, float],
) -> None:
    parity = folder / "parity"
    (parity / "golden").mkdir(parents=True, exist_ok=True)
    golden = []
    for index, (label, colour) in enumerate(COLOURS.items()):
        photo = make_photo(colour)
        file = f"golden/{index:02}-{label}.jpg"
        (parity / file).write_bytes(photo)
        expected = {artifact.file_name: answers[label] for artifact in artifacts}
        known = {artifact.file_name: scores[label] for artifact in artifacts}
        name, digest = f"val/{label}/1.jpg", sha256_bytes(photo)
        golden.append(GoldenPhoto(file, name, label, digest, expected, known))
    (parity / "golden.json").write_text(to_json_text([asdict(photo) for photo in golden]))
    for artifact in artifacts:
        write_report(folder, make_report(artifact))
    (parity / "report.md").write_text("# Parity\n")
    write_sums(parity)


def add_distribution(folder: Path, file_name: str, found: Distribution) -> Path:
    """Adds to a build how one artifact's answers are distributed, as parity leaves it."""
    write_distribution(folder / "parity", file_name, found)
    write_sums(folder / "parity")
    return folder


def make_report(artifact: Artifact) -> ParityReport:
    return ParityReport(
        artifact=artifact.file_name,
        artifact_sha256=artifact.sha256,
        checkpoint_sha256=CHECKPOINT_SHA256,
        evaluator="LiteRT runtime",
        photos=200,
        reference_top1=0.95,
        artifact_top1=0.95,
        loss_low=0.0,
        loss_high=0.0,
        loss_margin=0.005,
        min_accuracy_share=0.98,
        min_photos=100,
        agreement=1.0,
        max_probability_difference=1e-6,
        mean_probability_difference=1e-7,
        max_known_score_difference=1e-6,
        same_known=1.0,
        min_agreement=0.995,
        max_difference_allowed=None,
        max_known_score_difference_allowed=None,
        labels_match=True,
        tool_versions={"ai-edge-litert": "2.3.0"},
        source="colours",
    )


def write_report(folder: Path, report: ParityReport) -> None:
    parity = folder / "parity"
    write_atomic(parity / f"{report.artifact}.json", to_json_text(report.to_json()))
    if not (parity / CONFIDENCE_FOLDER / f"{report.artifact}.json").exists():
        write_confidence(parity, report.artifact, make_confidence())
    write_sums(parity)


def make_confidence(
    sure: float | None = 0.6,
    coarse: float | None = None,
    min_score: float | None = None,
    temperature: float = 1.0,
) -> ArtifactConfidence:
    """Thresholds as parity leaves them; without `coarse` for a model without coarse classes."""
    share = Share.of(180, 200)
    reached = {
        "precision": 0.95,
        "precision_interval_95": (0.9, 0.99),
        "coverage": share.value,
        "coverage_interval_95": share.interval_95,
        "photos": 200,
        "target_precision": 0.95,
    }
    known = Known(
        kept=share,
        rejected={"clutter": share},
        named={"clutter": Share.of(0, 200)},
        precision=None,
        precision_interval_95=(0.0, 1.0),
        score="max_probability",
        min_score=min_score,
        target_precision=0.95,
    )
    return ArtifactConfidence(
        "artifact",
        Confidence(
            temperature,
            Threshold(min_probability=sure, **reached),  # type: ignore[arg-type]
            None if coarse is None else Threshold(min_probability=coarse, **reached),  # type: ignore[arg-type]
            known,
        ),
    )


def change_report(folder: Path, artifact: Artifact, **changes: object) -> None:
    """Rewrites one parity report with other figures, hashes included."""
    write_report(folder, replace(make_report(artifact), **changes))  # type: ignore[arg-type]


def describe(folder: Path, name: str, variant: Variant) -> Artifact:
    data = artifact_bytes(folder / name)
    return Artifact(
        file_name=name,
        **vars(variant),
        sha256=sha256_bytes(data),
        size_bytes=len(data),
        input={"name": "image", "layout": "nhwc", "dtype": "float32", "range": [0, 255]},
        outputs=(
            {"name": "probabilities", "dtype": "float32", "shape": [1, len(LABELS)]},
            {"name": "known_score", "dtype": "float32", "shape": [1, 1]},
        ),
        tool_versions={"made-by": "hand"},
    )


def describe_build(version: str, artifacts: tuple[Artifact, ...]) -> Build:
    return Build(
        model=MODEL,
        version=version,
        architecture="ghostnet_050",
        checkpoint_sha256=CHECKPOINT_SHA256,
        labels=LABELS,
        preprocess=PREPROCESS,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        hierarchy=None,
        metrics={"top1": 0.95, "top5": 1.0, "photos": 200},
        photos_source="colours",
        photos_licence="made for the tests, CC0",
        calibration={},
        artifacts=artifacts,
    )
