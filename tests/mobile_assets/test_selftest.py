from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conversion.formats.tflite_metadata import append_labels
from mobile_assets.bundle import Bundle, open_bundle
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.selftest import run_golden
from tests.mobile_assets.builds import LABELS, SIDE_PX, make_photo
from tests.mobile_assets.tiny_model import COLOURS, make_tflite
from training.labels import LabelSet
from training.preprocess import Preprocess

WEIGHTS = np.array(list(COLOURS.values()), np.float32) / 255 * np.float32(0.02)


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    return open_bundle(bundle_path)


@pytest.fixture
def manifest(bundle: Bundle) -> Manifest:
    return bundle.manifest


@pytest.fixture
def artifact(manifest: Manifest) -> BundledArtifact:
    return manifest.artifacts_for("python")[0]


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    for file in bundle.manifest.files:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bundle.read(file.path))
    return tmp_path


def test_the_artifact_that_was_bundled_passes(
    manifest: Manifest, folder: Path, artifact: BundledArtifact
) -> None:
    report = run_golden(manifest, folder, artifact)
    assert report.passed and report.executed and not report.reasons()
    assert [photo.answered for photo in report.photos] == list(COLOURS)
    assert "3 golden photos answered as expected (LiteRT runtime" in report.describe()


@pytest.mark.parametrize(
    "damaged",
    [
        make_tflite(SIDE_PX, WEIGHTS[:, ::-1].copy()),  # channels in the order BGR
        make_tflite(SIDE_PX, WEIGHTS * np.float32(0.8)),  # scaled wrongly: the same top-1
        append_labels(make_tflite(SIDE_PX, WEIGHTS), LabelSet(LABELS.names[::-1])),
        make_tflite(SIDE_PX, WEIGHTS)[:400],
        make_tflite(SIDE_PX, np.vstack([WEIGHTS, WEIGHTS[:1]])),
        make_tflite(SIDE_PX, WEIGHTS * np.float32("nan")),
        make_tflite(64, WEIGHTS),
        b"",
    ],
    ids=["bgr", "scale", "labels", "truncated", "classes", "nan", "side", "empty"],
)
def test_an_artifact_that_answers_otherwise_fails(
    manifest: Manifest, folder: Path, artifact: BundledArtifact, damaged: bytes
) -> None:
    (folder / artifact.path).write_bytes(damaged)
    report = run_golden(manifest, folder, artifact)
    assert report.executed and not report.passed
    assert report.reasons() and "FAILED" in report.describe()


def test_another_known_score_fails(
    manifest: Manifest, folder: Path, artifact: BundledArtifact
) -> None:
    first = manifest.golden[0]
    scores = {path: score + 0.2 for path, score in first.known_scores.items()}
    moved = replace(manifest, golden=(replace(first, known_scores=scores), *manifest.golden[1:]))
    (reason,) = run_golden(moved, folder, artifact).reasons()
    assert "the known score by 0.2, allowed is 0.1" in reason


def test_decoding_and_cropping_are_tested_too(
    manifest: Manifest, folder: Path, artifact: BundledArtifact
) -> None:
    """The frame of the golden photos is darker: a wider crop changes the answers."""
    wider = replace(manifest, preprocess=Preprocess.for_input(SIDE_PX, crop_pct=1.0))
    assert not run_golden(wider, folder, artifact).passed


def test_a_swapped_and_a_broken_photo_fail(
    manifest: Manifest, folder: Path, artifact: BundledArtifact
) -> None:
    path = folder / manifest.golden[0].file
    path.write_bytes(make_photo(COLOURS["blue"]))
    (reason,) = run_golden(manifest, folder, artifact).reasons()
    assert "is 'blue', expected 'red'" in reason
    path.write_bytes(b"no photo")
    (reason,) = run_golden(manifest, folder, artifact).reasons()
    assert "golden/00-red.jpg: not a" in reason


def test_an_artifact_without_expected_answers_is_not_executed(
    manifest: Manifest, folder: Path, artifact: BundledArtifact
) -> None:
    other = replace(artifact, file=replace(artifact.file, path="artifacts/other.tflite"))
    report = run_golden(manifest, folder, other)
    assert not report.executed and not report.passed
    assert "not executed here: the bundle holds no expected answers" in report.describe()
