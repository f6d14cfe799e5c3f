"""Later versions of GhostNet pass through the converter of every runtime, at odd sizes too.

Whole networks take minutes to convert; what is new in them is in their bottlenecks, so that four
of these stand for all. Two have attention, at 18 places and at 9, where 4 gates become 9: there
runtimes could take another gate for the nearest. docs/networks.md has whole networks.
"""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from conversion.converters import converter_of
from conversion.request import Request
from conversion.runners import open_runner
from conversion.variants import find_variant
from tests.conftest import CACHE, hash_sources, one_at_a_time
from tests.conversion.small_networks import only_stages
from training.checkpoint import Checkpoint, load_checkpoint
from training.files import new_directory
from training.networks.branches import Branched
from training.networks.ghostnet import GhostNet, Row
from training.networks.ghostnet_v2 import GhostNetV2
from training.networks.ghostnet_v3 import GhostNetV3
from training.preprocess import Preprocess
from training.sources.data import open_source

SIDE_PX = 72
FEW_STAGES = (
    (Row(3, 16, 16, False, 2),),
    (Row(3, 48, 24, False, 1),),
    (Row(5, 72, 40, True, 2),),
    (Row(3, 120, 40, True, 1),),
)
VERSIONS = {"ghostnetv2": GhostNetV2, "ghostnetv3": GhostNetV3}
# Largest difference of a probability to the trained network's. Measured: see docs/networks.md.
LIMITS = {"executorch-fp32": 1e-4, "litert-fp32": 1e-4, "coreml-fp16": 0.02}
# GhostNetV3, its branches merged, is the same graph: once is enough.
VARIANTS = {"ghostnetv2": tuple(LIMITS), "ghostnetv3": ("litert-fp32",)}
CASES = [(name, key) for name, keys in VARIANTS.items() for key in keys]


@pytest.fixture(scope="module")
def photos(trained_checkpoint: Path) -> np.ndarray:
    source = open_source(load_checkpoint(trained_checkpoint).settings.data)
    preprocess = Preprocess.for_input(SIDE_PX, 0.875, "bilinear")
    return np.stack([preprocess.read(photo.read()) for photo in source.validation[::8]])


@pytest.fixture(scope="module")
def small(
    request: pytest.FixtureRequest, trained_checkpoint: Path, photos: np.ndarray
) -> tuple[Checkpoint, Path]:
    """A checkpoint with a network of few bottlenecks, and a folder with its artifacts."""
    like = load_checkpoint(trained_checkpoint)
    torch.manual_seed(4)
    with only_stages(FEW_STAGES):
        network = VERSIONS[request.param](len(like.labels), width=0.5, dropout=0.0)
    keys = VARIANTS[request.param]
    converters = {converter_of(find_variant(key)) for key in keys}
    decides = sorted(f"{one.hash_sources()} {one.versions()}" for one in converters)
    words = (request.param, Path(__file__).read_text(), *decides)
    folder = CACHE / f"{request.param}-{hash_sources(extra=words)}"
    made = dataclasses.replace(
        like,
        architecture=request.param,
        model=network,
        preprocess=Preprocess.for_input(SIDE_PX, 0.875, "bilinear"),
    )
    with one_at_a_time(folder):
        if not (folder / "made").exists():
            settle(network, like.normalise(torch.from_numpy(photos)))
            with new_directory(folder / "made") as out:
                torch.save(network.state_dict(), out / "network.pt")
                write_artifacts(made, out, keys)
    network.load_state_dict(torch.load(folder / "made" / "network.pt", weights_only=True))
    network.eval()
    return made, folder / "made"


def settle(network: GhostNet, x_nchw: torch.Tensor) -> None:
    """Gives BN the photos' statistics and weights of its own, and spreads the logits."""
    generator = torch.Generator().manual_seed(4)
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
            norm.weight.uniform_(0.7, 1.3, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
        network.train()(x_nchw)
        logits = network.eval()(x_nchw)
        gain = 3 / logits.std(dim=0).mean()
        network.classifier.weight.mul_(gain)
        network.classifier.bias.sub_(logits.mean(dim=0)).mul_(gain)


def write_artifacts(checkpoint: Checkpoint, folder: Path, keys: tuple[str, ...]) -> None:
    for key in keys:
        variant = find_variant(key)
        module = importlib.import_module(converter_of(variant).module)
        list(module.convert(Request(checkpoint, "small", "1.0.0", folder, (variant,))))


@pytest.mark.parametrize(("small", "key"), CASES, indirect=["small"])
def test_an_artifact_answers_like_its_network(
    small: tuple[Checkpoint, Path], photos: np.ndarray, key: str
) -> None:
    checkpoint, folder = small
    variant = find_variant(key)
    path = Request(checkpoint, "small", "1.0.0", folder, (variant,)).path(variant)
    expected = checkpoint.answer(photos).probabilities
    assert np.ptp(expected, axis=0).max() > 0.2
    answers = open_runner(path, variant.runtime).answer(photos).probabilities
    np.testing.assert_allclose(answers, expected, atol=LIMITS[key])


@pytest.mark.parametrize("small", VERSIONS, indirect=True)
def test_these_networks_have_what_is_new(small: tuple[Checkpoint, Path]) -> None:
    network: GhostNet = small[0].model
    assert sum("short_conv.0" in name for name in network.state_dict()) == 2
    branched = any(isinstance(part, Branched) for part in network.modules())
    assert branched == isinstance(network, GhostNetV3)
