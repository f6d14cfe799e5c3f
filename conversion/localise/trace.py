"""What a format's evaluation gives to the search for a broken layer: weights and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TracedLayer:
    """A convolution or linear layer, as one side has it.

    Attributes:
        name: of the layer in the network, or of its result in the artifact.
        weight: as it is multiplied, so dequantised: [outputs, inputs / groups, height, width],
            1 x 1 for a linear layer.
        source: key of the value that goes in, before padding.
        result: key of the value that comes out; see `follow`.
    """

    name: str
    weight: Floats
    source: str
    result: str


@dataclass(frozen=True)
class Trace:
    """What an artifact computed for some photos.

    Attributes:
        evaluator: what computed it, in words.
        layers: its convolutions and linear layers, in order of execution.
        values: every source and result of these and both outputs, by key: float32, [N, channels,
            height, width] or [N, values].
        names: key -> what the value is called in the file.
        answer: key of the probabilities.
        known_score: key of the known scores.
    """

    evaluator: str
    layers: tuple[TracedLayer, ...]
    values: Mapping[str, Floats]
    names: Mapping[str, str]
    answer: str
    known_score: str


def follow(key: str, readers: Mapping[str, Sequence[str]]) -> str:
    """Returns what a value becomes by element-wise ops that nothing else comes between.

    Converters fuse such ops into the layer before them, each format other ones, so layers are
    compared behind them all: behind the ReLU of a convolution, behind a whole hard sigmoid.

    Args:
        key: of the value.
        readers: key -> for each op that reads the value, the key of its result where it works
            on each element of this value alone (with constants), and "" where it does not.
    """
    found = readers.get(key, ())
    if len(found) == 1 and found[0]:
        return follow(found[0], readers)
    return key


def to_nchw(x: Floats) -> Floats:
    """Returns images [N, H, W, C] as [N, C, H, W], and others as they are."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def filter_to_oihw(weight: Floats, depthwise: bool) -> Floats:
    """Returns a filter as [outputs, inputs, height, width].

    Args:
        weight: [outputs, height, width, inputs], [1, height, width, outputs] of a depthwise
            convolution, or [outputs, inputs] of a linear layer.
        depthwise: whether it is that of a depthwise convolution.
    """
    if weight.ndim == 2:
        return weight[:, :, None, None]
    return weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
