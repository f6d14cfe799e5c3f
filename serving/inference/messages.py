"""Requests and answers of the Open Inference Protocol, free of HTTP.

Sources: the protocol's HTTP/REST part ("Inference Request JSON Object" and "Inference Response JSON
Object"), and Triton's extensions binary_tensor_data and classification.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from mobile_assets.manifest import Manifest
from serving.errors import InferenceError, explain_json
from serving.inference.tensors import (
    BYTES,
    FP32,
    PIXEL_TYPES,
    read_elements,
    read_pixels,
    write_binary,
)
from training.answers import Answers

IMAGE, PHOTO = "image", "photo"
LABEL, VERDICT = "label", "verdict"
# Of the HTTP header that says how many bytes of a body are JSON, before binary data.
HEADER_LENGTH = "Inference-Header-Content-Length"
OUTPUTS = (PROBABILITIES, KNOWN_SCORE, LABEL, VERDICT)
MAX_BATCH = 16
MAX_ID_CHARS = 256
# JSON becomes Python objects of many times its size; a longer tensor is sent as binary data.
MAX_JSON_BYTES = 8 << 20
# Each bracket becomes an object of 56 bytes and more, however little stands in it.
_MAX_BRACKETS = 1_000_000
_MICROSECONDS = 1e6


@dataclass(frozen=True)
class Wanted:
    """An output that a request asks for.

    Attributes:
        name: one of `OUTPUTS`.
        binary: whether its data shall follow the JSON.
        classes: of the probabilities the most probable so many, as texts; 0 for the numbers.
    """

    name: str
    binary: bool
    classes: int = 0


@dataclass(frozen=True, eq=False)
class Request:
    """A request.

    Attributes:
        id: to be given back; None where there is none.
        given: pixels of shape [N, side, side, 3], or the photos' files.
        wanted: the outputs.
        timeout_s: what the client allows, in seconds; None for what the server does.
    """

    id: str | None
    given: npt.NDArray[np.uint8] | npt.NDArray[np.float32] | list[bytes]
    wanted: tuple[Wanted, ...]
    timeout_s: float | None


def describe_tensors(manifest: Manifest) -> dict[str, list[dict[str, Any]]]:
    """Returns what a version takes and gives, for its metadata."""
    side_px, classes = manifest.fallback.preprocess.input_px, len(manifest.labels)
    return {
        "inputs": [
            {"name": IMAGE, "datatype": FP32, "shape": [-1, side_px, side_px, 3]},
            {"name": PHOTO, "datatype": BYTES, "shape": [-1]},
        ],
        "outputs": [
            {"name": PROBABILITIES, "datatype": FP32, "shape": [-1, classes]},
            {"name": KNOWN_SCORE, "datatype": FP32, "shape": [-1, 1]},
            {"name": LABEL, "datatype": BYTES, "shape": [-1]},
            {"name": VERDICT, "datatype": BYTES, "shape": [-1]},
        ],
    }


def read_request(body: bytes, header_length: int | None, side_px: int) -> Request:
    """Reads a request.

    Args:
        body: not compressed any more.
        header_length: bytes of JSON at its start; None where all of it is. 0 makes the whole body
            one photo's file (Triton's raw binary request).
        side_px: side of the square of pixels that the model takes.

    Raises:
        InferenceError: malformed; the message says where and what is allowed.
    """
    if header_length == 0:
        wanted = tuple(Wanted(name, binary=False) for name in OUTPUTS)
        return Request(None, [body], wanted, None)
    header_bytes = len(body) if header_length is None else header_length
    if not 0 < header_bytes <= len(body):
        raise InferenceError(f"the JSON is said to have {header_length} bytes of {len(body)}")
    table = _parse(body[:header_bytes])
    parameters = _read_parameters(table, "the request")
    return Request(
        _read_id(table),
        _read_input(table, body[header_bytes:], side_px),
        _read_wanted(table, _read_binary_output(parameters)),
        _read_timeout_s(parameters),
    )


def _parse(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_JSON_BYTES:
        raise InferenceError(
            f"the JSON has {len(text)} bytes: allowed are {MAX_JSON_BYTES}; send tensors as binary "
            "data"
        )
    if text.count(b"[") + text.count(b"{") > _MAX_BRACKETS:
        raise InferenceError(f"the JSON has more than {_MAX_BRACKETS} lists and objects")
    try:
        table = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InferenceError(explain_json(error)) from error
    if not isinstance(table, dict):
        raise InferenceError("the body is no JSON object")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _read_id(table: dict[str, Any]) -> str | None:
    found = table.get("id")
    if found is None:
        return None
    if not isinstance(found, str) or len(found) > MAX_ID_CHARS or "\0" in found:
        raise InferenceError(f"id is a text of up to {MAX_ID_CHARS} characters other than U+0000")
    return found


def _read_parameters(table: dict[str, Any], where: str) -> dict[str, Any]:
    found = table.get("parameters", {})
    if not isinstance(found, dict):
        raise InferenceError(f"parameters of {where} are an object")
    return found


def _read_timeout_s(parameters: dict[str, Any]) -> float | None:
    found = parameters.get("timeout")  # in microseconds
    if found is None:
        return None
    if type(found) is not int or found < 0:
        raise InferenceError("timeout is a whole number of microseconds")
    if found == 0:
        return None
    return float(min(found, 1 << 53)) / _MICROSECONDS


def _read_binary_output(parameters: dict[str, Any]) -> bool:
    found = parameters.get("binary_data_output", False)
    if not isinstance(found, bool):
        raise InferenceError("binary_data_output is true or false")
    return found


def _read_tables(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InferenceError(f"{key} is a list of objects")
    return found


def _read_input(
    table: dict[str, Any], binary: bytes, side_px: int
) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32] | list[bytes]:
    entries = _read_tables(table, "inputs")
    if len(entries) != 1:
        raise InferenceError(f"inputs are {len(entries)}: one is allowed, {IMAGE} or {PHOTO}")
    (entry,) = entries
    name, datatype = entry.get("name"), entry.get("datatype")
    given = _read_data(entry, binary)
    if name == PHOTO:
        if datatype != BYTES:
            raise InferenceError(f"{PHOTO} is of {_shorten(datatype)}: allowed is {BYTES}")
        shape = _read_shape(entry, PHOTO, ())
        return read_elements(math.prod(shape), given)
    if name == IMAGE:
        if not isinstance(datatype, str) or datatype not in PIXEL_TYPES:
            raise InferenceError(
                f"{IMAGE} is of {_shorten(datatype)}: allowed are {', '.join(PIXEL_TYPES)}"
            )
        return read_pixels(_read_shape(entry, IMAGE, (side_px, side_px, 3)), datatype, given)
    raise InferenceError(f"there is no input {_shorten(name)}: allowed are {IMAGE} and {PHOTO}")


def _read_data(entry: dict[str, Any], binary: bytes) -> bytes | list[Any]:
    size_bytes = _read_parameters(entry, "an input").get("binary_data_size")
    if size_bytes is None:
        if binary:
            raise InferenceError(f"{len(binary)} bytes follow the JSON, of no input")
        data = entry.get("data")
        if not isinstance(data, list):
            raise InferenceError("an input has data, a list, or else binary_data_size")
        return data
    if "data" in entry:
        raise InferenceError("an input has both data and binary_data_size: allowed is one")
    if type(size_bytes) is not int or size_bytes != len(binary):
        raise InferenceError(f"binary_data_size is {size_bytes!r}: {len(binary)} bytes follow")
    return binary


def _read_shape(entry: dict[str, Any], name: str, tail: tuple[int, ...]) -> list[int]:
    found = entry.get("shape")
    rank = len(tail) + 1
    # Some clients give each text a dimension of its own.
    allowed_tails = (tail,) if tail else ((), (1,))
    if (
        not isinstance(found, list)
        or not all(type(size) is int for size in found)
        or tuple(found[1:]) not in allowed_tails
        or len(found) < 1
        or not 1 <= found[0] <= MAX_BATCH
    ):
        expected = ", ".join(["N", *map(str, tail)])
        raise InferenceError(
            f"the shape of {name} is {_shorten(found)}: allowed is [{expected}], of N from 1 to "
            f"{MAX_BATCH}"
        )
    return found[: max(rank, len(found))]


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _read_wanted(table: dict[str, Any], binary_by_default: bool) -> tuple[Wanted, ...]:
    entries = _read_tables(table, "outputs")
    if not entries:
        return tuple(Wanted(name, binary_by_default) for name in OUTPUTS)
    if len(entries) > len(OUTPUTS):
        raise InferenceError(f"outputs are {len(entries)}: allowed are {len(OUTPUTS)}")
    found = tuple(_read_one_wanted(entry, binary_by_default) for entry in entries)
    if len({wanted.name for wanted in found}) < len(found):
        raise InferenceError("an output is asked for twice")
    return found


def _read_one_wanted(entry: dict[str, Any], binary_by_default: bool) -> Wanted:
    name, parameters = entry.get("name"), _read_parameters(entry, "an output")
    if name not in OUTPUTS:
        raise InferenceError(
            f"there is no output {_shorten(name)}: allowed are {', '.join(OUTPUTS)}"
        )
    binary = parameters.get("binary_data", binary_by_default)
    classes = parameters.get("classification", 0)
    if type(binary) is not bool or type(classes) is not int or classes < 0:
        raise InferenceError("binary_data is true or false, classification a number from 0")
    if classes and name != PROBABILITIES:
        raise InferenceError(f"classification is for {PROBABILITIES} alone")
    return Wanted(name, binary, classes)


@dataclass(frozen=True, eq=False)
class Reply:
    """What an answer is made of.

    Attributes:
        model: name of the model.
        version: the one that answered.
        labels: of the model.
        answers: as the artifact gave them.
        names: the first label of each photo.
        verdicts: of each photo.
    """

    model: str
    version: str
    labels: Sequence[str]
    answers: Answers
    names: list[str]
    verdicts: list[str]

    def write(self, request: Request) -> tuple[bytes, int | None]:
        """Returns the body, and how many bytes of JSON it begins with; None where all of it is."""
        outputs, follow = [], []
        for wanted in request.wanted:
            values, datatype, shape = self._find(wanted)
            output: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": shape}
            if wanted.binary:
                data = write_binary(values)
                output["parameters"] = {"binary_data_size": len(data)}
                follow.append(data)
            else:
                output["data"] = values if isinstance(values, list) else values.ravel().tolist()
            outputs.append(output)
        table: dict[str, Any] = {"model_name": self.model, "model_version": self.version}
        if request.id is not None:
            table["id"] = request.id
        header = json.dumps(table | {"outputs": outputs}).encode()
        return b"".join([header, *follow]), len(header) if follow else None

    def _find(self, wanted: Wanted) -> tuple[npt.NDArray[np.float32] | list[str], str, list[int]]:
        count = len(self.answers)
        if wanted.name == PROBABILITIES:
            rows = self.answers.probabilities
            if wanted.classes:
                classes = min(wanted.classes, rows.shape[1])
                return self._name_classes(classes), BYTES, [count, classes]
            return rows, FP32, list(rows.shape)
        if wanted.name == KNOWN_SCORE:
            return self.answers.known_scores, FP32, [count, 1]
        return (self.names if wanted.name == LABEL else self.verdicts), BYTES, [count]

    def _name_classes(self, classes: int) -> list[str]:
        """Returns "probability:index:label" of each photo's first classes."""
        rows = self.answers.probabilities
        order = np.argsort(-rows, axis=1, kind="stable")[:, :classes]
        return [
            f"{row[index]:f}:{index}:{self.labels[index]}"
            for row, indices in zip(rows, order, strict=True)
            for index in indices
        ]
