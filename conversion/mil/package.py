"""Reads an `.mlpackage` from disk: its MIL program, the weights file included.

Layout: `Manifest.json` names the model's specification (a protobuf, `Model.proto`); that holds
the program, whose large constants lie in `weights/weight.bin`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from conversion.errors import ArtifactError
from conversion.formats.coreml_tools import Model_pb2
from conversion.mil.values import TYPES, ValueReader, shape_of


@dataclass(frozen=True)
class Result:
    """What an op gives, as the program declares it.

    Attributes:
        name: unique in the program.
        dtype: "fp16", "int8" and so on, see `mil_values.TYPES`; "" where it is no tensor.
        shape: -1 for a size that the program leaves open; None where it is no tensor.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Operation:
    """One op of the program, its constants read.

    Attributes:
        kind: name in the MIL reference, e.g. "conv".
        inputs: name -> a constant's value, a `Reference`, or a list of these. Of a `constexpr_*`
            op before opset iOS 18, which has attributes instead, these.
        results: what it gives, at least one.
    """

    kind: str
    inputs: dict[str, Any]
    results: tuple[Result, ...]

    @property
    def output(self) -> str:
        """Name of its first result."""
        return self.results[0].name


@dataclass(frozen=True)
class Reference:
    """The result of an earlier op, or the program's input, by name."""

    name: str


@dataclass(frozen=True)
class Package:
    """A classifier's program.

    Attributes:
        input_name: name of the image input.
        side_px: side of the square image, in pixels.
        colour_order: "RGB" or "BGR", as the input declares.
        operations: in order of execution; `const` is left out, `constexpr_*` is not.
        metadata: the words that its maker stored with it.
    """

    input_name: str
    side_px: int
    colour_order: str
    operations: tuple[Operation, ...]
    metadata: dict[str, str] = field(default_factory=dict)


def read_package(path: Path) -> Package:
    """Reads a package.

    Raises:
        ArtifactError: missing, truncated, or not an image classifier as an ML program.
        UnknownOpError: its values are of a kind that is not known here.
    """
    try:
        manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
        entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
        specification = path / "Data" / entry["path"]
        if not specification.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"{entry['path']!r} lies outside of it")
        model = Model_pb2.Model.FromString(specification.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise ArtifactError(f"{path} is not a readable .mlpackage: {error!r}") from error
    name, side_px, colour_order = _read_image_input(model, path)
    operations = _read_operations(model, specification.parent)
    metadata = dict(model.description.metadata.userDefined)
    return Package(name, side_px, colour_order, operations, metadata)


def _read_image_input(model: Any, path: Path) -> tuple[str, int, str]:
    inputs = model.description.input
    kinds = [feature.type.WhichOneof("Type") for feature in inputs]
    if kinds != ["imageType"]:
        raise ArtifactError(f"{path}: its inputs are {kinds}: one image is expected")
    image = inputs[0].type.imageType
    order = image.ColorSpace.Name(image.colorSpace)
    if order not in ("RGB", "BGR") or image.width != image.height:
        raise ArtifactError(
            f"{path}: its input is {order}, {image.width} x {image.height}: "
            "a square RGB or BGR image is expected"
        )
    return inputs[0].name, image.width, order


def _read_operations(model: Any, folder: Path) -> tuple[Operation, ...]:
    if model.WhichOneof("Type") != "mlProgram" or "main" not in model.mlProgram.functions:
        raise ArtifactError(f"{folder}: not an ML program with a function main")
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    reader = ValueReader(folder)
    constants: dict[str, Any] = {}
    operations = []
    for operation in block.operations:
        results = tuple(_read_result(output) for output in operation.outputs)
        if not results:
            raise ArtifactError(f"{folder}: MIL op {operation.type} gives nothing")
        if operation.type == "const":
            constants[results[0].name] = reader.read(operation.attributes["val"])
        else:
            inputs = _read_inputs(operation, constants, reader)
            operations.append(Operation(operation.type, inputs, results))
    if not operations:
        raise ArtifactError(f"{folder}: its program is empty")
    return tuple(operations)


def _read_inputs(operation: Any, constants: dict[str, Any], reader: ValueReader) -> dict[str, Any]:
    inputs = {
        name: _read_argument(argument, constants, reader)
        for name, argument in operation.inputs.items()
    }
    if operation.type.startswith("constexpr_"):
        for name, value in operation.attributes.items():
            if name != "name":
                inputs[name] = reader.read(value)
    return inputs


def _read_argument(argument: Any, constants: dict[str, Any], reader: ValueReader) -> Any:
    values = []
    for binding in argument.arguments:
        if binding.WhichOneof("binding") == "value":
            values.append(reader.read(binding.value))
        else:
            values.append(constants.get(binding.name, Reference(binding.name)))
    return values[0] if len(values) == 1 else values


def _read_result(output: Any) -> Result:
    if output.type.WhichOneof("type") != "tensorType":
        return Result(output.name, "", None)
    tensor_type = output.type.tensorType
    element = TYPES.get(tensor_type.dataType)
    return Result(output.name, element.name if element else "", shape_of(tensor_type))
