"""Reviewing corrections over HTTP."""

import base64
import binascii
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from marshmallow import RAISE

from serving.access import current_key, needs
from serving.access.caller import NOBODY
from serving.context import get_database, get_kept_photos, get_storage
from serving.corrections.deciding import Review
from serving.corrections.schemas import (
    CorrectionDetail,
    CorrectionList,
    CorrectionQuery,
    DecisionRequest,
)
from serving.corrections.store import Decision, Found, find, format_ms, list_some
from serving.corrections.tables import ACCEPTED
from serving.corrections.views import describe
from serving.errors import RequestError
from serving.idempotency import idempotent

blueprint = APIBlueprint("review", __name__, url_prefix="/v1/models", tag="Corrections")
_FRESH = {"Cache-Control": "no-store"}
_PHOTO: Any = {
    200: {
        "description": "A JPEG file without anything but its pixels",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    404: "No such correction, or its photo is not kept",
}


@blueprint.get("/<model>/corrections")
@needs("admin")
@blueprint.input(CorrectionQuery, location="query", unknown=RAISE)
@blueprint.output(CorrectionList)
def list_corrections(
    model: str, query_data: dict[str, Any]
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """List corrections, the newest first."""
    found, following = find_page(
        model,
        query_data.get("state"),
        "conflict" in query_data,
        query_data.get("cursor"),
        query_data["limit"],
    )
    return {"corrections": [show(one) for one in found], "next": following}, 200, _FRESH


@blueprint.get("/<model>/corrections/<correction_id>")
@needs("admin")
@blueprint.output(CorrectionDetail)
def show_correction(model: str, correction_id: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Show a correction."""
    with get_database().read() as connection:
        return show(find(connection, correction_id, model)), 200, _FRESH


@blueprint.get("/<model>/corrections/<correction_id>/photo")
@needs("admin")
@blueprint.doc(responses=_PHOTO)
def show_photo(model: str, correction_id: str) -> Response:
    """Show the photo that was kept with a correction."""
    with get_database().read() as connection:
        found = find(connection, correction_id, model)
    data = get_kept_photos().read(found.photo_name)
    return Response(data, 200, _FRESH, mimetype="image/jpeg")


@blueprint.post("/<model>/corrections/<correction_id>/decision")
@needs("admin")
@idempotent
@blueprint.input(DecisionRequest, unknown=RAISE)
@blueprint.output(CorrectionDetail)
def decide_correction(
    model: str, correction_id: str, json_data: dict[str, Any]
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Accept or reject a correction; a decision may be changed.

    What is rejected loses its photo. Of one photo, one label alone can be accepted.
    """
    right, key = json_data.get("right"), current_key()
    actor = json_data.get("name", NOBODY) if key is None else key.name
    state = json_data["decision"]
    if right is not None and state != ACCEPTED:
        raise RequestError("right: allowed of what is accepted alone")
    chosen = right and (right["kind"], right.get("name"))
    decision = Decision(state, actor, json_data.get("reason", ""), chosen)
    review = Review(get_storage(), get_database(), get_kept_photos(), "right.name")
    return show(review.decide(correction_id, decision, model)), 200, _FRESH


def find_page(
    model: str, state: str | None, conflict: bool, cursor: str | None, limit: int
) -> tuple[list[Found], str | None]:
    """Returns corrections of a model, the newest first, and what leads to older ones.

    Args:
        model: which one.
        state: in one state alone.
        conflict: only those where another says otherwise of the same photo.
        cursor: what an earlier page gave; None for the newest.
        limit: the most to return.

    Returns:
        The corrections, and the next page's cursor or None.

    Raises:
        UnknownModelError: there is no such model.
        RequestError: the cursor is none.
    """
    get_storage().catalogue.find_release(model)
    before = None if cursor is None else _read_cursor(cursor)
    with get_database().read() as connection:
        found = list_some(connection, model, state, conflict, before, limit + 1)
    following = _write_cursor(found[limit - 1]) if len(found) > limit else None
    return found[:limit], following


def show(found: Found) -> dict[str, Any]:
    """Returns what a reviewer sees of a correction."""
    path = f"/v1/models/{found.model}/corrections/{found.correction_id}/photo"
    return describe(found) | {
        "model": found.model,
        "version": found.version,
        "received_at": format_ms(found.received_ms),
        "scanned_at": format_ms(found.scanned_ms),
        "device": found.device,
        "answered": {
            "label": found.answered_label,
            "probability": found.answered_probability,
            "verdict": found.answered_verdict,
            "by": found.answered_by,
        },
        "right": _show_right(found.right_kind, found.right_label),
        "site": found.site,
        "note": found.note,
        "duplicate_of": found.duplicate_of,
        "conflict_with": found.conflict_with,
        "decided_at": format_ms(found.decided_ms),
        "decided_by": found.decided_by,
        "reason": found.reason,
        "final": found.final_kind and _show_right(found.final_kind, found.final_label),
        "photo_url": path if found.photo_name is not None else None,
    }


def _show_right(kind: str, name: str | None) -> dict[str, str]:
    return {"kind": kind} | ({} if name is None else {"name": name})


def _write_cursor(found: Found) -> str:
    text = f"{found.received_ms} {found.correction_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(text: str) -> tuple[int, str]:
    try:
        received, _, last = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        number = int(received)
    except (binascii.Error, ValueError):
        number, last = -1, ""
    if not 0 <= number < 1 << 63:
        raise RequestError("cursor: allowed is `next` of an earlier page")
    return number, last
