"""The cloud fallback: names for a photo."""

import json
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from serving.access import needs
from serving.api.queries import takes_query
from serving.context import get_engine, get_settings, get_storage
from serving.errors import MediaTypeError, NotCurrentError, RequestError, UnknownChannelError
from serving.inference.bodies import inflate, receiving, watch_client
from serving.inference.engine import Answered
from serving.inference.noting import note_answered
from serving.inference.schemas import RecogniseAnswer, RecogniseQuery

blueprint = APIBlueprint("recognise", __name__, url_prefix="/v1/models", tag="Recognition")
_PATH = "/v1/models/{model}/recognise"
_FIELD = "photo"
_ENCODER = json.JSONEncoder(allow_nan=False)
_PHOTO_SCHEMA = {"type": "string", "format": "binary", "description": "A photo's file."}
_BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": _PHOTO_SCHEMA},
        "application/octet-stream": {"schema": _PHOTO_SCHEMA},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [_FIELD],
                "properties": {_FIELD: _PHOTO_SCHEMA},
            },
            "encoding": {_FIELD: {"contentType": "image/*"}},
        },
    },
}


@blueprint.post("/<model>/recognise")
@needs("recognise")
@takes_query(blueprint, RecogniseQuery)
@blueprint.output(RecogniseAnswer)
@blueprint.doc(responses=[400, 408, 409, 413, 415, 503])
def recognise(model: str, query_data: dict[str, Any]) -> Response:
    """Recognise a photo.

    Takes JPEG, PNG, WebP, AVIF, HEIC, BMP, GIF or TIFF as the whole body, or as the field `photo`
    of a form. The photo is not kept. Where the release has a cloud model, which is wider than the
    one on phones, that answers.
    """
    version = _choose_version(model, query_data)
    engine = get_engine()
    with engine.admit(watch_client()) as ticket:
        with receiving(get_settings().receive_wait_s):
            photo = receive_photo()
        answered = engine.recognise(ticket, model, version, photo, query_data["top_k"])
    note_answered(model, version, answered)
    # Written here, as walking through the form of the answer takes five times as long.
    text = _ENCODER.encode(_describe(model, version, answered))
    return Response(text, mimetype="application/json", headers={"Cache-Control": "no-store"})


def _describe(model: str, version: str, answered: Answered) -> dict[str, Any]:
    """Returns what `RecogniseAnswer` describes."""
    found = answered.found
    coarse = found.coarse
    return {
        "model": model,
        "version": version,
        "answered_by": answered.answered_by,
        "architecture": answered.architecture,
        "answers": [vars(answer) for answer in found.answers],
        "coarse": coarse
        and vars(coarse) | {"choices": [vars(choice) for choice in coarse.choices]},
        "known_score": found.known_score,
        "verdict": found.verdict,
        "words": found.in_words(),
        "timings_ms": answered.timings_ms,
    }


def _choose_version(model: str, query: dict[str, Any]) -> str:
    catalogue = get_storage().catalogue
    version, channel = query.get("version"), query.get("channel")
    if channel is None:
        return catalogue.choose_version(model, version)
    channels = catalogue.find_release(model).channels
    if channel not in channels:
        raise UnknownChannelError(model, channel, sorted(channels))
    current = channels[channel].current
    if version is not None and catalogue.choose_version(model, version) != current:
        raise NotCurrentError(f"{model} {version} is not current in {channel}: that is {current}")
    return current


def receive_photo() -> bytes:
    """Returns the photo's bytes of the request at hand.

    Raises:
        MediaTypeError: the body is neither a form nor a photo.
        RequestError: there is no photo, or it has no bytes.
        BodyLengthError: inflated it is longer than bodies may be.
    """
    coding, mimetype = request.headers.get("Content-Encoding", ""), request.mimetype
    if mimetype == "multipart/form-data":
        if coding:
            raise MediaTypeError("a form with a Content-Encoding: allowed is one without")
        photos = request.files.getlist(_FIELD)
        if len(photos) != 1 or request.form or set(request.files) != {_FIELD}:
            has = ", ".join(sorted({*request.files, *request.form})) or "none"
            raise RequestError(
                f"the form must have a file in the field {_FIELD!r} once, and no other field, as "
                f"all else stands in the address (?top_k=1); its fields: {has}"
            )
        data: bytes = photos[0].read()
    elif mimetype.startswith("image/") or mimetype == "application/octet-stream":
        limit_bytes = get_settings().max_upload_bytes
        data = inflate(request.get_data(cache=False), coding, limit_bytes)
    else:
        raise MediaTypeError(
            f"the body is {mimetype or 'of no stated type'}: allowed are image/*, "
            f"application/octet-stream, and multipart/form-data with a field {_FIELD!r}"
        )
    if not data:
        raise RequestError("the photo has no bytes")
    return data


def describe_in(spec: dict[str, Any]) -> None:
    """Adds the request's body to an OpenAPI document: it has no schema to be made from."""
    spec["paths"][_PATH]["post"]["requestBody"] = _BODY
