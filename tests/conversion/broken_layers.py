"""Breaks one layer inside of an artifact, in its bytes, as a faulty converter would have done."""

import copy
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from conversion.deploy import DeployedNchw, deploy, deploy_checkpoint
from conversion.mil.package import read_package
from conversion.report.tables import Table
from conversion.structure.pte_file import read_pte
from conversion.structure.tflite_graph import read_tflite
from conversion.structure.xnnpack_graph import parse_xnnpack
from tests.conversion import damage
from training.checkpoint import Checkpoint
from training.networks.ghostnet import GhostNet

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
# What each break hits: a layer in the middle of the network, where noise has gathered already.
PADDED, SCALED = "blocks.3.0.conv_dw", "blocks.6.0.ghost1.primary_conv.0"
OVERFLOWING = "blocks.2.0.ghost1.primary_conv.0"
CHANNEL, GAIN = 5, 4.0
_DEPTHWISE = 13  # member of XNNPACK's union XNodeUnion


def deployed(checkpoint: Checkpoint) -> DeployedNchw:
    return deploy_checkpoint(checkpoint, "nchw")


def swap_mean_and_deviation(path: Path, checkpoint: Checkpoint) -> None:
    """Subtracts the deviation and divides by the mean."""
    model, normalise = deployed(checkpoint), checkpoint.normalise
    swapped = deploy(checkpoint.model, checkpoint.density, normalise.std, normalise.mean, "nchw")
    for old, new in ((model.offset, swapped.offset), (model.scale, swapped.scale)):
        target = path / damage.SPECIFICATION if path.is_dir() else path
        damage.replace_bytes(target, old, new)


def pad_as_tensorflow(path: Path, checkpoint: Checkpoint) -> None:
    """Moves the padding of a 5x5 convolution of stride 2 by a pixel: 1 before, 3 behind."""
    del checkpoint
    breaks: dict[str, Callable[[Path], None]] = {
        ".tflite": _pad_tflite,
        ".pte": _pad_pte,
        ".mlpackage": _pad_package,
    }
    breaks[path.suffix](path)


def _pad_tflite(path: Path) -> None:
    """The ops share one constant, so that every 5x5 convolution of stride 2 is hit."""
    amounts = np.array([[0, 0], [2, 2], [2, 2], [0, 0]], np.int32)
    moved = np.array([[0, 0], [1, 3], [1, 3], [0, 0]], np.int32)
    damage.replace_bytes(path, torch.from_numpy(amounts), torch.from_numpy(moved))


def _pad_pte(path: Path) -> None:
    data = path.read_bytes()
    blob = read_pte(path).delegates[0].data
    graph_start = struct.unpack_from("<I", blob, 10)[0]
    root = Table.root(blob[graph_start:], "test")
    for entry in root.tables(1):
        kind, node = entry.union(0)
        # padding_top and the others are fields 0 to 3, the kernel's height 4, its stride 6.
        if kind == _DEPTHWISE and (node.scalar(4, "uint32"), node.scalar(6, "uint32")) == (5, 2):
            changed = bytearray(data)
            start = data.index(blob) + graph_start
            for field, amount in ((0, 1), (1, 3), (2, 3), (3, 1)):
                struct.pack_into("<I", changed, start + node._field(field), amount)
            path.write_bytes(changed)
            return
    raise AssertionError("no 5x5 convolution of stride 2")


def _pad_package(path: Path) -> None:
    name = next(
        operation.output
        for operation in read_package(path).operations
        if operation.kind == "conv"
        and operation.inputs["weight"].shape[2:] == (5, 5)
        and list(operation.inputs["strides"]) == [2, 2]
    )

    def edit(model: object) -> None:
        operations = damage.block_of(model).operations
        (conv,) = [op for op in operations if op.outputs[0].name == name]
        pad = conv.inputs["pad"].arguments[0].name
        (constant,) = [op for op in operations if op.outputs[0].name == pad]
        constant.attributes["val"].immediateValue.tensor.ints.values[:] = [1, 3, 1, 3]

    damage.edit_specification(path, edit)


def scale_channel(path: Path, checkpoint: Checkpoint) -> None:
    """Multiplies the weights, or the scale, of one channel of a 1x1 convolution."""
    weight = deployed(checkpoint).model.network.get_submodule(SCALED).weight
    factors = torch.ones(len(weight), 1, 1, 1)
    factors[CHANNEL] = GAIN
    if path.is_dir():
        damage.replace_bytes(path / WEIGHTS, weight.half(), (weight.half() * factors).half())
    elif "int8" in path.name:
        old = _scales_of(path, tuple(weight.shape))
        damage.replace_bytes(path, old, old * factors.flatten())
    else:
        w_ohwi = weight.permute(0, 2, 3, 1).contiguous()
        damage.replace_bytes(path, w_ohwi, w_ohwi * factors)


def _scales_of(path: Path, shape_oihw: tuple[int, ...]) -> torch.Tensor:
    """The scales of the only weight of that shape."""
    outputs, inputs, height, width = shape_oihw
    shape = (outputs, height, width, inputs)
    if path.suffix == ".tflite":
        stored = [entry for entry in read_tflite(path).tensors if entry.constant]
    else:
        program = read_pte(path)
        graph = parse_xnnpack(program.delegates[0].data, program.named, "test")
        stored = [entry for entry in graph.values.values() if entry.data is not None]
    (scales,) = [entry.scales for entry in stored if entry.shape == shape]
    return torch.tensor(scales)


def overflowing(network: GhostNet, exponent: int) -> GhostNet:
    """The same function with values 2^exponent times as large between two layers.

    The first Ghost module of the block gives larger values, the second one takes them as
    smaller; ReLU keeps factors, and powers of two round nothing.
    """
    model, factor = copy.deepcopy(network), 2.0**exponent
    block = model.blocks[2][0]
    with torch.no_grad():
        (_, norm, *_), (_, cheap_norm, *_) = block.ghost1.primary_conv, block.ghost1.cheap_operation
        norm.weight.mul_(factor)
        norm.bias.mul_(factor)
        cheap_norm.running_mean.mul_(factor)
        cheap_norm.bias.mul_(factor)
        block.ghost2.primary_conv[0].weight.div_(factor)
    return model


def replace_layers(path: Path, old: Checkpoint, new: Checkpoint) -> None:
    """Puts the float16 weights of a checkpoint into the package of another one."""
    before, after = deployed(old), deployed(new)
    for name, parameter in before.named_parameters():
        changed = after.get_parameter(name)
        if not torch.equal(parameter, changed):
            damage.replace_bytes(path / WEIGHTS, parameter.half(), changed.half())
