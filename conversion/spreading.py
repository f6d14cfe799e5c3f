"""Nearest-neighbour upsampling of gates in forms that every runtime understands alike.

Which value is the nearest is not agreed on: from 3 places to 7, PyTorch takes 0 0 0 1 1 2 2, and
litert-torch writes an op that measures from the middle of a place and takes 0 0 1 1 1 2 2. By the
factor 2 there is one answer, and gates have half of the size of their features, rounded down.

XNNPACK has no such op at all (`executorch/backends/xnnpack/partition/config/`), and each one that
stays outside cuts the network into two delegates with copies between them. A product with a
matrix of zeros and ones picks the same values exactly, and XNNPACK multiplies matrices well.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conversion.errors import ConversionError
from training.networks.ghostnet_v2 import Spread

Sides = tuple[int, int]


class DoublingSpread(nn.Module):
    """As `Spread`, for one size: doubles, and repeats the first row or column of an odd side.

    Args:
        before: height and width of the gates.
        after: height and width of the features, twice those or one more.

    Raises:
        ConversionError: the sizes are others.
    """

    def __init__(self, before: Sides, after: Sides) -> None:
        super().__init__()
        self.odd = [large - 2 * small for small, large in zip(before, after, strict=True)]
        if not set(self.odd) <= {0, 1}:
            raise ConversionError(f"gates of {before} do not fit features of {after}: half of them")

    def forward(self, gates_nchw: Tensor, features_nchw: Tensor) -> Tensor:
        """Maps gates [N, C, h, w] to [N, C, H, W]; the features are not looked at."""
        del features_nchw
        x = F.interpolate(gates_nchw, scale_factor=2.0, mode="nearest")
        # PyTorch's floor(i * h / (2 h + 1)) is the doubled row with its first value once more.
        x = torch.cat([x[:, :, :1], x], dim=2) if self.odd[0] else x
        return torch.cat([x[..., :1], x], dim=3) if self.odd[1] else x


class MatrixSpread(nn.Module):
    """As `Spread`, for one size.

    Args:
        before: height and width of the gates.
        after: height and width of the features.
    """

    def __init__(self, before: Sides, after: Sides) -> None:
        super().__init__()
        self.down, self.across = (
            _repeat(small, large) for small, large in zip(before, after, strict=True)
        )

    def forward(self, gates_nchw: Tensor, features_nchw: Tensor) -> Tensor:
        """Maps gates [N, C, h, w] to [N, C, H, W]; the features are not looked at."""
        del features_nchw
        x_ncwh = self.across(gates_nchw).transpose(2, 3)
        return cast(Tensor, self.down(x_ncwh).transpose(2, 3))


def _repeat(small: int, large: int) -> nn.Linear:
    """Returns the layer that repeats each of `small` values, as `interpolate` does, to `large`."""
    layer = nn.Linear(small, large, bias=False, device="meta")
    # PyTorch's nearest neighbour: index floor(i * small / large).
    nearest = torch.arange(large) * small // large
    layer.weight = nn.Parameter(nn.functional.one_hot(nearest, small).float(), requires_grad=False)
    return layer


def replace_spreads(
    network: nn.Module,
    example: Tensor,
    spread: type[DoublingSpread] | type[MatrixSpread] = DoublingSpread,
) -> None:
    """Puts another form in the place of upsampling, in the network itself.

    Args:
        network: deployed.
        example: what it takes, float32 with N = 1; from then on it takes photos of that size only.
        spread: the form.
    """
    sizes: dict[nn.Module, tuple[Sides, Sides]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        before, after = (value.shape[-2:] for value in inputs)
        sizes[module] = ((before[0], before[1]), (after[0], after[1]))

    spreads = [module for module in network.modules() if isinstance(module, Spread)]
    if not spreads:
        return
    hooks = [module.register_forward_hook(note) for module in spreads]
    with torch.inference_mode():
        network(example)
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in sizes:
                setattr(parent, name, spread(*sizes[child]))
