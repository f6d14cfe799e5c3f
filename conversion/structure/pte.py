"""The structure of a `.pte`: the graph inside its XNNPACK delegate, and what stayed outside."""

from collections import Counter
from pathlib import Path

from conversion.structure.pte_file import PteProgram, PteTensor, read_pte
from conversion.structure.summary import FLOATS, INT8, Feature, Structure
from conversion.structure.xnnpack_graph import BACKEND, XnnGraph, parse_xnnpack

_SMALL = (*FLOATS, *INT8, "int4")
# A program with named data needs a runtime that knows the field: schema/program.fbs has it as
# of the tag v0.6.0 and not at v0.5.0. A file without tells no floor.
_NAMED_DATA_RELEASE = "0.6"
# Floors of the published runtime, not of the file, as of the tag v1.4.1: Android minSdk of
# extension/android/executorch_android/build.gradle; iOS and macOS of
# docs/source/using-executorch-ios.md. For the Core ML delegate, macOS of
# docs/source/backends/coreml/coreml-overview.md.
_ANDROID = {"Android": "6.0 (API level 23)"}
_SYSTEMS = {
    BACKEND: _ANDROID | {"iOS": "17", "macOS": "12"},
    "CoreMLBackend": {"iOS": "17", "macOS": "13"},
    "VulkanBackend": _ANDROID,
}


def inspect_pte(path: Path) -> Structure:
    """Reads a `.pte`; see `conversion.structure.summary.inspect`."""
    program = read_pte(path)
    graphs = [
        parse_xnnpack(call.data, program.named, str(path))
        for call in program.delegates
        if call.backend == BACKEND
    ]
    backends = tuple(dict.fromkeys(call.backend for call in program.delegates))
    opaque = [backend for backend in backends if backend != BACKEND]
    inside = sum(len(graph.nodes) for graph in graphs)
    weights = _count_weights(program, graphs)
    notes = ["minimum systems: those of the published runtime, not of the file"]
    notes += [f"the ops and weights inside of {backend} are not read" for backend in opaque]
    return Structure(
        runtime="executorch",
        size_bytes=path.stat().st_size,
        inputs=tuple(Feature("", tensor.dtype, tensor.shape) for tensor in program.inputs),
        outputs=tuple(Feature("", tensor.dtype, tensor.shape) for tensor in program.outputs),
        ops=dict(Counter(node.kind for graph in graphs for node in graph.nodes)),
        outside_ops=dict(Counter(name for name, _ in program.kernels)),
        backends=backends,
        delegated_share=_delegated_share(inside, len(program.kernels), bool(opaque)),
        weights=weights,
        activations=_count_activations(program, graphs),
        compression=_describe_compression(graphs, weights),
        schema=_describe_schema(program, graphs),
        minimum_runtime=f"ExecuTorch {_NAMED_DATA_RELEASE}" if program.named else "not stated",
        minimum_systems=_minimum_systems(backends),
        notes=("minimum runtime: derived from the named data in the file", *notes)
        if program.named
        else tuple(notes),
    )


def _delegated_share(inside: int, outside: int, opaque: bool) -> float | None:
    if not outside:
        return 1.0 if inside or opaque else None
    return None if opaque else inside / (inside + outside)


def _count_weights(program: PteProgram, graphs: list[XnnGraph]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for graph in graphs:
        for value in graph.values.values():
            if value.data is not None and value.dtype in _SMALL and len(value.shape) >= 2:
                counts[value.dtype] += value.count
    for tensor in program.constants:
        if tensor.dtype in _SMALL and len(tensor.shape) >= 2:
            counts[tensor.dtype] += tensor.count
    return dict(counts)


def _count_activations(program: PteProgram, graphs: list[XnnGraph]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for graph in graphs:
        for node in graph.nodes:
            counts[graph.values[node.output].dtype] += graph.values[node.output].count
    results: list[PteTensor] = [result for _, result in program.kernels if result is not None]
    for result in results:
        counts[result.dtype] += result.count
    return dict(counts)


def _describe_compression(graphs: list[XnnGraph], weights: dict[str, int]) -> str:
    if not any(kind in weights for kind in INT8):
        return "none"
    scales = [
        len(value.scales)
        for graph in graphs
        for value in graph.values.values()
        if value.data is not None and value.dtype in INT8 and len(value.shape) >= 2
    ]
    per_channel = sum(count > 1 for count in scales)
    return f"int8 with scales, {per_channel} of {len(scales)} weights per channel"


def _describe_schema(program: PteProgram, graphs: list[XnnGraph]) -> str:
    parts = [f"ExecuTorch program {program.identifier} version {program.version}"]
    parts += [f"XNNPACK graph {graph.identifier}" for graph in graphs[:1]]
    return ", ".join(parts)


def _minimum_systems(backends: tuple[str, ...]) -> dict[str, str]:
    """Returns the systems on which every delegate of the file runs; empty if one is unknown."""
    known = [_SYSTEMS.get(backend, {}) for backend in backends]
    if not known:
        return {}
    shared = [name for name in known[0] if all(name in systems for systems in known)]
    return {name: max((systems[name] for systems in known), key=_version) for name in shared}


def _version(text: str) -> float:
    return float(text.split()[0])
