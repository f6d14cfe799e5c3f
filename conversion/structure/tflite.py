"""The structure of a `.tflite`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conversion.errors import ArtifactError
from conversion.structure.summary import FLOATS, INT8, Feature, Structure
from conversion.structure.tflite_graph import TfliteGraph, TfliteOp, read_tflite

_VERSION_KEY = "min_runtime_version"
# Oldest TensorFlow Lite whose kernel takes an op with float, with int8 and with float inputs
# beside int8 weights per channel (hybrid). The op version that each of them needs is that of
# `GetBuiltinOperatorVersion` (tensorflow/lite/tools/versioning/op_version.cc), the release that
# of `FindMinimumRuntimeVersionForOp` (runtime_version.cc there). The file's own op versions do
# not count: the quantizer leaves those of the float model.
_FLOAT, _INT8, _HYBRID = "float", "int8", "hybrid"
_RELEASES = {
    "ADD": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "AVERAGE_POOL_2D": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "CONCATENATION": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "CONV_2D": {_FLOAT: "1.5.0", _INT8: "1.14.0", _HYBRID: "2.4.0"},
    "DEPTHWISE_CONV_2D": {_FLOAT: "1.5.0", _INT8: "1.14.0", _HYBRID: "2.3.0"},
    "DEQUANTIZE": {_FLOAT: "1.15.0", _INT8: "1.14.0"},  # float: from float16
    "FULLY_CONNECTED": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "HARD_SWISH": {_FLOAT: "1.15.0", _INT8: "1.15.0"},
    "LOGISTIC": {_FLOAT: "1.14.0", _INT8: "1.14.0"},
    "MEAN": {_FLOAT: "1.6.0", _INT8: "1.14.0"},
    "MUL": {_FLOAT: "1.5.0", _INT8: "1.15.0"},  # int8: of version 3, which may scale up
    "PAD": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "QUANTIZE": {_FLOAT: "1.14.0", _INT8: "1.15.0"},  # int8: to another scale
    "RELU": {_FLOAT: "1.5.0", _INT8: "2.1.0"},
    "RELU6": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "RESHAPE": {_FLOAT: "1.5.0", _INT8: "1.5.0"},
    # Of version 3, with half-pixel centres, as the converter writes it.
    "RESIZE_NEAREST_NEIGHBOR": {_FLOAT: "2.3.0", _INT8: "2.3.0"},
    "RSQRT": {_FLOAT: "1.10.0", _INT8: "2.5.0"},
    "SLICE": {_FLOAT: "1.14.0", _INT8: "1.14.0"},
    "SOFTMAX": {_FLOAT: "1.5.0", _INT8: "1.14.0"},
    "STRIDED_SLICE": {_FLOAT: "1.6.0", _INT8: "1.14.0"},
    "SUB": {_FLOAT: "1.6.0", _INT8: "1.14.0"},
    "TRANSPOSE": {_FLOAT: "1.6.0", _INT8: "1.14.0"},
}
# Weights behind the flatbuffer came with TensorFlow 2.14 (its release notes,
# "_experimental_use_buffer_offset").
_OUTSIDE_BUFFERS_RELEASE = "2.14.0"
# Android: LiteRT 2.1 (ai.google.dev/edge/litert/android). iOS: TensorFlowLiteSwift.podspec 2.14
# to 2.17. Floors of the runtimes that are published; the file itself asks for neither.
_SYSTEMS = {"Android": "6.0 (API level 23)", "iOS": "12.0"}


def inspect_tflite(path: Path) -> Structure:
    """Reads a `.tflite`; see `conversion.structure.summary.inspect`."""
    graph = read_tflite(path)
    _check_data(graph, path)
    constant = _fold_constants(graph)
    release, notes = _minimum_release(graph)
    weights = _count_weights(graph)
    return Structure(
        runtime="litert",
        size_bytes=path.stat().st_size,
        inputs=_features(graph, graph.inputs),
        outputs=_features(graph, graph.outputs),
        ops=dict(Counter(op.kind for op in graph.ops)),
        outside_ops={},
        backends=(),
        delegated_share=None,
        weights=weights,
        activations=_count_activations(graph, constant),
        compression=_describe_compression(graph, weights),
        schema=f"TFLite schema {graph.schema_version}",
        minimum_runtime=f"TensorFlow Lite {release}",
        minimum_systems=dict(_SYSTEMS),
        notes=(*notes, "minimum systems: those of the published runtimes, not of the file"),
    )


def _check_data(graph: TfliteGraph, path: Path) -> None:
    """Refuses a file that lost weights: a tool that knows no outside buffers drops them."""
    made = {index for op in graph.ops for index in op.outputs} | set(graph.inputs)
    for op in graph.ops:
        for index in _present(op):
            tensor = graph.tensors[index]
            if index not in made and tensor.count and not (tensor.constant or tensor.variable):
                raise ArtifactError(
                    f"{path} is damaged: {op.kind} reads {tensor.name!r}, of which it has no values"
                )


def _fold_constants(graph: TfliteGraph) -> set[int]:
    """Returns the tensors that no photo changes: stored ones, and what is computed from these."""
    constant = {index for index, tensor in enumerate(graph.tensors) if tensor.constant}
    for op in graph.ops:
        if all(index in constant for index in op.inputs if index != -1):
            constant.update(op.outputs)
    return constant


def _count_weights(graph: TfliteGraph) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tensor in graph.tensors:
        small = tensor.dtype in (*FLOATS, *INT8, "int4", "int2")
        if tensor.constant and small and len(tensor.shape) >= 2:
            counts[tensor.dtype] += tensor.count
    return dict(counts)


def _count_activations(graph: TfliteGraph, constant: set[int]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for op in graph.ops:
        for index in op.outputs:
            if index not in constant and index != -1:
                counts[graph.tensors[index].dtype] += graph.tensors[index].count
    return dict(counts)


def _features(graph: TfliteGraph, indices: tuple[int, ...]) -> tuple[Feature, ...]:
    tensors = [graph.tensors[index] for index in indices]
    return tuple(Feature(tensor.name, tensor.dtype, tensor.shape) for tensor in tensors)


def _describe_compression(graph: TfliteGraph, weights: dict[str, int]) -> str:
    if not any(kind in weights for kind in INT8):
        return "float16, made float32 when loaded" if "float16" in weights else "none"
    scales = [
        len(tensor.scales)
        for tensor in graph.tensors
        if tensor.constant and tensor.dtype in INT8 and len(tensor.shape) >= 2
    ]
    per_channel = sum(count > 1 for count in scales)
    return f"int8 with scales, {per_channel} of {len(scales)} weights per channel"


def _minimum_release(graph: TfliteGraph) -> tuple[str, list[str]]:
    """Returns the newest of the releases that the parts of a file need, and where it comes from."""
    needed, unknown = [("0", "")], set()
    for op in graph.ops:
        operand = _operand(graph, op)
        release = _RELEASES.get(op.kind, {}).get(operand)
        if release is None:
            unknown.add(f"{op.kind} ({operand})")
        else:
            needed.append((release, f"{op.kind} ({operand})"))
    stated = graph.metadata.get(_VERSION_KEY, b"").rstrip(b"\0").decode("ascii", "replace")
    if _is_release(stated):
        needed.append((stated, f"the file's own {_VERSION_KEY}"))
    if graph.outside_buffers:
        needed.append((_OUTSIDE_BUFFERS_RELEASE, "weights behind the flatbuffer"))
    release, reason = max(needed, key=lambda entry: _parts(entry[0]))
    notes = [f"minimum runtime: derived from {reason}"] if reason else []
    if unknown:
        notes.append(f"minimum runtime: not known for {', '.join(sorted(unknown))}")
    return release, notes


def _operand(graph: TfliteGraph, op: TfliteOp) -> str:
    kinds = [graph.tensors[index].dtype for index in _present(op)]
    if kinds and kinds[0] in INT8:
        return _INT8
    return _HYBRID if len(kinds) > 1 and kinds[1] in INT8 else _FLOAT


def _present(op: TfliteOp) -> Iterator[int]:
    return (index for index in op.inputs if index != -1)


def _is_release(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 3 and all(part.isdigit() for part in parts)


def _parts(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
