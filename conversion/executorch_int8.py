"""Static int8 for XNNPACK by PT2E: int8 weights per channel, int8 activations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch.fx import Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from conversion.request import PixelsNhwc, Request
from conversion.variants import find_variant

# Module names, below the deployed network, of the parts that may stay in float.
_MODULES = {"gates": (".se.",), "first": ("model.conv_stem.",), "last": ("model.classifier.",)}


def quantise(network: torch.nn.Module, request: Request) -> torch.nn.Module:
    """Returns the network with quantisation written into its graph.

    Args:
        network: deployed, float32, takes [1, 3, side, side].
        request: names the parts to keep in float and holds the calibration photos.

    Raises:
        ConversionError: there are no calibration photos.
    """
    parts = request.quantisation.parts_for(find_variant("executorch-int8"))
    example = (torch.zeros(1, 3, request.side_px, request.side_px),)
    exported = torch.export.export(network, example).module()
    prepared = prepare_pt2e(exported, make_quantizer(parts))
    calibrate(prepared, request.calibration())
    converted: torch.nn.Module = convert_pt2e(prepared)
    return converted


def make_quantizer(parts: tuple[str, ...]) -> XNNPACKQuantizer:
    """Returns XNNPACK's quantiser, which leaves some parts alone.

    Args:
        parts: out of `conversion.request.PARTS`.
    """
    quantizer = XNNPACKQuantizer()
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    if parts:
        quantizer.set_filter_function(_leave_out(parts))
    return quantizer


def calibrate(network: Any, x_nhwc: PixelsNhwc) -> None:
    """Shows photos to the observers, one by one: the exported graph takes one."""
    with torch.no_grad():
        for x_hwc in x_nhwc:
            network(torch.from_numpy(x_hwc.transpose(2, 0, 1)[None].astype(np.float32)))


def _leave_out(parts: tuple[str, ...]) -> Callable[[Node], bool]:
    marks = [mark for part in parts for mark in _MODULES[part]]

    def is_quantised(node: Node) -> bool:
        stack = node.meta.get("nn_module_stack", {}).values()
        innermost = [str(name) for name, _ in stack][-1:]
        if innermost in ([], [""], ["L['self']"]):  # the pixel scaling, before the network
            return "first" not in parts
        return not any(mark in f"{innermost[0]}." for mark in marks)

    return is_quantised
