"""Questions to another server of the Open Inference Protocol, and its answers, free of HTTP.

Its words are judged, not trusted: whatever is not as asked for is a `RemoteError`.
"""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from serving.errors import RemoteError
from serving.inference.messages import IMAGE, MAX_BATCH
from serving.inference.tensors import FP32, write_binary
from training.answers import Answers

_FLOAT = np.dtype("<f4")
# The sum of float32 probabilities of a thousand labels is 1 to about 1e-5.
_SUM_TOLERANCE = 1e-2


def write_question(x_nhwc: npt.NDArray[np.float32]) -> tuple[bytes, int]:
    """Returns the body of a request for both outputs, and the bytes of JSON that it begins with."""
    data = write_binary(x_nhwc)
    image = {
        "name": IMAGE,
        "shape": list(x_nhwc.shape),
        "datatype": FP32,
        "parameters": {"binary_data_size": len(data)},
    }
    outputs = [
        {"name": name, "parameters": {"binary_data": True}} for name in (PROBABILITIES, KNOWN_SCORE)
    ]
    header = json.dumps({"inputs": [image], "outputs": outputs}).encode()
    return header + data, len(header)


def read_tensors(body: bytes, side_px: int, classes: int) -> int:
    """Checks a model's metadata; returns how many photos it takes at a time.

    Raises:
        RemoteError: its tensors are not those of the release's network.
    """
    table = _parse(body)
    inputs, outputs = _by_name(table, "inputs"), _by_name(table, "outputs")
    square = [side_px, side_px, 3]
    image = inputs.get(IMAGE, {})
    shape = image.get("shape")
    if image.get("datatype") != FP32 or shape not in ([-1, *square], [1, *square]):
        raise RemoteError(
            f"it takes {sorted(inputs)}: {IMAGE} of {FP32} and [-1 or 1, {side_px}, {side_px}, 3] "
            "is needed"
        )
    for name, width in ((PROBABILITIES, classes), (KNOWN_SCORE, 1)):
        found = outputs.get(name, {})
        if found.get("datatype") != FP32 or found.get("shape") not in ([-1, width], [1, width]):
            raise RemoteError(f"it gives no {name} of {FP32} and [-1 or 1, {width}]")
    return MAX_BATCH if shape[0] == -1 else 1


def read_answer(
    body: bytes,
    header_length: int | None,
    expected: tuple[str, str | None],
    shape: tuple[int, int],
) -> Answers:
    """Reads an answer.

    Args:
        body: as it came.
        header_length: bytes of JSON at its start; None where all of it is.
        expected: the model's name and, where one was asked for, the version's.
        shape: photos and classes that were asked for.

    Raises:
        RemoteError: another model answered, or tensors are missing, of another shape, or no
            probabilities.
    """
    size_bytes = len(body) if header_length is None else header_length
    table = _parse(body[:size_bytes])
    said = table.get("model_name"), table.get("model_version") if expected[1] else None
    if said != expected:
        raise RemoteError(f"{str(said)[:80]} answered, where {expected} was asked")
    tensors = _read_outputs(table, body[size_bytes:])
    count, classes = shape
    rows = _shape(tensors, PROBABILITIES, (count, classes))
    scores = _shape(tensors, KNOWN_SCORE, (count, 1))
    # Written so that it fails for what is no number.
    if not (rows.min() >= 0 and np.all(np.abs(rows.sum(axis=1) - 1) <= _SUM_TOLERANCE)):
        raise RemoteError(f"its {PROBABILITIES} are none")
    if not np.isfinite(scores).all():
        raise RemoteError(f"its {KNOWN_SCORE} is no number")
    return Answers(rows, scores[:, 0])


def _parse(text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteError("it answers no JSON") from error
    if not isinstance(table, dict):
        raise RemoteError("it answers no JSON object")
    return table


def _by_name(table: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    found = table.get(key)
    entries = found if isinstance(found, list) else []
    return {
        entry["name"]: entry
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }


def _read_outputs(
    table: dict[str, Any], follow: bytes
) -> dict[str, tuple[object, npt.NDArray[np.float32]]]:
    found, start = {}, 0
    for name, entry in _by_name(table, "outputs").items():
        parameters = entry.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            values = _read_numbers(entry.get("data"), name)
        else:
            if type(size) is not int or not 0 <= size <= len(follow) - start or size % 4:
                raise RemoteError(f"the bytes of its {name} are not as many as it says")
            values = np.frombuffer(follow[start : start + size], _FLOAT)
            start += size
        found[name] = entry.get("shape"), values
    return found


def _read_numbers(given: object, name: str) -> npt.NDArray[np.float32]:
    try:
        return np.array(given, np.float64).astype(np.float32).ravel()
    except (ValueError, TypeError, OverflowError) as error:
        raise RemoteError(f"the data of its {name} are no numbers") from error


def _shape(
    tensors: dict[str, tuple[object, npt.NDArray[np.float32]]], name: str, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    said, values = tensors.get(name, (None, np.empty(0, np.float32)))
    if said != list(shape) or values.size != shape[0] * shape[1]:
        raise RemoteError(f"its {name} is of shape {str(said)[:80]}: {list(shape)} was asked for")
    return values.reshape(shape)
