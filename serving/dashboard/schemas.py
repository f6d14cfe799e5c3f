"""Forms of what devices tell of their scans, and of what the server says of drift."""

from apiflask import Schema
from apiflask.fields import UUID, Date, Dict, List, Nested, String
from apiflask.validators import Length, OneOf, Range

from serving.api.fields import Boolean, Float, Integer
from serving.schemas import DEVICE_ID, MAX_VERSION_CHARS, describe
from training.evaluation.confidence import VERDICTS
from training.evaluation.distribution import CONFIDENCE_BINS, CONFIDENCE_EDGES

# A month of days, with two versions in some of them.
MOST_DAYS = 62
_MOST_LABELS = 1000
_COUNT = Range(min=0, max=1_000_000)


class UsageDay(Schema):
    """The scans of one day with one version, in sums: each of the three adds up to all scans."""

    version = String(required=True, validate=Length(max=MAX_VERSION_CHARS))
    day = Date(required=True, metadata=describe("In UTC, of the last 30 days.", "2026-11-30"))
    verdicts = Dict(
        keys=String(validate=OneOf(VERDICTS)),
        values=Integer(validate=_COUNT),
        required=True,
        metadata=describe("How often each was given.", {"sure": 17, "unsure": 3}),
    )
    labels = Dict(
        keys=String(),
        values=Integer(validate=_COUNT),
        required=True,
        validate=Length(max=_MOST_LABELS),
        metadata=describe("How often each was named first.", {"apple": 20}),
    )
    confidences = List(
        Integer(validate=_COUNT),
        required=True,
        validate=Length(equal=CONFIDENCE_BINS),
        metadata=describe(
            "How often the first answer's probability lay in each bin; a bin holds its lower edge. "
            f"The edges: {', '.join(f'{edge:g}' for edge in CONFIDENCE_EDGES)}.",
            [0] * (CONFIDENCE_BINS - 1) + [20],
        ),
    )
    sent = Integer(
        load_default=0,
        validate=_COUNT,
        metadata=describe("How many of the photos were sent to the server as well."),
    )


class UsageRequest(Schema):
    """What a device tells of the scans that it did on its own since it last told."""

    report_id = UUID(
        required=True, metadata=describe("Made by the device; the same one twice counts once.")
    )
    device_id = String(
        required=True, validate=DEVICE_ID, metadata=describe("The same as in checks.")
    )
    days = List(Nested(UsageDay), required=True, validate=Length(min=1, max=MOST_DAYS))


class UsageAnswer(Schema):
    """What became of a report of usage."""

    counted = Boolean(
        metadata=describe(
            "False where this report was here before, or the device told of more scans of a day "
            "than a person does."
        )
    )


class DriftFinding(Schema):
    """One comparison of the last days with what went before, or with validation."""

    place = String(metadata=describe("device or server: where photos were recognised."))
    subject = String(metadata=describe("confidence, verdict or label: what is compared."))
    against = String(metadata=describe("validation, or weeks: the four weeks before."))
    version = String(allow_none=True, metadata=describe("The one that answered; null for all."))
    state = String(
        validate=OneOf(["alarm", "quiet", "for information", "too little"]),
        metadata=describe("for information: large, and still no alarm, as `words` say."),
    )
    words = String(metadata=describe("What it comes to."))
    scans = Integer(metadata=describe("Of the last days."))
    effect = Float(
        allow_none=True, metadata=describe("Distance beyond chance, 0 to 1; null of too few scans.")
    )
    distance = Float(allow_none=True, metadata=describe("Jensen-Shannon distance, 0 to 1."))
    limit = Float(allow_none=True, metadata=describe("What chance stays below 999 times of 1,000."))


class DriftAnswer(Schema):
    """Whether photos are others than they were."""

    model = String()
    alarm = Boolean(metadata=describe("Whether any finding is an alarm."))
    days = Integer(metadata=describe("How many days are looked at, with today."))
    findings = List(Nested(DriftFinding))
