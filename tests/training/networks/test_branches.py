"""Branches and the one convolution that they become answer the same."""

from collections import Counter

import pytest
import torch
from torch import nn

from training.networks.branches import Branched, ConvBn, merge_all, merge_branches
from training.networks.catalogue import create
from training.networks.ghostnet import GhostBottleneck, GhostModule
from training.networks.ghostnet_v2 import AttentiveGhostModule


def with_statistics(model: nn.Module) -> nn.Module:
    """Gives every BN weights and statistics that are far from those of the identity."""
    generator = torch.Generator().manual_seed(3)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(-1.5, 1.5, generator=generator)
            norm.bias.data.normal_(0, 0.3, generator=generator)
            norm.running_mean.normal_(0, 0.5, generator=generator)
            norm.running_var.uniform_(0.3, 2, generator=generator)
    return model.eval()


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 6), (5, 2, 6)])
def test_a_sum_of_branches_is_one_convolution(
    kernel: int, stride: int, groups: int, side: int
) -> None:
    torch.manual_seed(0)
    branches = nn.ModuleList(ConvBn(6, 6, kernel, stride, groups) for _ in range(3))
    branches.append(ConvBn(6, 6, 1, stride, groups))
    if stride == 1:
        branches.append(nn.BatchNorm2d(6))
    with_statistics(branches).double()
    x_nchw = torch.randn(2, 6, side, side, dtype=torch.float64)
    with torch.no_grad():
        expected = sum(branch(x_nchw) for branch in branches)
        torch.testing.assert_close(merge_branches(branches)(x_nchw), expected, rtol=0, atol=1e-12)


def test_branches_that_cancel_each_other_lose_no_precision() -> None:
    torch.manual_seed(0)
    large, opposite, small = (with_statistics(ConvBn(4, 4, 3)) for _ in range(3))
    opposite.load_state_dict(large.state_dict())
    for branch, factor in ((large, 1e6), (opposite, -1e6)):
        branch.bn1.weight.data.mul_(factor)
        branch.bn1.bias.data.mul_(factor)
    x_nchw = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        merged = merge_branches([large, small, opposite])(x_nchw)
        torch.testing.assert_close(merged, small(x_nchw), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("input_px", [64, 96])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_merged_network_answers_as_the_one_with_branches(
    dtype: torch.dtype, tolerance: float, input_px: int
) -> None:
    torch.manual_seed(0)
    model = with_statistics(create("ghostnetv3_050", 10)).to(dtype)
    x_nchw = torch.randn(2, 3, input_px, input_px, dtype=dtype)
    with torch.no_grad():
        expected = model.embed(x_nchw)
        difference = (merge_all(model).embed(x_nchw) - expected).abs().max()
    assert expected.std() > 0.01
    assert difference <= tolerance * expected.abs().max()


def test_merging_gives_the_modules_of_v2_and_leaves_the_original_as_it_was() -> None:
    model = create("ghostnetv3_050", 10).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    merged = merge_all(model)
    assert not any(isinstance(part, Branched) for part in merged.modules())
    assert not any(parameter.is_meta for parameter in merged.parameters())
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    kinds = Counter(type(part) for part in merged.modules())
    assert kinds[GhostBottleneck] == 16
    assert (kinds[GhostModule], kinds[AttentiveGhostModule]) == (18, 14)


def test_a_network_without_branches_stays_as_it_is() -> None:
    model = create("ghostnet_050", 10).eval()
    merged = merge_all(model)
    assert merged is not model
    assert list(merged.state_dict()) == list(model.state_dict())
