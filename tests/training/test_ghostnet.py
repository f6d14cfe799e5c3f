"""The network is the paper's: sizes, names, shapes, and the details that copies get wrong."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.ghostnet import (
    STAGES,
    WIDTHS,
    GhostBottleneck,
    GhostNet,
    count_multiply_adds,
    count_parameters,
    create,
    scale_channels,
)

# Names and shapes of the authors' checkpoint, read off their published network definition.
PUBLISHED = Path(__file__).parent / "data" / "published_ghostnet_100.json"


def bottlenecks(model: GhostNet) -> list[GhostBottleneck]:
    return [module for module in model.modules() if isinstance(module, GhostBottleneck)]


@pytest.mark.parametrize(
    ("architecture", "parameters_m", "multiply_adds_m"),
    # Paper, tables 6 and 7; 1.3 is given there as 7.3 and 226.
    [("ghostnet_050", 2.6, 42), ("ghostnet_100", 5.18, 141), ("ghostnet_130", 7.3, 226)],
)
def test_has_the_published_size(
    architecture: str, parameters_m: float, multiply_adds_m: float
) -> None:
    model = create(architecture, 1000)
    assert count_parameters(model) / 1e6 == pytest.approx(parameters_m, rel=0.01)
    assert count_multiply_adds(model, 224) / 1e6 == pytest.approx(multiply_adds_m, rel=0.01)


def test_has_the_names_and_shapes_of_the_published_checkpoints() -> None:
    published = json.loads(PUBLISHED.read_text())
    ours = {name: list(value.shape) for name, value in GhostNet().state_dict().items()}
    assert len(published) == 512
    assert ours == published


def test_cheap_operation_is_3x3_where_the_block_is_5x5() -> None:
    fives = [block for block in bottlenecks(GhostNet()) if block.strided][1]
    assert fives.conv_dw.kernel_size == (5, 5)
    assert fives.ghost1.cheap_operation[0].kernel_size == (3, 3)
    assert fives.ghost2.cheap_operation[0].kernel_size == (3, 3)


def test_only_the_first_ghost_module_activates() -> None:
    for block in bottlenecks(GhostNet()):
        assert any(isinstance(module, nn.ReLU) for module in block.ghost1.modules())
        for part in (block.ghost2, block.shortcut):
            assert not any(isinstance(module, nn.ReLU) for module in part.modules())


def test_strided_convolution_is_not_activated() -> None:
    torch.manual_seed(0)
    block = next(block for block in bottlenecks(GhostNet().eval()) if block.strided)
    seen: list[torch.Tensor] = []
    block.ghost2.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    block(torch.randn(1, 16, 32, 32))
    assert (seen[0] < 0).any()


def test_squeeze_widths_are_the_published_ones() -> None:
    reduced = [
        block.se.conv_reduce.out_channels
        for block in bottlenecks(GhostNet())
        if not isinstance(block.se, nn.Identity)
    ]
    assert reduced == [20, 32, 120, 168, 168, 240, 240]


def test_squeeze_gate_lies_between_zero_and_one() -> None:
    block = next(b for b in bottlenecks(GhostNet()) if not isinstance(b.se, nn.Identity))
    block.se.conv_expand.bias.data.uniform_(-9, 9)
    x_nchw = torch.rand(2, 72, 8, 8) + 0.1
    gate = block.se(x_nchw) / x_nchw
    assert gate.min() >= 0
    assert gate.max() <= 1
    assert gate.min() < 0.01
    assert gate.max() > 0.99


@pytest.mark.parametrize("architecture", sorted(WIDTHS))
def test_head_is_not_scaled_by_width_and_has_a_bias(architecture: str) -> None:
    head = create(architecture, 3).conv_head
    assert (head.out_channels, head.kernel_size) == (1280, (1, 1))
    assert head.bias is not None


@pytest.mark.parametrize("input_px", [64, 96, 224])
@pytest.mark.parametrize("classes", [2, 81])
def test_takes_any_input_size_and_class_count(input_px: int, classes: int) -> None:
    model = create("ghostnet_050", classes).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, input_px, input_px)).shape == (2, classes)
        assert model.embed(torch.zeros(2, 3, input_px, input_px)).shape == (2, 1280)


def test_channels_are_even_so_that_no_ghost_module_needs_a_slice() -> None:
    for width in (*WIDTHS.values(), 0.1, 0.37, 2.9):
        for rows in STAGES:
            for row in rows:
                assert scale_channels(row.out * width) % 4 == 0
                assert scale_channels(row.expanded * width) % 4 == 0


@pytest.mark.parametrize("arguments", [(0, 1.0, 0.2), (10, 0.0, 0.2), (10, 1.0, 1.0)])
def test_refuses_impossible_arguments(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        GhostNet(*arguments)


def test_refuses_an_unknown_architecture_and_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"ghostnet_101.*ghostnet_050"):
        create("ghostnet_101", 10)


def test_layer_groups_name_each_parameter_once_from_stem_to_classifier() -> None:
    model = create("ghostnet_050", 10)
    groups = model.layer_groups()
    for name, _ in model.named_parameters():
        assert sum(name.startswith(prefix) for group in groups for prefix in group) == 1, name
    assert groups[0] == ["conv_stem.", "bn1."]
    assert groups[2] == ["blocks.1.", "blocks.2."]
    assert groups[-1] == ["classifier."]
