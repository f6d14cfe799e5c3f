"""Nearest-neighbour upsampling as matrix products, for backends that lack it.

XNNPACK has no such op (`executorch/backends/xnnpack/partition/config/`), and each one that stays
outside cuts the network into two delegates with copies between them. A product with a matrix of
zeros and ones picks the same values exactly, and XNNPACK multiplies matrices well.
"""

from typing import cast

import torch
from torch import Tensor, nn

from training.ghostnet_v2 import Spread


class MatrixSpread(nn.Module):
    """As `Spread`, for one size.

    Args:
        before: height and width of the gates.
        after: height and width of the features.
    """

    def __init__(self, before: tuple[int, int], after: tuple[int, int]) -> None:
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


def replace_spreads(network: nn.Module, side_px: int) -> None:
    """Puts matrix products in the place of upsampling, in the network itself.

    Args:
        network: deployed, takes float32 [1, 3, side_px, side_px].
        side_px: the only side that it takes from then on.
    """
    sizes: dict[nn.Module, tuple[tuple[int, int], tuple[int, int]]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        before, after = (value.shape[-2:] for value in inputs)
        sizes[module] = ((before[0], before[1]), (after[0], after[1]))

    spreads = [module for module in network.modules() if isinstance(module, Spread)]
    hooks = [module.register_forward_hook(note) for module in spreads]
    if not spreads:
        return
    with torch.inference_mode():
        network(torch.zeros(1, 3, side_px, side_px))
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in sizes:
                setattr(parent, name, MatrixSpread(*sizes[child]))
