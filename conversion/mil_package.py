"""Reads an `.mlpackage` from disk: its MIL program, the weights file included.

Layout: `Manifest.json` names the model's specification (a protobuf, `Model.proto`); that holds
the program, whose large constants lie in `weights/weight.bin`.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from conversion.coreml_tools import MIL_pb2, Model_pb2
from conversion.errors import ArtifactError, UnknownOpError

WEIGHTS_VARIABLE = "@model_path/"
# Data types of MIL.proto that our packages hold, and of a weights file (BlobDataType.hpp).
_NUMPY_TYPES: dict[int, np.dtype[Any]] = {
    MIL_pb2.FLOAT16: np.dtype("<f2"),
    MIL_pb2.FLOAT32: np.dtype("<f4"),
    MIL_pb2.INT32: np.dtype("<i4"),
    MIL_pb2.BOOL: np.dtype("?"),
}
_BLOB_TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f2"),
    2: np.dtype("<f4"),
    3: np.dtype("u1"),
    4: np.dtype("i1"),
}
# StorageFormat.hpp: before each blob stand its mark, type, size and place.
_BLOB_HEADER = struct.Struct("<IIQQ")
_BLOB_MARK = 0xDEADBEEF


@dataclass(frozen=True)
class Operation:
    """One op of the program, its constants read.

    Attributes:
        kind: name in the MIL reference, e.g. "conv".
        inputs: name -> a constant's value, a `Reference`, or a list of these.
        output: name of its first result.
        dtype: "fp16" or "fp32": what the program declares for that result; "" for others.
    """

    kind: str
    inputs: dict[str, Any]
    output: str
    dtype: str


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
        operations: in order of execution, constants left out.
    """

    input_name: str
    side_px: int
    colour_order: str
    operations: tuple[Operation, ...]


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
        model = Model_pb2.Model.FromString(specification.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise ArtifactError(f"{path} is not a readable .mlpackage: {error!r}") from error
    name, side_px, colour_order = _read_image_input(model, path)
    return Package(name, side_px, colour_order, _read_operations(model, specification.parent))


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
    reader = _ValueReader(folder)
    constants: dict[str, Any] = {}
    operations = []
    for operation in block.operations:
        output = operation.outputs[0]
        if operation.type == "const":
            constants[output.name] = reader.read(operation.attributes["val"])
            continue
        inputs = {
            name: _read_argument(argument, constants, reader)
            for name, argument in operation.inputs.items()
        }
        operations.append(Operation(operation.type, inputs, output.name, _dtype_of(output.type)))
    return tuple(operations)


def _read_argument(argument: Any, constants: dict[str, Any], reader: "_ValueReader") -> Any:
    values = []
    for binding in argument.arguments:
        if binding.WhichOneof("binding") == "value":
            values.append(reader.read(binding.value))
        else:
            values.append(constants.get(binding.name, Reference(binding.name)))
    return values[0] if len(values) == 1 else values


def _dtype_of(value_type: Any) -> str:
    names = {MIL_pb2.FLOAT16: "fp16", MIL_pb2.FLOAT32: "fp32"}
    return names.get(value_type.tensorType.dataType, "")


class _ValueReader:
    """Turns MIL values into arrays, numbers, words and lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}

    def read(self, value: Any) -> Any:
        """Returns a value: an array, a scalar where the rank is 0, a word, or a list."""
        if value.WhichOneof("value") == "blobFileValue":
            shape = [dim.constant.size for dim in value.type.tensorType.dimensions]
            blob = value.blobFileValue
            data = self._read_blob(blob.fileName, blob.offset, value.type.tensorType.dataType)
            if data.size != int(np.prod(shape)):
                raise ArtifactError(f"{self.folder}: {data.size} weights for shape {shape}")
            return data.reshape(shape)
        kind = value.immediateValue.WhichOneof("value")
        if kind == "list":
            return [self.read(item) for item in value.immediateValue.list.values]
        if kind == "tensor":
            return _read_tensor(value.immediateValue.tensor, value.type.tensorType)
        raise UnknownOpError(f"MIL value of kind {kind!r}: known are tensors, lists, files")

    def _read_blob(self, name: str, offset: int, data_type: int) -> Any:
        if name not in self.files:
            self.files[name] = _read_inside(self.folder, name)
        data, where = self.files[name], self.folder / name.removeprefix(WEIGHTS_VARIABLE)
        if offset + _BLOB_HEADER.size > len(data):
            raise ArtifactError(f"{where} is truncated: it ends before the weights at {offset}")
        mark, kind, size_bytes, start = _BLOB_HEADER.unpack_from(data, offset)
        dtype = _BLOB_TYPES.get(kind)
        if mark != _BLOB_MARK or dtype is None or dtype != _NUMPY_TYPES.get(data_type):
            raise ArtifactError(f"{where}: no weights of the declared type at {offset}")
        if start + size_bytes > len(data) or size_bytes % dtype.itemsize:
            raise ArtifactError(f"{where} is truncated: it ends within the weights at {offset}")
        return np.frombuffer(data, dtype, size_bytes // dtype.itemsize, start)


def _read_inside(folder: Path, name: str) -> bytes:
    path = folder / name.removeprefix(WEIGHTS_VARIABLE)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"weights file {name!r} lies outside of the package")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read weights file {path}: {error.strerror}") from error


def _read_tensor(tensor: Any, tensor_type: Any) -> Any:
    kind = tensor.WhichOneof("value")
    values = getattr(tensor, kind).values
    if kind == "strings":
        return values[0] if tensor_type.rank == 0 else list(values)
    dtype = _NUMPY_TYPES.get(tensor_type.dataType)
    if dtype is None:
        name = MIL_pb2.DataType.Name(tensor_type.dataType)
        raise UnknownOpError(f"MIL value of type {name}: known are fp16, fp32, int32, bool, string")
    shape = [dim.constant.size for dim in tensor_type.dimensions]
    array = np.frombuffer(values, dtype) if kind == "bytes" else np.array(values, dtype)
    if array.size != int(np.prod(shape)):
        raise ArtifactError(f"a MIL value holds {array.size} numbers for shape {shape}")
    return array.reshape(shape) if shape else array.reshape(-1)[0].item()
