"""Holding versions back at once over HTTP, and letting them go on."""

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import String
from apiflask.validators import Length, OneOf
from marshmallow import RAISE

from serving.access import current_key, needs
from serving.access.caller import NOBODY
from serving.context import get_rollouts, get_storage
from serving.holding import DONE, HALT, PAUSE, RESUME, change_hold
from serving.idempotency import idempotent
from serving.schemas import describe

blueprint = APIBlueprint("holding", __name__, url_prefix="/v1/models", tag="Releases")
_REASON = Length(min=1, max=1000)
_FRESH = {"Cache-Control": "no-store"}


class HoldRequest(Schema):
    """How a version shall be held back."""

    action = String(
        required=True,
        validate=OneOf((HALT, PAUSE)),
        metadata=describe(
            "halt: nobody should run it, and who does goes to another, or back. pause: it is "
            "offered to nobody new while it is rolled out.",
            HALT,
        ),
    )
    reason = String(
        required=True, validate=_REASON, metadata=describe("For the audit log.", "crashes on start")
    )


class ResumeRequest(Schema):
    """Why a version may go on."""

    reason = String(
        required=True, validate=_REASON, metadata=describe("For the audit log.", "a false alarm")
    )


class HoldAnswer(Schema):
    """What became of it."""

    model = String()
    version = String()
    state = String(
        validate=OneOf(tuple(DONE.values())),
        metadata=describe("Devices learn of it at their next check.", "halted"),
    )


@blueprint.post("/<model>/versions/<version>/hold")
@needs("publish")
@idempotent
@blueprint.input(HoldRequest, unknown=RAISE)
@blueprint.output(HoldAnswer)
@blueprint.doc(responses=[404, 409])
def hold(
    model: str, version: str, json_data: dict[str, Any]
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Hold a version back at once.

    What the signed policy says stays; the server only offers less than it. The audit log names the
    key.
    """
    return _change(model, version, json_data["action"], json_data["reason"])


@blueprint.post("/<model>/versions/<version>/resume")
@needs("publish")
@idempotent
@blueprint.input(ResumeRequest, unknown=RAISE)
@blueprint.output(HoldAnswer)
@blueprint.doc(responses=[404])
def resume(
    model: str, version: str, json_data: dict[str, Any]
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """End a halt or a pause, and let a raise that waits take effect."""
    return _change(model, version, RESUME, json_data["reason"])


def _change(
    model: str, version: str, action: str, reason: str
) -> tuple[dict[str, Any], int, dict[str, str]]:
    key = current_key()
    actor = f"key {key.name}" if key is not None else NOBODY
    state = change_hold(get_storage(), get_rollouts(), model, version, action, actor, reason)
    return {"model": model, "version": version, "state": state}, 200, _FRESH
