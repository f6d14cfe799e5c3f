"""Gates are spread as PyTorch's nearest neighbour does it: by doubling and by matrix products."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conversion.deploy import deploy
from conversion.errors import ConversionError
from conversion.spreading import DoublingSpread, MatrixSpread, replace_spreads
from tests.conversion.densities import random_density
from training.networks.catalogue import create
from training.networks.ghostnet_v2 import Spread

FORMS = (DoublingSpread, MatrixSpread)


@given(height=st.integers(2, 70), width=st.integers(2, 70))
def test_doubling_and_products_pick_the_nearest_values(height: int, width: int) -> None:
    gates = torch.rand(1, 3, height // 2, width // 2)
    features = torch.zeros(1, 3, height, width)
    nearest = torch.nn.functional.interpolate(gates, size=(height, width), mode="nearest")
    assert torch.equal(Spread()(gates, features), nearest)
    for form in FORMS:
        other = form((height // 2, width // 2), (height, width))
        assert torch.equal(other(gates, features), nearest)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ConversionError, match="half"):
        DoublingSpread((3, 3), (6, 8))


@pytest.mark.parametrize(
    ("architecture", "form"), zip(("ghostnetv2_100", "ghostnetv3_050"), FORMS, strict=True)
)
def test_a_network_answers_the_same_with_another_form(
    architecture: str, form: type[DoublingSpread] | type[MatrixSpread]
) -> None:
    torch.manual_seed(0)
    model = create(architecture, 5).eval()
    deployed = deploy(model, random_density(), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "nchw")
    replaced = copy.deepcopy(deployed)
    replace_spreads(replaced, torch.zeros(1, 3, 96, 96), form)
    assert not any(isinstance(module, Spread) for module in replaced.modules())
    pixels = 255 * torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(replaced(pixels), deployed(pixels), rtol=0, atol=1e-6)


def test_a_network_without_attention_stays_as_it_is() -> None:
    deployed = deploy(
        create("ghostnet_050", 5).eval(), random_density(), (0, 0, 0), (1, 1, 1), "nchw"
    )
    before = [type(module) for module in deployed.modules()]
    replace_spreads(deployed, torch.zeros(1, 3, 64, 64))
    assert [type(module) for module in deployed.modules()] == before
