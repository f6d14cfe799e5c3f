"""A checkpoint as an ExecuTorch program (`.pte`) for the XNNPACK backend, float32."""

from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower

from conversion.deploy import Interface, deploy
from conversion.errors import ConversionError
from training.checkpoint import Checkpoint
from training.files import write_atomic

PRECISION = "fp32"
PACKAGES = ("executorch", "torch")


def convert(checkpoint: Checkpoint, model: str, version: str, path: Path) -> Interface:
    """Writes a `.pte` whose whole network runs in XNNPACK.

    Args:
        checkpoint: what to convert.
        model: unused: the format holds no name.
        version: unused likewise.
        path: the file to write.

    Raises:
        ConversionError: a part of the network stayed outside of XNNPACK.
    """
    del model, version
    normalise, side = checkpoint.normalise, checkpoint.preprocess.input_px
    deployed = deploy(checkpoint.model, normalise.mean, normalise.std, "nchw")
    exported = torch.export.export(deployed, (torch.zeros(1, 3, side, side),))
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    _check_delegated(edge.exported_program().graph)
    write_atomic(path, bytes(edge.to_executorch().buffer))
    return Interface(
        input={
            "name": "x_nchw",
            "layout": "nchw",
            "dtype": "float32",
            "shape": [1, 3, side, side],
            "range": [0, 255],
        },
        output={"name": "probabilities", "dtype": "float32", "shape": [1, len(checkpoint.labels)]},
    )


def _check_delegated(graph: torch.fx.Graph) -> None:
    """Refuses a graph in which anything but one delegate call and its `getitem` is left."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    delegates = [node for node in calls if "executorch_call_delegate" in node.name]
    others = [node.name for node in calls if node not in delegates and "getitem" not in node.name]
    if len(delegates) != 1 or others:
        raise ConversionError(
            f"XNNPACK took the network in {len(delegates)} parts (1 is expected) and left out "
            f"{', '.join(others) or 'nothing'}"
        )
