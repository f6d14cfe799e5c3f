"""A checkpoint as ExecuTorch programs (`.pte`) for the XNNPACK backend: float32 and static int8."""

from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch.fx.traceback import NodeSource

from conversion.deploy import DeployedNchw, deploy_checkpoint
from conversion.errors import ConversionError
from conversion.request import Interface, Made, Request, describe_outputs
from conversion.spreading import MatrixSpread, replace_spreads
from training.files import write_atomic


def convert(request: Request) -> Made:
    """Writes a `.pte` a variant, whose whole network runs in XNNPACK.

    Raises:
        ConversionError: a part of the network stayed outside of XNNPACK.
    """
    for variant in request.variants:
        network: torch.nn.Module = deploy_nchw(request)
        replace_spreads(network, example_nchw(request), MatrixSpread)
        if variant.precision == "int8":
            from conversion.formats.executorch_int8 import quantise

            network = quantise(network, request)
        write_program(network, request.side_px, XnnpackPartitioner(), request.path(variant))
        yield variant, interface(request)


def deploy_nchw(request: Request) -> DeployedNchw:
    """Returns the deployed network of a request's checkpoint."""
    return deploy_checkpoint(request.checkpoint, "nchw")


def example_nchw(request: Request) -> torch.Tensor:
    """Returns a black photo, float32 [1, 3, side, side]."""
    return torch.zeros(1, 3, request.side_px, request.side_px)


def write_program(network: torch.nn.Module, side_px: int, partitioner: Any, path: Any) -> None:
    """Lowers a network to one delegate and writes the program.

    Args:
        network: maps float32 [1, 3, side_px, side_px] to probabilities and known scores.
        side_px: side of the square input, in pixels.
        partitioner: of the delegate that takes the network.
        path: the file to write.

    Raises:
        ConversionError: the delegate did not take the whole network.
    """
    share_histories()
    exported = torch.export.export(network, (torch.zeros(1, 3, side_px, side_px),))
    edge: EdgeProgramManager = to_edge_transform_and_lower(exported, partitioner=[partitioner])
    _check_delegated(edge.exported_program().graph, type(partitioner).__name__)
    write_atomic(path, bytes(edge.to_executorch().buffer))


def share_histories() -> None:
    """Lets nodes of a graph share what torch notes of their origin.

    torch copies the whole history of every node at every pass, though none changes a history that
    exists. Without the copies the same bytes are written in 8 to 23 % less processor time
    (docs/performance.md).
    """
    NodeSource.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def interface(request: Request) -> Interface:
    """Returns what every `.pte` takes and gives."""
    side = request.side_px
    return Interface(
        input={
            "name": "x_nchw",
            "layout": "nchw",
            "dtype": "float32",
            "shape": [1, 3, side, side],
            "range": [0, 255],
        },
        outputs=describe_outputs([1, len(request.checkpoint.labels)], [1, 1]),
    )


def _check_delegated(graph: torch.fx.Graph, partitioner: str) -> None:
    """Refuses a graph in which anything but one delegate call and its `getitem` is left."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    delegates = [node for node in calls if "executorch_call_delegate" in node.name]
    others = [node.name for node in calls if node not in delegates and "getitem" not in node.name]
    if len(delegates) != 1 or others:
        raise ConversionError(
            f"{partitioner} took the network in {len(delegates)} parts (1 is expected) and left "
            f"out {', '.join(others) or 'nothing'}"
        )
