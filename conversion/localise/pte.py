"""The values inside of a `.pte`, from our evaluation of the graph in its XNNPACK delegate."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conversion.errors import ArtifactError
from conversion.localise.trace import Floats, Trace, TracedLayer, filter_to_oihw, follow, to_nchw
from conversion.structure.pte_file import DelegateCall, read_pte
from conversion.structure.xnnpack_evaluation import dequantise, evaluate
from conversion.structure.xnnpack_graph import BACKEND, XnnGraph, XnnNode, parse_xnnpack

_DEPTHWISE = "DepthwiseConv2d"
_LAYERS = ("Conv2d", _DEPTHWISE, "FullyConnected")
# Ops that work on each element alone, if all their inputs but one are constants, or move it.
_PASSING = {
    "Add",
    "Clamp",
    "Convert",
    "Copy",
    "Div",
    "Hardswish",
    "Maximum",
    "Minimum",
    "Multiply",
    "Sigmoid",
    "StaticTranspose",
    "Subtract",
}
_TO_NCHW = (0, 3, 1, 2)


def trace_executorch(path: Path, x_nhwc: npt.NDArray[np.uint8]) -> Trace:
    """Evaluates the graph of a `.pte` that runs wholly in XNNPACK.

    Args:
        path: the file.
        x_nhwc: uint8 photos, shape [N, side, side, 3].

    Raises:
        ArtifactError: it is damaged, or not wholly in one XNNPACK delegate.
    """
    program = read_pte(path)
    backends = [call.backend for call in program.delegates]
    if backends != [BACKEND] or program.kernels:
        raise ArtifactError(
            f"{path}: delegates {backends} and {len(program.kernels)} kernels outside: only a "
            "program that is one XNNPACK delegate can be looked into"
        )
    call = program.delegates[0]
    graph = parse_xnnpack(call.data, program.named, str(path))
    given, photo = _read_arguments(graph, call, str(path))
    layers = [
        node for node in graph.nodes if node.kind in _LAYERS and not _only_repeats(graph, node)
    ]
    outputs = sorted(graph.outputs, key=lambda id_: graph.values[id_].external_id)
    if not layers or len(outputs) != 2:
        raise ArtifactError(f"{path}: {len(layers)} layers and {len(graph.outputs)} outputs")
    readers = _find_readers(graph, given)
    results = [int(follow(str(node.output), readers)) for node in layers]
    wanted = {node.inputs[0] for node in layers} | {*results, *outputs}
    nchw = _find_nchw(graph, photo)
    rows = [evaluate(graph, given | {photo: _to_input(x_hwc)}) for x_hwc in x_nhwc]
    names = {id_: _name(graph, id_) for id_ in wanted}
    return Trace(
        "XNNPACK reference evaluation",
        tuple(
            _layer(graph, node, result, names) for node, result in zip(layers, results, strict=True)
        ),
        {
            str(id_): value if id_ in nchw else to_nchw(value)
            for id_, value in ((id_, np.concatenate([row[id_] for row in rows])) for id_ in wanted)
        },
        {str(id_): name for id_, name in names.items()},
        *map(str, outputs),
    )


def _layer(graph: XnnGraph, node: XnnNode, result: int, names: dict[int, str]) -> TracedLayer:
    stored = graph.values[node.inputs[1]]
    if stored.data is None:
        raise ArtifactError(f"the filter of {names[result]} is not stored in the file")
    oihw = filter_to_oihw(dequantise(stored, stored.data), node.kind == _DEPTHWISE)
    return TracedLayer(names[result], oihw, str(node.inputs[0]), str(result))


def _only_repeats(graph: XnnGraph, node: XnnNode) -> bool:
    """Tells upsampling from a layer of the network: see `conversion.spreading`."""
    stored = graph.values[node.inputs[1]].data
    if node.kind != "FullyConnected" or stored is None or len(node.inputs) > 2:
        return False
    kept = stored[stored != 0]
    return kept.size == len(stored) and bool((kept == kept[0]).all() and stored.any(axis=1).all())


def _read_arguments(
    graph: XnnGraph, call: DelegateCall, where: str
) -> tuple[dict[int, Floats], int]:
    """Returns the constants that the program hands in at each call, and the id of the photo.

    The delegate takes its arguments in the order of external ids (XNNExecutor.cpp, `initialize`).
    """
    given: dict[int, Floats] = {}
    photos = []
    ordered = sorted(graph.inputs, key=lambda id_: graph.values[id_].external_id)
    for id_, tensor in zip(ordered, call.arguments, strict=False):  # behind them, the results
        if tensor is None or tensor.data is None:
            photos.append(id_)
        elif tensor.dtype in ("float32", "float16", "int8", "uint8", "int32"):
            data = np.frombuffer(tensor.data, np.dtype(tensor.dtype)).reshape(tensor.shape)
            given[id_] = dequantise(graph.values[id_], data)
        else:
            raise ArtifactError(f"{where}: a constant of type {tensor.dtype} goes into XNNPACK")
    if len(photos) != 1:
        raise ArtifactError(f"{where}: {len(photos)} inputs go into XNNPACK: one is expected")
    return given, photos[0]


def _find_nchw(graph: XnnGraph, photo: int) -> set[int]:
    """Returns the images that lie channel by channel: the photo, and what is turned back so."""
    nchw = {photo}
    for node in graph.nodes:
        order = node.lists.get("order")
        if order == _TO_NCHW or (order is None and node.kind in _PASSING and nchw & {*node.inputs}):
            nchw.add(node.output)
    return nchw


def _find_readers(graph: XnnGraph, given: Mapping[int, Floats]) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        computed = [
            id_ for id_ in node.inputs if graph.values[id_].data is None and id_ not in given
        ]
        passes = node.kind in _PASSING and len(computed) == 1
        for id_ in computed:
            readers.setdefault(str(id_), []).append(str(node.output) if passes else "")
    return readers


def _name(graph: XnnGraph, id_: int) -> str:
    """XNNPACK's graph has no names: a value is called by its number and what makes it."""
    makers = [node.kind for node in graph.nodes if node.output == id_]
    return f"value {id_} ({makers[0] if makers else 'input'})"


def _to_input(x_hwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(x_hwc.transpose(2, 0, 1)[None], np.float32)
