"""Versions for the fleet: tiny recognisers that really run, two good ones and two bad ones."""

from pathlib import Path

import numpy as np

from conversion.artifact import artifact_name
from conversion.formats.tflite_metadata import append_labels
from conversion.variants import find_variant
from mobile_assets.bundle import open_bundle, write_bundle
from tests.mobile_assets.builds import (
    LABELS,
    MODEL,
    SIDE_PX,
    answer_all,
    describe,
    describe_build,
    score_all,
    write_build,
    write_parity,
)
from tests.mobile_assets.tiny_model import COLOURS, make_tflite

FIRST, SECOND, WRONG, CRASHING = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
# What the weights are multiplied by: each version answers otherwise.
_STRENGTHS = {FIRST: 0.02, SECOND: 0.03, WRONG: 0.05, CRASHING: 0.04}
_VARIANTS = [find_variant(key) for key in ("litert-fp32", "litert-int8")]


def make_bundles(folder: Path) -> dict[str, Path]:
    """Packs all versions.

    Of `WRONG` the int8 file takes each colour for another. `CRASHING` answers as expected; that
    apps crash on it is up to the phones.
    """
    return {
        version: write_bundle(_make_build(folder / version, version), folder / f"{version}.zip")
        for version in _STRENGTHS
    }


def list_files(bundle: Path) -> dict[str, str]:
    """Returns path -> SHA-256 of what a bundle holds, as its own manifest says."""
    manifest = open_bundle(bundle).manifest
    return {file.path: file.sha256 for file in manifest.files}


def _make_build(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    artifacts = []
    for variant in _VARIANTS:
        name = artifact_name(MODEL, version, variant)
        (folder / name).write_bytes(_make_file(version, variant.precision))
        artifacts.append(describe(folder, name, variant))
    write_build(folder, describe_build(version, tuple(artifacts)))
    right = (folder / artifacts[0].file_name).read_bytes()
    write_parity(folder, tuple(artifacts), answer_all(right), score_all(right))
    return folder


def _make_file(version: str, precision: str) -> bytes:
    strength = _STRENGTHS[version]
    if precision == "int8":
        # Other bytes, and answers that differ a little, as after quantisation; or altogether.
        strength *= -1 if version == WRONG else 1.001
    weights = np.array(list(COLOURS.values()), np.float32) / 255 * np.float32(strength)
    return append_labels(make_tflite(SIDE_PX, weights), LABELS)
