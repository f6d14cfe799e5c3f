"""Every error over HTTP is `application/problem+json` (RFC 9457)."""

import json
import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from apiflask import APIFlask, HTTPError, Schema
from apiflask.fields import Dict, Integer, List, String
from flask import Response, render_template, request
from werkzeug.exceptions import HTTPException

from mobile_assets.errors import ManifestError
from serving.access.challenges import PEOPLE_VARY, add_challenge, is_for_people
from serving.access.tokens import hide_tokens
from serving.errors import (
    MEDIA_TYPE,
    BodyLengthError,
    BusyError,
    ClientGoneError,
    CorrectionError,
    DigestError,
    HoldError,
    IdempotencyError,
    InferenceError,
    KeyNeededError,
    MalformedError,
    MediaTypeError,
    NoArtifactError,
    NotCurrentError,
    NotReadyError,
    ProxyError,
    QuotaError,
    RemoteError,
    RequestError,
    RunningError,
    ScopeError,
    SlowBodyError,
    UnknownChannelError,
    UnknownCorrectionError,
    UnknownFileError,
    UnknownModelError,
    UnknownVersionError,
)
from serving.observing import request_id
from serving.observing.requests import note_problem
from training.errors import GhostlensError, PhotoError

_LOGGER = logging.getLogger("serving")
PROBLEM_REF = "#/components/schemas/Problem"
INFERENCE_PREFIX = "/v2"
# What a client can run into: kind of error, status, name of the type, title.
KINDS: tuple[tuple[type[GhostlensError], int, str, str], ...] = (
    (UnknownModelError, 404, "unknown-model", "No such model"),
    (UnknownVersionError, 404, "unknown-version", "No such version"),
    (UnknownChannelError, 404, "unknown-channel", "No such channel"),
    (UnknownCorrectionError, 404, "unknown-correction", "No such correction"),
    (UnknownFileError, 404, "unknown-file", "No such file"),
    (NotCurrentError, 409, "not-current", "Not the channel's current version"),
    (NoArtifactError, 409, "no-artifact", "Nothing in this version can do that"),
    (CorrectionError, 409, "correction", "It contradicts another correction"),
    (HoldError, 409, "hold", "Nothing to hold back"),
    (RunningError, 409, "running", "The first of these requests is not answered yet"),
    (InferenceError, 400, "inference", "Not a request of the Open Inference Protocol"),
    (MalformedError, 400, "malformed", "The body cannot be read"),
    (DigestError, 400, "digest", "The body has another digest"),
    (KeyNeededError, 401, "key-needed", "A key is needed"),
    (ScopeError, 403, "scope", "The key may not do that"),
    (QuotaError, 429, "quota-exceeded", "Too much was asked lately"),
    (ProxyError, 403, "proxy", "Through an unknown proxy"),
    (SlowBodyError, 408, "slow-body", "The body took too long"),
    (BodyLengthError, 413, "body-length", "The body is too long"),
    (MediaTypeError, 415, "media-type", "Type of the body not taken"),
    (PhotoError, 422, "photo", "Not a usable photo"),
    (IdempotencyError, 422, "idempotency", "The key was used for another request"),
    (ManifestError, 422, "platform", "No such platform"),
    (RequestError, 422, "request", "Request not as described"),
    (ClientGoneError, 499, "client-gone", "The client hung up"),
    (RemoteError, 503, "remote", "The machine that recognises does not answer"),
    (BusyError, 503, "busy", "Too many photos at the same time"),
    (NotReadyError, 503, "not-ready", "Nothing verified to answer from"),
)


class Problem(Schema):
    """What every error answers."""

    type = String(
        metadata={"description": "Address of the kind of problem; about:blank for the common ones."}
    )
    title = String(metadata={"description": "The kind of problem in a few words."})
    status = Integer(metadata={"description": "The HTTP status."})
    detail = String(metadata={"description": "What happened here, and what is allowed."})
    instance = String(
        metadata={
            "description": "The path that was asked for; none where the request has none.",
            "x-optional": True,
        }
    )
    request_id = String(
        metadata={"description": "Of the request, as in X-Request-ID and in the server's log."}
    )
    errors = Dict(
        keys=String(),
        values=Dict(keys=String(), values=List(String())),
        metadata={
            "description": "For each place of the request, and each field there, what is wrong.",
            "x-optional": True,
        },
    )
    error = String(
        metadata={
            "description": "The detail once more, below /v2 alone.",
            "x-optional": True,
        }
    )


