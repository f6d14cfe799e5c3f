"""One small network, converted once to all three formats and kept by the hash of what made it."""

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conversion.artifact import LABELS_NAME, Build, artifact_bytes, read_build
from conversion.convert import Job, convert
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.config import DataSettings, ModelSettings, Settings
from training.data import open_source
from training.files import sha256_bytes, write_sums
from training.ghostnet import GhostNet, create
from training.normalise import Normalise

ROOT = Path(__file__).parents[2]
ARCHITECTURE, SIDE_PX = "ghostnet_050", 64
# What decides the bytes of the converted files, besides the versions of the packages.
_SOURCES = (
    "training/ghostnet.py",
    "training/checkpoint.py",
    "training/synthetic*.py",
    "conversion/*.py",
    "tests/conversion/conftest.py",
)
_PACKAGES = ("torch", "executorch", "litert-torch", "litert-converter", "coremltools")
DATA = DataSettings(source="synthetic", seed=7, train_per_class=1, validation_per_class=4)


def random_network(classes: int, seed: int) -> GhostNet:
    """A network that nobody trained, but whose answers differ from photo to photo.

    Untrained BN would be the identity, and near-uniform probabilities would hide differences:
    so BN gets random weights and the statistics of random inputs, and the logits are spread.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = create(ARCHITECTURE, classes).train()
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
            norm.weight.uniform_(0.7, 1.3, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
        # Smooth pictures: white noise would average out to the same features everywhere.
        coarse = torch.randn(32, 3, 4, 4, generator=generator)
        model(torch.nn.functional.interpolate(coarse, size=SIDE_PX, mode="bilinear"))
        model.classifier.weight.mul_(30)
    return model.eval()


def write_checkpoint(directory: Path, seed: int) -> Checkpoint:
    """Writes and loads a checkpoint of `random_network` with the classes of the synthetic set."""
    labels = open_source(DATA).labels
    settings = Settings(data=DATA, model=ModelSettings(ARCHITECTURE, SIDE_PX))
    weights = random_network(len(labels), seed).state_dict()
    metrics = {"photos": 48, "top1": 0.1, "top5": 0.4, "thresholds": {"sure": {}}}
    directory.mkdir(parents=True)
    save_checkpoint(directory, settings, weights, labels, Normalise(), metrics, "a test's\n")
    return load_checkpoint(directory)


@pytest.fixture(scope="session")
def cached() -> Path:
    """The folder of the converted network; `checkpoint/` and `build/` lie in it."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    for package in _PACKAGES:
        digest.update(importlib.metadata.version(package).encode())
    folder = ROOT / ".cache" / "tests" / f"conversion-{digest.hexdigest()[:16]}"
    if not (folder / "build").exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_checkpoint(folder / "checkpoint", seed=1)
        convert(Job(folder / "checkpoint", "produce", "1.2.3"), folder / "build", 2, print)
    return folder


@pytest.fixture(scope="session")
def checkpoint(cached: Path) -> Checkpoint:
    return load_checkpoint(cached / "checkpoint")


@pytest.fixture(scope="session")
def build_folder(cached: Path) -> Path:
    """The build, which tests must not change: see `copy_of_build`."""
    return cached / "build"


@pytest.fixture(scope="session")
def build(build_folder: Path) -> Build:
    return read_build(build_folder)


@pytest.fixture(scope="session")
def paths(build_folder: Path, build: Build) -> dict[str, Path]:
    """Runtime -> its artifact."""
    return {entry.runtime: build_folder / entry.file_name for entry in build.artifacts}


@pytest.fixture(scope="session")
def photos(checkpoint: Checkpoint) -> np.ndarray:
    """Preprocessed photos, uint8 [12, side, side, 3], one of each class."""
    validation = open_source(DATA).validation
    chosen = validation[:: DATA.validation_per_class]
    return np.stack([checkpoint.preprocess.read(photo.read()) for photo in chosen])


@pytest.fixture
def copy_of_build(build_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "build"
    shutil.copytree(build_folder, copy)
    return copy


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Puts a changed build in order, as a faulty converter would have written it."""
    return _rewrite


def _rewrite(folder: Path, **changes: object) -> None:
    value = json.loads((folder / "build.json").read_text()) | changes
    for entry in value["artifacts"]:
        data = artifact_bytes(folder / entry["file_name"])
        entry |= {"sha256": sha256_bytes(data), "size_bytes": len(data)}
    (folder / "build.json").write_text(json.dumps(value))
    assert (folder / LABELS_NAME).exists()
    write_sums(folder)
