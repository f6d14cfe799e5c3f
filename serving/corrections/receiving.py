"""A correction's request: a JSON document, or a form with that and the photo."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apiflask import HTTPError
from flask import request
from marshmallow import RAISE, ValidationError

from mobile_assets.manifest import Manifest
from serving.api.forms import add_to_form
from serving.corrections.schemas import CorrectionRequest
from serving.corrections.tables import LABEL
from serving.errors import MediaTypeError, RequestError
from training.files import sha256_bytes

JSON_TYPE, FORM_TYPE = "application/json", "multipart/form-data"
DOCUMENT, PHOTO = "correction", "photo"
# Clocks of phones go wrong, and phones lie in drawers with corrections in their queue.
_AHEAD, _OLDEST = timedelta(days=1), timedelta(days=400)


def receive_correction() -> tuple[dict[str, Any], bytes | None]:
    """Returns what the request at hand says, as `CorrectionRequest` loads it, and the photo's file.

    Raises:
        MediaTypeError: the body is neither JSON nor a form, or it is coded.
        RequestError: the form lacks the document, or has a field that is not known.
        HTTPError: the document is not as described.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise MediaTypeError("a correction with a Content-Encoding: allowed is one without")
    if request.is_json:
        return _load(request.get_data()), None
    if request.mimetype != FORM_TYPE:
        raise MediaTypeError(
            f"the body is {request.mimetype or 'of no stated type'}: allowed are {JSON_TYPE}, and "
            f"{FORM_TYPE} with the fields {DOCUMENT!r} (JSON) and {PHOTO!r} (a file)"
        )
    documents: list[str | bytes] = list(request.form.getlist(DOCUMENT))
    documents += [_read_file(file) for file in request.files.getlist(DOCUMENT)]
    photos = request.files.getlist(PHOTO)
    strangers = {*request.form, *request.files} - {DOCUMENT, PHOTO}
    strangers |= {PHOTO} if PHOTO in request.form else set()
    if strangers or len(documents) != 1 or len(photos) > 1:
        has = ", ".join(sorted({*request.files, *request.form})) or "none"
        raise RequestError(
            f"the form must have the field {DOCUMENT!r} once, a file in {PHOTO!r} at most once, "
            f"and no other; its fields: {has}"
        )
    photo = _read_file(photos[0]) if photos else None
    if photo == b"":
        raise RequestError("the photo has no bytes")
    return _load(documents[0]), photo


def check_said(said: dict[str, Any], photo: bytes | None, manifest: Manifest) -> None:
    """Checks what only the server knows: the time, the version's labels, the photo's hash.

    Raises:
        RequestError: something does not fit.
    """
    now, scanned = datetime.now(UTC), said["scanned_at"]
    if not now - _OLDEST <= scanned <= now + _AHEAD:
        raise RequestError(
            f"scanned_at is {scanned.isoformat()}: allowed are the last {_OLDEST.days} days, and a "
            "day ahead for clocks that go wrong"
        )
    right, answered = said["right"], said["answered"].get("label")
    for place, name in (
        ("right.name", right["name"] if right["kind"] == LABEL else None),
        ("answered.label", answered),
    ):
        if name is not None and name not in manifest.labels.names:
            raise RequestError(
                f"{place}: {manifest.model} {manifest.version} has no label {name!r}; its manifest "
                "lists them"
            )
    stated = said.get("photo_sha256")
    if photo is not None and stated is not None and sha256_bytes(photo) != stated:
        raise RequestError("photo_sha256: the photo that was sent has another one")


def _read_file(file: Any) -> bytes:
    data: bytes = file.read()
    return data


def _load(document: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(document, parse_constant=_refuse_constant)
        said: dict[str, Any] = CorrectionRequest().load(value, unknown=RAISE)
    except ValidationError as error:
        raise HTTPError(422, "Validation error", {"json": error.messages}) from None
    except ValueError as error:  # json's own, and bytes that are no UTF-8
        raise HTTPError(400, f"the correction is no JSON: {error}") from None
    return said


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def describe_body(operation: dict[str, Any]) -> None:
    """Adds the form to an operation of an OpenAPI document that has the JSON document."""
    content = operation["requestBody"]["content"]
    operation["requestBody"]["required"] = True
    content[FORM_TYPE] = {
        "schema": {
            "type": "object",
            "required": [DOCUMENT],
            "additionalProperties": False,
            "properties": {
                DOCUMENT: content[JSON_TYPE]["schema"],
                PHOTO: {"type": "string", "format": "binary", "description": "A photo's file."},
            },
        },
        "encoding": {
            DOCUMENT: {"contentType": JSON_TYPE},
            PHOTO: {"contentType": "image/*"},
        },
    }


def takes(schema: Any) -> Callable[[Any], Any]:
    """Says in the OpenAPI document which JSON a view takes that reads its body itself."""

    def mark(view: Any) -> Any:
        add_to_form(view, body=schema(), content_type=[JSON_TYPE, FORM_TYPE])
        return view

    return mark