def register(app: APIFlask) -> None:
    """Makes an app answer every error as a problem, and say so in its OpenAPI document."""
    app.config["HTTP_ERROR_SCHEMA"] = Problem
    app.config["VALIDATION_ERROR_SCHEMA"] = Problem
    app.register_error_handler(GhostlensError, _answer_typed)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(HTTPError, _answer_validation)
    app.register_error_handler(RecursionError, _answer_depth)


def describe_in(spec: dict[str, Any]) -> None:
    """Gives every problem in an OpenAPI document its media type."""
    for path in spec["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                schema = content.get("application/json", {}).get("schema", {})
                if str(schema.get("$ref")).endswith("Problem"):
                    content[MEDIA_TYPE] = content.pop("application/json")


def make_problem(
    status: int,
    detail: str,
    kind: str | None = None,
    title: str | None = None,
    errors: object = None,
) -> Response:
    """Makes the answer.

    Args:
        status: the HTTP status.
        detail: what happened, and what is allowed.
        kind: name of the type, whose description stands in `/docs`; None for the common ones.
        title: of the type; the phrase of the status when not given.
        errors: for each place of the request what is wrong there.
    """
    body = {
        "type": f"/docs#{kind}" if kind else "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "request_id": request_id(),
    }
    if kind:
        note_problem(kind)
    if errors:
        body["errors"] = errors
    if request.path.startswith(INFERENCE_PREFIX):
        body["error"] = detail  # where clients of the Open Inference Protocol look
    text = hide_tokens(json.dumps(body, ensure_ascii=False)) + "\n"
    response = Response(text, status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer_typed(error: GhostlensError) -> Response:
    for kind, status, name, title in KINDS:
        if isinstance(error, kind):
            response = make_problem(status, str(error), name, title)
            if isinstance(error, BusyError | RunningError | QuotaError):
                response.headers["Retry-After"] = str(error.retry_after_s)
            elif isinstance(error, KeyNeededError | ScopeError):
                add_challenge(response, error)
                response.vary.update(PEOPLE_VARY)
                if is_for_people():
                    _show_refusal(response, error, title)
            return response
    # Not the client's doing, and the words may tell of the server's insides.
    _LOGGER.error("%s %s: %s", request.method, request.path, error)
    return make_problem(503, "the server cannot read or store what this needs; its log says why")


def _show_refusal(response: Response, error: KeyNeededError | ScopeError, title: str) -> None:
    """Says to somebody who opens a page in a browser which key it takes, and how to enter it."""
    page = render_template(
        "refused.html",
        title=title,
        detail=str(error),
        status=response.status_code,
        request_id=request_id(),
        is_scope=isinstance(error, ScopeError),
        scope=getattr(error, "scope", ""),
        is_wrong=getattr(error, "is_wrong", False),
    )
    response.set_data(hide_tokens(page))
    response.content_type = "text/html; charset=utf-8"


def _answer_http(error: HTTPException) -> Response:
    status = error.code or 500
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = f"the body is too long: allowed are {request.max_content_length} bytes"
    elif status == HTTPStatus.NOT_FOUND:
        detail = f"no address {request.path}; /docs lists them"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        detail = f"{request.method} is not for this address: allowed are {allowed}"
    else:
        detail = error.description or error.name
    malformed = getattr(error, "data", {}).get("messages", {}).get("json", [])
    if malformed:  # of webargs
        return _answer_typed(MalformedError(" ".join(malformed)))
    original = error.get_response()
    if status < HTTPStatus.BAD_REQUEST:  # a redirect is no problem
        return Response(original.data, status, original.headers)
    response = make_problem(status, detail)
    for name, value in original.headers.items():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _answer_validation(error: HTTPError) -> Response:
    found = error.detail if isinstance(error.detail, dict) else {}
    places = {place: dict(_flatten(fields)) for place, fields in found.items()}
    words = [
        f"{field}: {' '.join(texts)}"
        for fields in places.values()
        for field, texts in fields.items()
    ]
    detail = "; ".join(words) or str(error.message)
    return make_problem(error.status_code, detail, "request", "Request not as described", places)


def _flatten(found: object, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yields what is wrong with each field, nested ones by a path as in "runtimes.0.name"."""
    if isinstance(found, dict):
        for key, inner in found.items():
            # "_schema" is marshmallow's word for the whole of an object.
            own = "" if key == "_schema" else str(key)
            yield from _flatten(inner, ".".join(part for part in (name, own) if part))
    else:
        texts = found if isinstance(found, list) else [found]
        yield name, [str(text) for text in texts]


def _answer_depth(error: RecursionError) -> Response:
    return _answer_typed(MalformedError("the body is nested too deeply"))
