"""Every network is the published one: sizes, names, shapes; and each can be told apart."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from training.config import ARCHITECTURES
from training.errors import ConfigError
from training.networks.branches import merge_all
from training.networks.catalogue import NETWORKS, count_multiply_adds, count_parameters, create
from training.networks.ghostnet import GhostNet

DATA = Path(__file__).parents[1] / "data"
# Names and shapes of timm's networks, listed by timm's own `timm/models/ghostnet.py` (commit
# aa4b5850): SHA-256 of lines "name [shape]", sorted by name, its first 16 digits. The files in
# `data/` hold such lists in full, for the published checkpoints of width 1.
NAMES_AND_SHAPES = {
    "ghostnet_050": "686bf047b2fbb617",
    "ghostnet_100": "3c9a49785adfe905",
    "ghostnet_130": "b459f5a095f8d3f4",
    "ghostnetv2_100": "0b2d4c690a4917bc",
    "ghostnetv2_130": "a44a6ca8a0d12980",
    "ghostnetv2_160": "08761d0d1b06b8c2",
    "ghostnetv3_050": "6670beca5c5bcb53",
    "ghostnetv3_100": "14ead0d4ab4491e5",
    "ghostnetv3_130": "cdbc459e3ed9801f",
    "ghostnetv3_160": "9ae5cc247cd33e7f",
}
# Millions of parameters and of multiply-adds at 224 pixels, as deployed. GhostNet: paper, tables
# 6 and 7. The others: parameters as in timm's results/*.csv, which fuse GhostNetV3's branches;
# multiply-adds as in the GhostNetV2 paper, figure 1, which GhostNetV3 keeps (abstract: 269 for
# 1.3); of GhostNetV3 0.5 timm gives 0.05 G.
SIZES = {
    "ghostnet_050": (2.6, 42),
    "ghostnet_100": (5.18, 141),
    "ghostnet_130": (7.3, 226),
    "ghostnetv2_100": (6.16, 167),
    "ghostnetv2_130": (8.96, 269),
    "ghostnetv2_160": (12.39, 399),
    "ghostnetv3_050": (2.85, 50),
    "ghostnetv3_100": (6.15, 167),
    "ghostnetv3_130": (8.95, 269),
    "ghostnetv3_160": (12.38, 399),
}


def shapes_of(model: GhostNet) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("architecture", NETWORKS)
def test_has_the_published_size(architecture: str) -> None:
    parameters_m, multiply_adds_m = SIZES[architecture]
    model = merge_all(create(architecture, 1000).eval())
    # BN's two values a channel go into its convolution's bias when it is folded away; these
    # figures count both, as the papers and timm do.
    assert count_parameters(model) / 1e6 == pytest.approx(parameters_m, rel=0.01)
    assert count_multiply_adds(model, 224) / 1e6 == pytest.approx(multiply_adds_m, rel=0.01)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_has_timms_names_and_shapes(architecture: str) -> None:
    lines = [
        f"{name} {shape}" for name, shape in sorted(shapes_of(create(architecture, 1000)).items())
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest[:16] == NAMES_AND_SHAPES[architecture]


@pytest.mark.parametrize(
    ("architecture", "tensors"),
    [("ghostnet_100", 512), ("ghostnetv2_100", 764), ("ghostnetv3_100", 1956)],
)
def test_has_the_names_and_shapes_of_the_published_checkpoints(
    architecture: str, tensors: int
) -> None:
    published = json.loads((DATA / f"published_{architecture}.json").read_text())
    assert len(published) == tensors
    assert shapes_of(create(architecture, 1000)) == published


def test_training_form_of_v3_has_timms_size() -> None:
    # timm's results/results-imagenet.csv measures the checkpoint with its branches.
    model = create("ghostnetv3_100", 1000)
    assert count_parameters(model) / 1e6 == pytest.approx(8.13, abs=0.01)


def test_settings_allow_these_networks() -> None:
    assert tuple(NETWORKS) == ARCHITECTURES


@pytest.mark.parametrize("architecture", ["ghostnet_050", "ghostnetv2_100", "ghostnetv3_050"])
def test_layer_groups_name_each_parameter_once_from_stem_to_classifier(architecture: str) -> None:
    model = create(architecture, 10)
    groups = model.layer_groups()
    for name, _ in model.named_parameters():
        assert sum(name.startswith(prefix) for group in groups for prefix in group) == 1, name
    assert groups[0] == ["conv_stem.", "bn1."]
    assert groups[2] == ["blocks.1.", "blocks.2."]
    assert groups[-1] == ["classifier."]


def test_counting_leaves_a_network_as_it_was() -> None:
    model = create("ghostnet_050", 10).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_multiply_adds(model, 64)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_refuses_an_unknown_architecture_and_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"ghostnet_101.*ghostnet_050.*ghostnetv3_160"):
        create("ghostnet_101", 10)
