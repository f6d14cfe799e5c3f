"""`POST /v1/models/{model}/corrections`: a scan's answer was wrong, this is it."""

from typing import Any

from apiflask import APIBlueprint

from serving.access import needs
from serving.context import (
    get_database,
    get_engine,
    get_kept_photos,
    get_settings,
    get_storage,
)
from serving.corrections.photos import clean_photo
from serving.corrections.receiving import check_said, describe_body, receive_correction, takes
from serving.corrections.schemas import CorrectionAnswer, CorrectionRequest
from serving.corrections.store import (
    KEPT,
    NOT_SENT,
    OFF,
    Found,
    Said,
    SentPhoto,
    find_known,
    format_ms,
    take,
)
from serving.corrections.tables import KINDS, NOT_AN_ITEM
from serving.idempotency import idempotent
from serving.inference.bodies import watch_client
from serving.observing.metrics import CORRECTIONS
from serving.state.times import now_ms
from training.files import sha256_bytes

blueprint = APIBlueprint("corrections", __name__, url_prefix="/v1/models", tag="Corrections")
PATH = "/v1/models/{model}/corrections"
_FRESH = {"Cache-Control": "no-store"}
_RESPONSES: Any = {
    200: {
        "description": "It was here before, or says what another one said of the same photo",
        "content": {"application/json": {"schema": CorrectionAnswer}},
    },
    404: "No such model, or no such version",
    408: "The body took too long",
    409: "The id was used for another correction, or the first request is not answered yet",
    413: "The body is too long",
    415: "Type of the body not taken",
    503: "Too many photos at the same time",
}


@blueprint.post("/<model>/corrections")
@needs("report")
@idempotent
@takes(CorrectionRequest)
@blueprint.output(CorrectionAnswer, status_code=201)
@blueprint.doc(responses=_RESPONSES)
def correct(model: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Correct an answer.

    The body is the document alone, or a form with it in `correction` and the photo in `photo`. A
    photo is kept only where the shop turned that on, for review and training, without anything but
    its pixels; the answer says what became of it. A device may send the same correction again,
    until it has an answer.
    """
    values, photo = receive_correction()
    manifest = get_storage().read_manifest(model, values["version"])
    check_said(values, photo, manifest)
    said = Said(model, values)
    with get_database().read() as connection:
        known = find_known(connection, said)
    if known is not None:
        return describe(known), 200, _FRESH
    found, is_new = _store(said, photo)
    if is_new:
        CORRECTIONS.labels(model).inc()
    return describe(found), 201 if is_new else 200, _FRESH


def _store(said: Said, photo: bytes | None) -> tuple[Found, bool]:
    sent = _take_photo(said, photo)
    try:
        with get_database().write() as connection:
            is_new = find_known(connection, said) is None
            found = take(connection, said, sent)
    except BaseException:
        _let_go(sent)
        raise
    if found.photo_name != sent.name:
        _let_go(sent)
    return found, is_new and found.duplicate_of is None


def _take_photo(said: Said, photo: bytes | None) -> SentPhoto:
    """Keeps a photo where that is turned on; else its bytes are not even decoded."""
    if photo is None:
        return SentPhoto(said.values.get("photo_sha256"), NOT_SENT)
    file_sha256 = sha256_bytes(photo)
    if not get_settings().keep_photos:
        return SentPhoto(file_sha256, OFF)
    # Decoding takes as much memory as it does for recognising, and so the same places.
    with get_engine().admit(watch_client()) as ticket, ticket.take_place():
        clean = clean_photo(photo)
    photos = get_kept_photos()
    return SentPhoto(file_sha256, KEPT, clean, photos.write(clean), photos.until_ms(now_ms()))


def _let_go(sent: SentPhoto) -> None:
    if sent.name is not None:
        get_kept_photos().remove(sent.name)


def describe(found: Found) -> dict[str, Any]:
    """Returns what a device learns of its correction."""
    return {
        "correction_id": found.correction_id,
        "state": found.state,
        "photo": {
            "kept": found.photo_name is not None,
            "until": format_ms(found.photo_until_ms),
            "why": found.photo,
        },
    }


def describe_in(spec: dict[str, Any]) -> None:
    """Adds to an OpenAPI document the form, and that what is no item has no name."""
    describe_body(spec["paths"][PATH]["post"])
    spec["components"]["schemas"]["RightEntry"]["oneOf"] = [
        {
            "properties": {"kind": {"enum": [kind for kind in KINDS if kind != NOT_AN_ITEM]}},
            "required": ["kind", "name"],
        },
        {"properties": {"kind": {"const": NOT_AN_ITEM}, "name": False}, "required": ["kind"]},
    ]
