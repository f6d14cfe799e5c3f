"""The network is the paper's, in the details that copies get wrong."""

import pytest
import torch
from torch import nn

from training.errors import ConfigError
from training.networks.catalogue import NETWORKS, create
from training.networks.ghostnet import STAGES, GhostBottleneck, GhostNet, scale_channels


def bottlenecks(model: GhostNet) -> list[GhostBottleneck]:
    return [module for module in model.modules() if isinstance(module, GhostBottleneck)]


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


@pytest.mark.parametrize("architecture", sorted(NETWORKS))
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
    for width in (*(width for _, width in NETWORKS.values()), 0.1, 0.37, 2.9):
        for rows in STAGES:
            for row in rows:
                assert scale_channels(row.out * width) % 4 == 0
                assert scale_channels(row.expanded * width) % 4 == 0


@pytest.mark.parametrize("arguments", [(0, 1.0, 0.2), (10, 0.0, 0.2), (10, 1.0, 1.0)])
def test_refuses_impossible_arguments(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        GhostNet(*arguments)
