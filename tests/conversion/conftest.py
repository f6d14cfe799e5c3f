"""One small network, converted once to all three formats and kept by the hash of what made it."""

import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from conversion.artifact import Build, read_build
from conversion.convert import Job, convert
from tests.conftest import CACHE, hash_sources
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.data import open_source
from training.ghostnet import GhostNet, create

# What decides the bytes of the converted files, besides our own sources.
_PACKAGES = ("torch", "executorch", "litert-torch", "litert-converter", "coremltools")


def random_network(classes: int, seed: int) -> GhostNet:
    """A network that nobody trained, but whose answers differ from photo to photo.

    Untrained BN would be the identity, and near-uniform probabilities would hide differences:
    so BN gets random weights and the statistics of random inputs, and the logits are spread.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = create("ghostnet_050", classes).train()
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
            norm.weight.uniform_(0.7, 1.3, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
        # Smooth pictures: white noise would average out to the same features everywhere.
        coarse = torch.randn(32, 3, 4, 4, generator=generator)
        model(torch.nn.functional.interpolate(coarse, size=64, mode="bilinear"))
        model.classifier.weight.mul_(30)
    return model.eval()


def write_checkpoint(directory: Path, like: Checkpoint, network: GhostNet) -> Checkpoint:
    """Writes and loads a checkpoint of a network, under the settings of another one."""
    directory.mkdir(parents=True)
    weights, metrics = network.state_dict(), {"thresholds": {"sure": {}}}
    save_checkpoint(
        directory, like.settings, weights, like.labels, like.normalise, metrics, "a test's"
    )
    return load_checkpoint(directory)


@pytest.fixture(scope="session")
def checkpoint(trained_checkpoint: Path) -> Checkpoint:
    return load_checkpoint(trained_checkpoint)


@pytest.fixture(scope="session")
def other_checkpoint(
    checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    """Other weights under the same settings and labels."""
    folder = tmp_path_factory.mktemp("other") / "checkpoint"
    return write_checkpoint(folder, checkpoint, random_network(len(checkpoint.labels), seed=2))


@pytest.fixture(scope="session")
def build_folder(checkpoint: Checkpoint) -> Path:
    """The build, which tests must not change: see `copy_of_build`."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    sources = hash_sources("conversion", extra=(checkpoint.sha256, *versions))
    folder = CACHE / f"conversion-{sources}"
    if not folder.exists():
        convert(Job(checkpoint.directory, "produce", "1.2.3"), folder, 2, print)
    return folder


@pytest.fixture(scope="session")
def build(build_folder: Path) -> Build:
    return read_build(build_folder)


@pytest.fixture(scope="session")
def paths(build_folder: Path, build: Build) -> dict[str, Path]:
    """Runtime -> its artifact."""
    return {entry.runtime: build_folder / entry.file_name for entry in build.artifacts}


@pytest.fixture(scope="session")
def photos(checkpoint: Checkpoint) -> np.ndarray:
    """Preprocessed photos, uint8 [N, side, side, 3], one of each class."""
    data = checkpoint.settings.data
    chosen = open_source(data).validation[:: data.validation_per_class]
    return np.stack([checkpoint.preprocess.read(photo.read()) for photo in chosen])


@pytest.fixture
def copy_of_build(build_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "build"
    shutil.copytree(build_folder, copy)
    return copy
