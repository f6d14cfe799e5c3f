"""The Open Inference Protocol, version 2, over HTTP: what Triton and KServe speak."""

import gzip
import zlib
from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, request

from serving.access import needs
from serving.context import get_engine, get_readiness, get_settings, get_storage
from serving.errors import InferenceError, MediaTypeError, NotReadyError
from serving.inference.bodies import CODINGS, inflate, receiving, watch_client
from serving.inference.choosing import choose_artifact
from serving.inference.messages import HEADER_LENGTH, Reply, Request, describe_tensors, read_request
from serving.inference.noting import note_answered
from serving.inference.schemas import (
    InferenceAnswer,
    InferenceLive,
    InferenceModel,
    InferenceModelReady,
    InferenceReady,
    InferenceServer,
    InferenceVersions,
)
from serving.inference.versions import Version

blueprint = APIBlueprint("inference", __name__, url_prefix="/v2", tag="Open Inference Protocol")
_SERVER = "ghostlens"
# <project>_<format>, as the protocol names platforms.
_PLATFORM = "litert_tflite"
_EXTENSIONS = ("binary_tensor_data", "classification", "model_versions")
_MEDIA_TYPES = ("", "application/json", "application/octet-stream")
_COMPRESSED_FROM_BYTES = 1024
_FRESH = {"Cache-Control": "no-store"}


@blueprint.get("/health/live")
@blueprint.output(InferenceLive)
def show_live() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether the server is live."""
    return {"live": True}, 200, _FRESH


@blueprint.get("/health/ready")
@blueprint.output(InferenceReady)
@blueprint.doc(responses=[503])
def show_ready() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether this process may be sent requests; see `/readyz`."""
    reason = get_readiness().find_reason()
    if reason:
        raise NotReadyError(reason)
    return {"ready": True}, 200, _FRESH


@blueprint.get("")
@blueprint.output(InferenceServer)
def show_server() -> dict[str, Any]:
    """Tell what the server is."""
    version = current_app.version  # type: ignore[attr-defined]
    return {"name": _SERVER, "version": version, "extensions": list(_EXTENSIONS)}


@blueprint.get("/models/<model>")
@blueprint.get("/models/<model>/versions/<version>")
@needs("recognise")
@blueprint.output(InferenceModel)
@blueprint.doc(responses=[404, 409, 503])
def show_model(model: str, version: str | None = None) -> dict[str, Any]:
    """Tell what a model takes and gives: of its current version, or of the one that is named."""
    storage = get_storage()
    chosen = storage.catalogue.choose_version(model, version)
    manifest = storage.read_manifest(model, chosen)
    choose_artifact(manifest)  # raises where nothing of it runs here
    names = [chosen] if version else _list_versions(model)
    return {"name": model, "versions": names, "platform": _PLATFORM} | describe_tensors(manifest)


@blueprint.get("/models/<model>/versions")
@needs("recognise")
@blueprint.output(InferenceVersions)
@blueprint.doc(responses=[404, 503])
def show_versions(model: str) -> dict[str, Any]:
    """List a model's versions."""
    return {"name": model, "versions": _list_versions(model)}


@blueprint.get("/models/<model>/ready")
@blueprint.get("/models/<model>/versions/<version>/ready")
@needs("recognise")
@blueprint.output(InferenceModelReady)
@blueprint.doc(responses=[404, 409, 503])
def show_model_ready(
    model: str, version: str | None = None
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether a version answers; where it is not in memory, it is loaded and tested.

    Any status but 200 says that it does not, and why.
    """
    chosen = get_storage().catalogue.choose_version(model, version)
    engine = get_engine()
    if (model, chosen) not in engine.versions.list_loaded():
        with engine.admit(watch_client()) as ticket:
            engine.load(ticket, model, chosen)
    return {"name": model, "ready": True}, 200, _FRESH


@blueprint.post("/models/<model>/infer")
@blueprint.post("/models/<model>/versions/<version>/infer")
@needs("recognise")
@blueprint.output(InferenceAnswer)
@blueprint.doc(responses=[400, 404, 408, 409, 413, 415, 422, 503])
def infer(model: str, version: str | None = None) -> Response:
    """Ask a model.

    Takes pixels, or photos' files, up to 16 at a time. Understands binary tensor data, bodies of
    gzip and deflate, and the parameters `timeout` (microseconds) and `classification`.
    """
    chosen = get_storage().catalogue.choose_version(model, version)
    header_length, coding = _read_header_length(), request.headers.get("Content-Encoding", "")
    if request.mimetype not in _MEDIA_TYPES:
        raise MediaTypeError(
            f"the body is {request.mimetype}: allowed are {' and '.join(_MEDIA_TYPES[1:])}"
        )
    settings, engine = get_settings(), get_engine()
    read: list[Request] = []

    with engine.admit(watch_client()) as ticket:
        with receiving(settings.receive_wait_s):
            body = request.get_data(cache=False)

        def read_input(loaded: Version) -> Any:
            plain = inflate(body, coding, settings.max_upload_bytes)
            length = 0 if header_length is None and _is_file(plain) else header_length
            found = read_request(plain, length, loaded.model.preprocess.input_px)
            ticket.start(found.timeout_s)
            read.append(found)
            return found.given

        inferred = engine.infer(ticket, model, chosen, read_input)
    judged = inferred.judge()
    for answered in judged:
        note_answered(model, chosen, answered)
    reply = Reply(
        model,
        chosen,
        inferred.version.manifest.labels.names,
        inferred.answers,
        [answered.found.answers[0].label for answered in judged],
        [answered.found.verdict for answered in judged],
    )
    return _send(*reply.write(read[0]))


def _list_versions(model: str) -> list[str]:
    return list(get_storage().catalogue.find_release(model).names)


def _is_file(body: bytes) -> bool:
    """Tells a photo's file, whose header length was left out, from JSON that is called binary."""
    is_binary = request.mimetype == "application/octet-stream"
    return is_binary and not body.lstrip().startswith(b"{")


def _read_header_length() -> int | None:
    text = request.headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise InferenceError(f"{HEADER_LENGTH} is {text[:40]!r}: it is a number of bytes")
    return int(text)


def _send(body: bytes, header_length: int | None) -> Response:
    kind = "application/json" if header_length is None else "application/octet-stream"
    response = Response(content_type=kind, headers=_FRESH)
    if header_length is not None:
        response.headers[HEADER_LENGTH] = str(header_length)
    response.vary.add("Accept-Encoding")
    coding = request.accept_encodings.best_match(CODINGS)
    if coding and len(body) >= _COMPRESSED_FROM_BYTES:
        response.headers["Content-Encoding"] = coding
        body = gzip.compress(body, mtime=0) if coding == "gzip" else zlib.compress(body)
    response.data = body
    return response
