"""One small random network as `.mlpackage`s, compressed in every way that coremltools knows."""

import copy
import hashlib
import importlib.metadata
import warnings
from pathlib import Path

import numpy as np
import torch

from conversion.deploy import deploy
from conversion.formats.coreml_tools import ct
from conversion.mil.evaluator import MilProgram
from conversion.mil.package import Operation, Package, Reference, Result
from tests.conftest import ROOT
from tests.conversion.densities import random_density
from tests.conversion.small_networks import only_stages
from training.files import new_directory
from training.networks.catalogue import create
from training.networks.ghostnet import GhostNet, Row

SIDE_PX = 64
CLASSES = tuple(f"class {index}" for index in range(12))
MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.25, 0.3)
# One bottleneck of each kind; the last has a layer of squeeze and excitation that is compressed.
FEW_STAGES = (
    (Row(3, 16, 16, False, 1),),
    (Row(3, 48, 24, False, 2),),
    (Row(5, 72, 40, True, 2),),
    (Row(5, 960, 160, True, 1),),
)
# Float16 can hold the weights times this, and those after them divided by it, barely.
PLANTED_FACTOR = 2.0**14
# Only weights of so many numbers and more are compressed: clustering the small ones takes long.
_THRESHOLD = 20_000
# Each holds the ops that its name says, besides the float16 ones.
COMPRESSED = (
    "ios16-int8",
    "ios16-palette6",
    "ios16-palette8",
    "ios16-sparse",
    "ios18-int4-blocks",
    "ios18-int8",
    "ios18-palette4-scales",
    "ios18-palette6-groups",
    "ios18-sparse",
    "ios18-sparse-int8",
    "ios18-sparse-palette6",
)


def hash_of_packages() -> str:
    """Names what the packages depend on."""
    files = [ROOT / "conversion/deploy.py", ROOT / "training/networks/branches.py"]
    files += [ROOT / "training/networks/ghostnet.py", Path(__file__)]
    files += [Path(__file__).parents[1] / name for name in ("conftest.py", "small_networks.py")]
    words = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    words += [importlib.metadata.version(name) for name in ("torch", "coremltools")]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def make_network() -> GhostNet:
    """A network as the packages have it."""
    with only_stages(FEW_STAGES):
        return create("ghostnet_050", len(CLASSES))


def centre_answers(network: GhostNet) -> GhostNet:
    """Takes the mean logits of the pictures away: so small a network would name one class alone."""
    x_nchw = torch.from_numpy(draw_pictures() / 255.0).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        network.classifier.bias.sub_(network.eval()((x_nchw - mean) / std).mean(dim=0))
    return network


def write_packages(folder: Path, network: GhostNet) -> None:
    """Writes `<name>.mlpackage`, and `<name>-plain.mlpackage`, decompressed by coremltools.

    Args:
        folder: made whole or not at all.
        network: in evaluation mode.
    """
    import coremltools.optimize.coreml as cto

    with new_directory(folder) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(network.state_dict(), out / "network.pt")
        wide = _convert(network, "iOS16", ct.precision.FLOAT32)
        wide.save(str(out / "ios16-fp32.mlpackage"))
        _convert(_plant_overflow(network), "iOS16").save(str(out / "planted-fp16.mlpackage"))
        for target in ("iOS16", "iOS18"):
            plain = _convert(network, target)
            plain.save(str(out / f"{target.lower()}-fp16.mlpackage"))
            for name in COMPRESSED:
                if name.startswith(target.lower()):
                    packed = _compress(cto, plain, name.split("-", 1)[1])
                    packed.save(str(out / f"{name}.mlpackage"))
                    cto.decompress_weights(packed).save(str(out / f"{name}-plain.mlpackage"))


