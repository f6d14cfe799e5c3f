"""One small network, converted once to all three formats and kept by the hash of what made it."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from conversion.artifact import Build, read_build
from conversion.convert import Job, convert
from conversion.converters import CONVERTERS
from conversion.request import Quantisation
from tests.conftest import CACHE, ROOT, hash_sources, one_at_a_time
from tests.conversion.mil.packages import (
    centre_answers,
    hash_of_packages,
    make_network,
    write_packages,
)
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.feature_density import FeatureDensity, fit_feature_density
from training.networks.catalogue import create
from training.networks.ghostnet import GhostNet
from training.sources.data import open_source

# Few photos: they are small, and the fixture's network knows only these classes.
QUANTISATION = Quantisation(calibration_photos=32)


def random_network(classes: int, seed: int) -> GhostNet:
    """A network that nobody trained, but whose answers differ from photo to photo."""
    torch.manual_seed(seed)
    return spread_answers(create("ghostnet_050", classes), seed)


def spread_answers(model: GhostNet, seed: int) -> GhostNet:
    """Gives an untrained network weights under which answers differ from photo to photo.

    Untrained BN would be the identity, and near-uniform probabilities would hide differences:
    so BN gets random weights and the statistics of random inputs, and the logits are spread.
    """
    generator = torch.Generator().manual_seed(seed)
    model.train()
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
    directory.mkdir(parents=True, exist_ok=True)
    save_checkpoint(
        directory,
        like.settings,
        network.state_dict(),
        like.labels,
        like.normalise,
        fit_to_photos(like, network),
        {},
        "a test's",
        like.hierarchy,
    )
    return load_checkpoint(directory)


def fit_to_photos(like: Checkpoint, network: GhostNet) -> FeatureDensity:
    """The density of a network's features on the validation photos of another's source."""
    photos = open_source(like.settings.data).validation
    x_nhwc = np.stack([like.preprocess.read(photo.read()) for photo in photos])
    with torch.inference_mode():
        features = network.eval().embed(like.normalise(torch.from_numpy(x_nhwc))).numpy()
    return fit_feature_density(features, rank=8)


def learn_by_heart(checkpoint: Checkpoint) -> GhostNet:
    """Gives a network a head that knows each validation photo clearly (ridge regression).

    A few passes of training leave photos on the edge between two classes, which float16 may
    rightly tip over: then a test of parity would measure luck.
    """
    photos = open_source(checkpoint.settings.data).validation
    x_nhwc = np.stack([checkpoint.preprocess.read(photo.read()) for photo in photos])
    model = copy.deepcopy(checkpoint.model)
    with torch.no_grad():
        features = model.embed(checkpoint.normalise(torch.from_numpy(x_nhwc))).double()
        truth = torch.tensor([photo.class_index for photo in photos])
        # Logits 6 and 0: 0.96 for the right one of 16 classes, so that nothing is saturated.
        wanted = 6 * torch.nn.functional.one_hot(truth, len(checkpoint.labels)).double()
        gram = features @ features.T
        gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
        model.classifier.weight.copy_((features.T @ torch.linalg.solve(gram, wanted)).T)
        model.classifier.bias.zero_()
    return model


@pytest.fixture(scope="session")
def cached(trained_checkpoint: Path) -> Path:
    """A folder, kept by the hash of what decides it, with `checkpoint/` and `build/`."""
    trained = load_checkpoint(trained_checkpoint)
    decides = [f"{converter.hash_sources()} {converter.versions()}" for converter in CONVERTERS]
    decides += [(ROOT / name).read_text() for name in ("conversion/artifact.py", __file__)]
    folder = CACHE / f"conversion-{hash_sources(extra=(trained.sha256, *decides))}"
    with one_at_a_time(folder):
        if not (folder / "checkpoint" / "SHA256SUMS").exists():
            write_checkpoint(folder / "checkpoint", trained, learn_by_heart(trained))
        if not (folder / "build").exists():
            job = Job(folder / "checkpoint", "produce", "1.2.3", quantisation=QUANTISATION)
            convert(job, folder / "build", 2, print, cache=None)
    return folder


@pytest.fixture(scope="session")
def checkpoint(cached: Path) -> Checkpoint:
    return load_checkpoint(cached / "checkpoint")


@pytest.fixture(scope="session")
def other_checkpoint(
    checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    """Other weights under the same settings and labels."""
    folder = tmp_path_factory.mktemp("other") / "checkpoint"
    return write_checkpoint(folder, checkpoint, random_network(len(checkpoint.labels), seed=2))


@pytest.fixture(scope="session")
def build_folder(cached: Path) -> Path:
    """The build, which tests must not change: see `copy_of_build`."""
    return cached / "build"


@pytest.fixture(scope="session")
def build(build_folder: Path) -> Build:
    return read_build(build_folder)


@pytest.fixture(scope="session")
def paths(build_folder: Path, build: Build) -> dict[str, Path]:
    """Key of a variant -> its artifact; a runtime alone stands for its most faithful one."""
    files = {entry.variant.key: build_folder / entry.file_name for entry in build.artifacts}
    first = {"executorch": "executorch-fp32", "litert": "litert-fp32", "coreml": "coreml-fp16"}
    return files | {runtime: files[key] for runtime, key in first.items()}


@pytest.fixture(scope="session")
def photos(checkpoint: Checkpoint) -> np.ndarray:
    """Preprocessed photos, uint8 [N, side, side, 3], one of each class."""
    data = checkpoint.settings.data
    chosen = open_source(data).validation[:: data.validation_per_class]
    return np.stack([checkpoint.preprocess.read(photo.read()) for photo in chosen])


@pytest.fixture
def copy_of_build(build_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    shutil.copytree(build_folder, folder)
    return folder


@pytest.fixture(scope="session")
def mil_packages() -> Path:
    """A folder of `.mlpackage`s of one random network; see `tests.conversion.mil.packages`."""
    folder = CACHE / f"mil-{hash_of_packages()}"
    with one_at_a_time(folder):
        if not folder.exists():
            torch.manual_seed(5)
            network = centre_answers(spread_answers(make_network(), seed=5))
            write_packages(folder, network)
    return folder
