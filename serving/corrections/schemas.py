"""Forms of corrections, from which the OpenAPI document is made."""

from collections.abc import Callable
from typing import Any

from apiflask import Schema
from apiflask.fields import UUID, AwareDateTime, List, Nested, String
from apiflask.validators import Length, OneOf, Range
from marshmallow import ValidationError, validates_schema

from mobile_assets.released import CLOUD, DEVICE
from serving.api.fields import Boolean, Float, QueryInteger
from serving.corrections.tables import ACCEPTED, KINDS, NOT_AN_ITEM, REJECTED, STATES
from serving.schemas import MAX_VERSION_CHARS, SHA256_DIGITS, describe
from training.evaluation.confidence import VERDICTS
from training.labels import MAX_LABEL_CHARS, is_plain

MAX_NOTE_CHARS = 500
MAX_DEVICE_CHARS = 128
MAX_LISTED = 200


def _check_plain(text: str) -> None:
    # What no database or table takes as text: control characters, halves of characters.
    if not is_plain(text):
        raise ValidationError("Control characters and halves of characters are not allowed.")


def _text(most_chars: int, words: str, example: object = None, **more: Any) -> String:
    limits: list[Callable[[Any], Any]] = [Length(min=1, max=most_chars), _check_plain]
    return String(validate=limits, metadata=describe(words, example), **more)


class AnsweredEntry(Schema):
    """What was answered to the scan."""

    label = _text(
        MAX_LABEL_CHARS, "The first answer; null where there was none.", "kiwi", allow_none=True
    )
    probability = Float(
        allow_none=True, validate=Range(min=0, max=1), metadata=describe("Of that label, 0 to 1.")
    )
    verdict = String(required=True, validate=OneOf(VERDICTS))
    by = String(
        required=True, validate=OneOf([CLOUD, DEVICE]), metadata=describe("Which network answered.")
    )


class RightEntry(Schema):
    """What the photo shows in truth."""

    kind = String(
        required=True,
        validate=OneOf(KINDS),
        metadata=describe(
            "label: one of the version's labels; other: an item that the model does not know, by a "
            "name in free text; not-an-item: no item at all."
        ),
    )
    name = _text(MAX_LABEL_CHARS, "The label or the item's name; none of not-an-item.", "lime")

    @validates_schema
    def _check_name(self, data: dict[str, Any], **_: object) -> None:
        if (data.get("kind") == NOT_AN_ITEM) != ("name" not in data):
            raise ValidationError("Needed but of not-an-item, which has none.", "name")


class CorrectionRequest(Schema):
    """A scan's answer was wrong: this is it."""

    correction_id = UUID(
        required=True, metadata=describe("Made by the device; the same one twice counts once.")
    )
    device_id = _text(
        MAX_DEVICE_CHARS, "The same as in checks; only its SHA-256 is kept.", required=True
    )
    scanned_at = AwareDateTime(
        required=True,
        format="iso",
        metadata=describe("RFC 3339, with its offset.", "2026-11-30T14:05:00Z"),
    )
    version = _text(MAX_VERSION_CHARS, "The version that answered.", "1.0.0", required=True)
    answered = Nested(AnsweredEntry, required=True)
    right = Nested(RightEntry, required=True)
    site = _text(64, "Where it was scanned, as the shop calls it.", "branch 12")
    note = _text(MAX_NOTE_CHARS, "A few words for whoever reviews it; nothing about people.")
    photo_sha256 = String(
        validate=SHA256_DIGITS,
        metadata=describe("Of the photo's file as the device has it, whether it is sent or not."),
    )


class PhotoEntry(Schema):
    """What became of a photo."""

    kept = Boolean()
    until = String(allow_none=True, metadata=describe("RFC 3339; null where it is not kept."))
    why = String(
        metadata=describe(
            "kept; or not-sent; off: the shop keeps no photos; duplicate: it is here already; "
            "expired; rejected."
        )
    )


class CorrectionAnswer(Schema):
    """What became of a correction."""

    correction_id = String()
    state = String(validate=OneOf(STATES))
    photo = Nested(PhotoEntry)


class CorrectionEntry(CorrectionAnswer):
    """A correction, for review."""

    model = String()
    version = String()
    received_at = String(metadata=describe("RFC 3339, in UTC."))
    scanned_at = String(metadata=describe("RFC 3339, in UTC."))
    device = String(metadata=describe("The SHA-256 of its id."))
    answered = Nested(AnsweredEntry)
    right = Nested(RightEntry)
    site = String(allow_none=True)
    note = String(allow_none=True)
    duplicate_of = String(allow_none=True, metadata=describe("The one that said the same before."))
    conflict_with = String(
        allow_none=True, metadata=describe("One that says otherwise of the same photo.")
    )
    decided_at = String(allow_none=True)
    decided_by = String(allow_none=True)
    reason = String(allow_none=True)
    final = Nested(RightEntry, allow_none=True, metadata=describe("What was accepted."))
    photo_url = String(allow_none=True)


class CorrectionDetail(CorrectionEntry):
    """A correction by itself."""


class CorrectionList(Schema):
    """Some corrections, the newest first."""

    corrections = List(Nested(CorrectionEntry))
    next = String(
        allow_none=True, metadata=describe("The cursor of the next page; null at the end.")
    )


class CorrectionQuery(Schema):
    """Which corrections to list."""

    state = String(validate=OneOf(STATES))
    conflict = String(
        validate=OneOf(["yes"]), metadata=describe("Only those where another says otherwise.")
    )
    cursor = String(
        validate=Length(min=1, max=200), metadata=describe("`next` of the page before.")
    )
    limit = QueryInteger(load_default=50, validate=Range(min=1, max=MAX_LISTED))


class DecisionRequest(Schema):
    """What was decided about a correction."""

    decision = String(required=True, validate=OneOf([ACCEPTED, REJECTED]))
    right = Nested(
        RightEntry,
        metadata=describe("What to accept in place of what was said; of accepted alone."),
    )
    reason = _text(MAX_NOTE_CHARS, "Why, for the audit log.")
    name = _text(128, "Who decides, where the request comes without a key.")
