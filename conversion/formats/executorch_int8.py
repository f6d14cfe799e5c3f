"""Static int8 for XNNPACK by PT2E: int8 weights per channel, int8 activations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch import Tensor, nn
from torch.export import Dim
from torch.fx import Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from conversion.request import PixelsNhwc, Request
from conversion.variants import find_variant

# Module names, below the deployed network, of the parts that may stay in float.
_MODULES = {
    "gates": (".se.",),
    "first": ("model.network.conv_stem.", "model.network.blocks.0."),
    "last": ("model.network.classifier.",),
}
_BATCH = 16


def quantise(network: nn.Module, request: Request) -> nn.Module:
    """Returns the network with quantisation written into its graph.

    Args:
        network: deployed, float32, takes [1, 3, side, side].
        request: names the parts to keep in float and holds the calibration photos. Where it
            asks for quantisation-aware training, that is tried too and kept if it is better.

    Raises:
        ConversionError: there are no calibration photos.
    """
    parts = request.quantisation.parts_for(find_variant("executorch-int8"))
    if request.quantisation.qat_steps:
        from conversion.formats.executorch_qat import choose_better

        return choose_better(network, parts, request)
    return quantise_after_training(network, parts, request.calibration())


def quantise_after_training(
    network: nn.Module, parts: tuple[str, ...], x_nhwc: PixelsNhwc
) -> nn.Module:
    """Returns the network quantised with the ranges that photos show (PTQ).

    Args:
        network: deployed, float32, takes [N, 3, side, side].
        parts: left in float, out of `conversion.variants.PARTS`.
        x_nhwc: calibration photos, uint8 [N, side, side, 3].
    """
    side_px = x_nhwc.shape[1]
    prepared: Any = prepare_pt2e(export_batched(network, side_px), make_quantizer(parts))
    with torch.no_grad():
        for x_nchw in batches(x_nhwc):
            prepared(x_nchw)
    converted: nn.Module = convert_pt2e(prepared)
    return converted


def export_batched(network: nn.Module, side_px: int) -> Any:
    """Returns the network's graph for any number of photos: calibration goes in batches."""
    example = (torch.zeros(2, 3, side_px, side_px),)
    shapes = ({0: Dim("photos", min=1, max=1024)},)
    return torch.export.export(network, example, dynamic_shapes=shapes).module()


def make_quantizer(parts: tuple[str, ...], train: bool = False) -> XNNPACKQuantizer:
    """Returns XNNPACK's quantiser, which leaves some parts alone.

    Args:
        parts: out of `conversion.variants.PARTS`.
        train: for quantisation-aware training.
    """
    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True, is_qat=train))
    quantizer.set_filter_function(_leave_out(parts))
    return quantizer


def batches(x_nhwc: PixelsNhwc) -> list[Tensor]:
    """Returns photos as float32 [up to 16, 3, side, side], values 0 to 255."""
    x_nchw = torch.from_numpy(np.ascontiguousarray(x_nhwc.transpose(0, 3, 1, 2)))
    return [batch.float() for batch in torch.split(x_nchw, _BATCH)]


def _leave_out(parts: tuple[str, ...]) -> Callable[[Node], bool]:
    """Tells which nodes are quantised: those of the network, but for some parts.

    Pixels are scaled per channel, so int8 before and after would round twice, and coarsely. A
    known score is the small difference of large sums, of which int8 would leave nothing.
    """
    marks = [mark for part in parts for mark in _MODULES[part]]

    def is_quantised(node: Node) -> bool:
        if node.op != "call_function":  # a weight, which goes with the op that takes it
            return True
        stack = [str(name) for name, _ in node.meta.get("nn_module_stack", {}).values()]
        innermost = stack[-1] if stack else ""
        in_network = innermost.removeprefix("L['self'].").startswith("model")
        return in_network and not any(mark in f"{innermost}." for mark in marks)

    return is_quantised
