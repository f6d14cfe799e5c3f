"""The structure of an `.mlpackage`, from the types that its MIL program declares."""

import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from conversion.errors import ArtifactError
from conversion.formats.coreml_tools import MIL_pb2, Model_pb2
from conversion.structure.summary import FLOATS, INT8, Feature, Structure, preprocess_sha256

# Model.proto, comment on `specificationVersion`: version -> Core ML, iOS, macOS.
_RELEASES = {
    6: ("5", "15", "12"),
    7: ("6", "16", "13"),
    8: ("7", "17", "14"),
    9: ("8", "18", "15"),
    10: ("9", "26", "26"),
}
_PREPROCESS_KEY = "ghostlens.preprocess"
# Where each op that unpacks weights takes the packed ones from (MIL Ops reference, "constexpr").
_PACKED = {
    "constexpr_affine_dequantize": "quantized_data",
    "constexpr_blockwise_shift_scale": "data",
    "constexpr_cast": "source_val",
}
_CONSTEXPR = "constexpr_"
_LUT = "constexpr_lut_to_dense"


def inspect_package(path: Path) -> Structure:
    """Reads an `.mlpackage`; see `conversion.structure.summary.inspect`."""
    model = _read_specification(path)
    if model.WhichOneof("Type") != "mlProgram" or "main" not in model.mlProgram.functions:
        raise ArtifactError(f"{path}: not an ML program with a function main")
    function = model.mlProgram.functions["main"]
    if function.opset not in function.block_specializations:
        raise ArtifactError(f"{path}: no program for the opset {function.opset!r} that it names")
    operations = function.block_specializations[function.opset].operations
    weights, activations = _count_values(operations)
    core_ml, systems, notes = _minimum_versions(model.specificationVersion)
    description = model.description
    stated = description.metadata.userDefined
    return Structure(
        runtime="coreml",
        size_bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        inputs=tuple(_feature(feature) for feature in description.input),
        outputs=tuple(_feature(feature) for feature in description.output),
        ops=dict(Counter(op.type for op in operations if op.type != "const")),
        outside_ops={},
        backends=(),
        delegated_share=None,
        weights=weights,
        activations=activations,
        compression=_describe_compression(operations),
        schema=f"Core ML specification {model.specificationVersion}, opset {function.opset}",
        minimum_runtime=core_ml,
        minimum_systems=systems,
        preprocess_sha256=_hash_preprocess(stated[_PREPROCESS_KEY], path)
        if _PREPROCESS_KEY in stated
        else "",
        notes=notes,
    )


def _read_specification(path: Path) -> Any:
    try:
        manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
        entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
        specification = path / "Data" / entry["path"]
        return Model_pb2.Model.FromString(specification.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, RecursionError, DecodeError) as error:
        raise ArtifactError(f"{path} is not a readable .mlpackage: {error!r}") from error


def _count_values(operations: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the values of weights and of activations, by type."""
    # From opset CoreML8 on, packed weights are constants of their own: not to be counted twice.
    packed = {
        binding.name
        for op in operations
        if op.type.startswith(_CONSTEXPR)
        for item in op.inputs.values()
        for binding in item.arguments
    }
    weights: Counter[str] = Counter()
    activations: Counter[str] = Counter()
    for op in operations:
        for output in op.outputs:
            if output.type.WhichOneof("type") != "tensorType":
                continue
            kind, shape = _type(output.type.tensorType), _shape(output.type.tensorType)
            if op.type.startswith(_CONSTEXPR):
                weights[_packed_kind(op, operations)] += prod(shape)
            elif op.type != "const" and kind != "string":
                activations[kind] += prod(shape)
            elif len(shape) >= 2 and kind in (*FLOATS, *INT8) and output.name not in packed:
                weights[kind] += prod(shape)
    return dict(weights), dict(activations)


def _packed_kind(op: Any, operations: Any) -> str:
    """Returns how a `constexpr_*` op's weights are stored: "int8", "palette6" and so on."""
    if op.type == _LUT:
        lut = _argument_type(op, "lut", operations)
        # One table of 2^bits values (opset CoreML6); later ones keep them second to last.
        entries = _shape(lut)
        count = entries[0] if len(entries) == 1 else entries[-2] if entries else 0
        return f"palette{max(count - 1, 0).bit_length()}"
    if op.type in _PACKED:
        return _type(_argument_type(op, _PACKED[op.type], operations))
    return str(op.type.removeprefix(_CONSTEXPR))


def _argument_type(op: Any, name: str, operations: Any) -> Any:
    """Returns the tensor type of an argument: an attribute, a value, or another op's result."""
    if name in op.attributes:
        return op.attributes[name].type.tensorType
    for binding in op.inputs[name].arguments:
        if binding.WhichOneof("binding") == "value":
            return binding.value.type.tensorType
        for other in operations:
            for output in other.outputs:
                if output.name == binding.name:
                    return output.type.tensorType
    raise ArtifactError(f"MIL op {op.type} has no {name}")


def _type(tensor_type: Any) -> str:
    return _name(MIL_pb2.DataType, tensor_type.dataType).lower()


def _name(enumeration: Any, number: int) -> str:
    try:
        return str(enumeration.Name(number))
    except ValueError:
        return f"type {number}"


def _shape(tensor_type: Any) -> tuple[int, ...]:
    """Returns the sizes; one that the program leaves open counts as 0, so as none."""
    return tuple(int(size.constant.size) for size in tensor_type.dimensions)


def _feature(feature: Any) -> Feature:
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        image = feature.type.imageType
        order = _name(image.ColorSpace, image.colorSpace)
        return Feature(feature.name, f"image {order}", (image.height, image.width, 3))
    if kind == "multiArrayType":
        array = feature.type.multiArrayType
        dtype = _name(array.ArrayDataType, array.dataType).lower()
        return Feature(feature.name, dtype, tuple(int(size) for size in array.shape))
    return Feature(feature.name, str(kind).removesuffix("Type"), ())


def _describe_compression(operations: Any) -> str:
    kinds = Counter(op.type for op in operations if op.type.startswith(_CONSTEXPR))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"


def _minimum_versions(version: int) -> tuple[str, dict[str, str], tuple[str, ...]]:
    if version not in _RELEASES:
        known = ", ".join(map(str, _RELEASES))
        return "not known", {}, (f"specification {version} is not among the known: {known}",)
    core_ml, ios, macos = _RELEASES[version]
    systems = {"iOS": ios, "macOS": macos}
    return f"Core ML {core_ml}", systems, (f"minimum versions: those of specification {version}",)


def _hash_preprocess(text: str, path: Path) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: its {_PREPROCESS_KEY} is no JSON: {error}") from error
    return preprocess_sha256(value)