def _plant_overflow(network: GhostNet) -> GhostNet:
    """Returns a network that answers the same, but whose last feature map float16 cannot hold.

    ReLU and the mean let a positive factor through, so the next layer can take it out again.
    """
    planted = copy.deepcopy(network)
    last = planted.blocks[-1][0]
    with torch.no_grad():
        last.bn1.weight *= PLANTED_FACTOR
        last.bn1.bias *= PLANTED_FACTOR
        planted.conv_head.weight /= PLANTED_FACTOR
    return planted


class _Probabilities(torch.nn.Module):
    """The first output alone: these packages are about how weights are stored."""

    def __init__(self, deployed: torch.nn.Module) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, x_nchw: torch.Tensor) -> torch.Tensor:
        return self.deployed(x_nchw)[0]


def _convert(network: GhostNet, target: str, precision=ct.precision.FLOAT16):
    deployed = _Probabilities(deploy(network, random_density(), MEAN, STD, "nchw"))
    shape = (1, 3, SIDE_PX, SIDE_PX)
    return ct.convert(
        torch.jit.trace(deployed, torch.zeros(shape)),
        inputs=[ct.ImageType("image", shape, color_layout=ct.colorlayout.RGB)],
        classifier_config=ct.ClassifierConfig(list(CLASSES)),
        minimum_deployment_target=ct.target[target],
        compute_precision=precision,
        convert_to="mlprogram",
        skip_model_load=True,
    )


def _compress(cto, model, way: str):
    def with_settings(settings):
        return cto.OptimizationConfig(settings)

    def palette(bits, **more):
        return with_settings(
            cto.OpPalettizerConfig("kmeans", bits, weight_threshold=_THRESHOLD, **more)
        )

    int8 = with_settings(
        cto.OpLinearQuantizerConfig("linear_symmetric", weight_threshold=_THRESHOLD)
    )
    sparse = with_settings(
        cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=_THRESHOLD)
    )
    groups = {"granularity": "per_grouped_channel", "group_size": 4}
    if way == "int8":
        return cto.linear_quantize_weights(model, int8)
    if way == "int4-blocks":
        blocks = cto.OpLinearQuantizerConfig(
            "linear",
            dtype="uint4",
            granularity="per_block",
            block_size=8,
            weight_threshold=_THRESHOLD,
        )
        return cto.linear_quantize_weights(model, with_settings(blocks))
    if way == "palette6":
        return cto.palettize_weights(model, palette(6))
    if way == "palette8":
        return cto.palettize_weights(model, palette(8))
    if way == "palette6-groups":
        return cto.palettize_weights(model, palette(6, **groups))
    if way == "palette4-scales":
        return cto.palettize_weights(model, palette(4, **groups, enable_per_channel_scale=True))
    pruned = cto.prune_weights(model, sparse)
    if way == "sparse-int8":
        return cto.linear_quantize_weights(pruned, int8, joint_compression=True)
    if way == "sparse-palette6":
        return cto.palettize_weights(pruned, palette(6), joint_compression=True)
    return pruned


def draw_pictures() -> np.ndarray:
    """Draws smooth pictures, uint8 [12, SIDE_PX, SIDE_PX, 3]: white noise looks all the same."""
    coarse = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    x_nchw = torch.nn.functional.interpolate(coarse, size=SIDE_PX, mode="bilinear")
    return (x_nchw * 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def make_op(
    kind: str, inputs: dict, output: str, dtype: str = "fp16", shape: tuple | None = (1, 3, 2, 2)
) -> Operation:
    """One op with one result."""
    return Operation(kind, inputs, (Result(output, dtype, shape),))


def make_program(*steps: Operation, side_px: int = 2, classes: int = 12) -> MilProgram:
    """A program of some steps, whose last result is given as the probabilities."""
    names = [str(index) for index in range(classes)]
    inputs = {"probabilities": Reference(steps[-1].output), "classes": names}
    last = Operation("classify", inputs, (Result("label", "", None),))
    return MilProgram(Package("image", side_px, "RGB", (*steps, last)))
