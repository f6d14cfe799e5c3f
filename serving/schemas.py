"""Forms of requests and answers, from which the OpenAPI document is made."""

from collections.abc import Callable
from typing import Any

from apiflask import Schema
from apiflask.fields import UUID, Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range, Regexp
from marshmallow import ValidationError

from conversion.artifact import RUNTIMES
from conversion.variants import PRECISIONS
from mobile_assets.conditions import NETWORKS
from mobile_assets.deciding import ACTIONS, CODES
from mobile_assets.platforms import PLATFORMS
from mobile_assets.release import STABLE
from mobile_assets.released import CLOUD, DEVICE
from training.evaluation.confidence import VERDICTS

MAX_TOP_K = 1000
EVENTS = ("self-test", "start", "crash")
_MAX_VERSION_CHARS = 64
_MAX_LISTED = 100
_SHORT = Length(min=1, max=64)
_SHA256 = Regexp(r"[0-9a-f]{64}\Z", error="64 lower-case hexadecimal digits.")
_BYTES = Range(min=0, max=1 << 53)
_COUNT = Range(min=0, max=1_000_000)


def _check_unicode(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError("Half of a surrogate pair is no character.")


_DEVICE_ID: list[Callable[[Any], Any]] = [Length(min=1, max=128), _check_unicode]


def _describe(text: str, example: object = None) -> dict[str, object]:
    return {"description": text} | ({} if example is None else {"example": example})


class FileEntry(Schema):
    """A file of a bundle and where it is served."""

    path = String(metadata=_describe("Where it lies in the bundle.", "labels.txt"))
    role = String(
        metadata=_describe(
            "artifact, labels, golden, report, licence or manifest; cloud-artifact, cloud-golden, "
            "cloud-report or cloud-licence of what only servers need."
        )
    )
    sha256 = String(metadata=_describe("Of its bytes, 64 hexadecimal digits."))
    size_bytes = Integer()
    url = String(metadata=_describe("Relative to the server's address; never changes its content."))


class VersionEntry(Schema):
    """A published version."""

    version = String(metadata=_describe("A semantic version.", "1.0.0"))
    is_current = Boolean(metadata=_describe("Whether it is current in the channel stable."))
    published_at = String(metadata=_describe("RFC 3339, in UTC."))
    conditions = Dict(
        keys=String(),
        values=Raw(),
        allow_none=True,
        metadata=_describe("What a device must be like to be offered it; null for any."),
    )
    deprecated = String(
        allow_none=True,
        metadata=_describe("Why it is offered to nobody any more who does not run it."),
    )
    url = String(metadata=_describe("Where to read more."))
    manifest_url = String()


class ModelEntry(Schema):
    """A published model."""

    model = String(metadata=_describe("The model's name.", "produce"))
    current = String(metadata=_describe("The current version of the channel stable.", "1.0.0"))
    url = String(metadata=_describe("Where to read more."))


class ModelList(Schema):
    """All published models."""

    models = List(Nested(ModelEntry))


class ModelDetail(ModelEntry):
    """A published model and its versions, newest publication first."""

    release_url = String(metadata=_describe("The signed release.json."))
    channels = Dict(
        keys=String(),
        values=Raw(),
        metadata=_describe("By name: current, pinned, and the rollout that is on its way."),
    )
    versions = List(Nested(VersionEntry))


class VersionDetail(VersionEntry):
    """A published version with its manifest and files."""

    model = String()
    manifest = Dict(keys=String(), values=Raw(), metadata=_describe("As it was signed."))
    files = List(Nested(FileEntry))


class RuntimeEntry(Schema):
    """A runtime that an app links."""

    name = String(required=True, validate=OneOf(RUNTIMES))
    version = String(
        validate=Length(min=1, max=_MAX_VERSION_CHARS),
        metadata=_describe("A .pte file runs only on the minor version that made it or the next."),
    )


class RunningEntry(Schema):
    """The version that a device runs."""

    version = String(required=True, validate=Length(max=_MAX_VERSION_CHARS))
    manifest_sha256 = String(validate=_SHA256, metadata=_describe("Of its manifest."))


class _RuntimeField(Nested):
    """A runtime's name alone, or with its version."""

    def _deserialize(self, value: Any, *others: Any, **more: Any) -> Any:
        named = {"name": value} if isinstance(value, str) else value
        return super()._deserialize(named, *others, **more)


class CheckRequest(Schema):
    """What a device runs, and what it can run. What it does not say, no condition holds for."""

    platform = String(
        required=True, validate=OneOf(PLATFORMS), metadata=_describe("Where the app runs.")
    )
    os_version = String(validate=_SHORT, metadata=_describe("Of the operating system.", "17.4.1"))
    app_version = String(validate=_SHORT, metadata=_describe("A semantic version.", "2.1.0"))
    device_id = String(
        validate=_DEVICE_ID,
        metadata=_describe(
            "The same at each check: decides which rollouts include the device. None do without."
        ),
    )
    channel = String(
        load_default=STABLE, validate=_SHORT, metadata=_describe("The channel to follow.")
    )
    runtimes = List(
        _RuntimeField(RuntimeEntry),
        validate=Length(min=1, max=len(RUNTIMES)),
        metadata=_describe(
            "Those that the app links, best first, each by its name or with its version; the "
            "platform's own list without."
        ),
    )
    precision = String(
        validate=OneOf(tuple(PRECISIONS)),
        metadata=_describe("Which precision to take; the most faithful without."),
    )
    memory_bytes = Integer(validate=_BYTES, metadata=_describe("Of the device."))
    free_bytes = Integer(validate=_BYTES, metadata=_describe("Free on its disk."))
    network = String(validate=OneOf(NETWORKS))
    current = Nested(
        RunningEntry,
        allow_none=True,
        metadata=_describe("What the device runs; null for what the app was shipped with."),
    )
    current_version = String(
        validate=Length(max=_MAX_VERSION_CHARS),
        metadata=_describe("In place of `current`, the version alone.", "1.0.0"),
    )
    have = List(
        String(validate=_SHA256),
        validate=Length(max=_MAX_LISTED),
        metadata=_describe("SHA-256 of artifact files that the device kept."),
    )
    refused = List(
        String(validate=Length(max=_MAX_VERSION_CHARS)),
        validate=Length(max=_MAX_LISTED),
        metadata=_describe("Versions that failed their self-test, or to start, on the device."),
    )


class DeltaEntry(Schema):
    """A way to a file from an older one."""

    from_sha256 = String(metadata=_describe("Of the file that it is applied to."))
    url = String()
    sha256 = String(metadata=_describe("Of the delta itself."))
    size_bytes = Integer()


class CheckedFile(FileEntry):
    """A file that a device downloads."""

    deltas = List(Nested(DeltaEntry))


class ManifestEntry(Schema):
    """The manifest of the version to take."""

    url = String()
    sha256 = String()
    size_bytes = Integer()


class CheckAnswer(Schema):
    """What a device should do."""

    model = String()
    channel = String()
    action = String(
        validate=OneOf(ACTIONS),
        metadata=_describe(
            "none: run on as you are; take: download, verify, test and switch; go-back: run what "
            "the app was shipped with."
        ),
    )
    code = String(validate=OneOf(tuple(CODES)), metadata=_describe("Why, for machines."))
    reason = String(metadata=_describe("Why, in words."))
    version = String(
        allow_none=True,
        metadata=_describe("The one to take, or else the one that the reason is about."),
    )
    manifest = Nested(
        ManifestEntry, allow_none=True, metadata=_describe("Null where nothing is to be taken.")
    )
    files = List(Nested(CheckedFile), metadata=_describe("What this device needs beside it."))
    check_again_s = Integer(metadata=_describe("When to ask again, in seconds from now."))


class ReportFigures(Schema):
    """Figures of a self-test."""

    photos = Integer(validate=_COUNT, metadata=_describe("Golden photos that were recognised."))
    max_probability_difference = Float(validate=Range(min=0, max=1))
    duration_ms = Float(validate=Range(min=0, max=1e9))


class ReportRequest(Schema):
    """How a version did on a device."""

    report_id = UUID(
        required=True, metadata=_describe("Made by the device; the same one twice counts once.")
    )
    device_id = String(
        required=True, validate=_DEVICE_ID, metadata=_describe("The same as in checks.")
    )
    version = String(required=True, validate=Length(max=_MAX_VERSION_CHARS))
    artifact_sha256 = String(
        required=True, validate=_SHA256, metadata=_describe("The file that was tried.")
    )
    event = String(
        required=True,
        validate=OneOf(EVENTS),
        metadata=_describe(
            "self-test: on the golden photos, before switching; start: the app started with it; "
            "crash: it did not, or ended while it recognised."
        ),
    )
    passed = Boolean(required=True)
    figures = Nested(ReportFigures)
    platform = String(required=True, validate=OneOf(PLATFORMS))
    os_version = String(validate=_SHORT)
    app_version = String(validate=_SHORT)
    runtime = String(validate=OneOf(RUNTIMES))
    runtime_version = String(validate=_SHORT)


class ReportAnswer(Schema):
    """What became of a report."""

    counted = Boolean(metadata=_describe("False where this report was here before."))


class RecogniseQuery(Schema):
    """How to recognise."""

    version = String(
        validate=Length(min=1, max=_MAX_VERSION_CHARS),
        metadata=_describe("The version that shall answer; the current one without."),
    )
    top_k = Integer(
        load_default=5,
        validate=Range(min=1, max=MAX_TOP_K),
        metadata=_describe("The number of answers."),
    )


class Answer(Schema):
    """A name with its probability."""

    label = String()
    probability = Float(metadata=_describe("0 to 1."))


class CoarseAnswer(Answer):
    """A coarse class with its probability, the sum over its labels."""

    choices = List(
        Nested(Answer), metadata=_describe("Its labels, to choose from; the most probable first.")
    )


class RecogniseAnswer(Schema):
    """What the photo shows."""

    model = String()
    version = String(metadata=_describe("The version that answered."))
    answered_by = String(
        validate=OneOf([CLOUD, DEVICE]),
        metadata=_describe("Which network of the release answered; cloud where it has one."),
    )
    architecture = String(metadata=_describe("Of the network that answered.", "ghostnet_100"))
    answers = List(Nested(Answer), metadata=_describe("The most probable first."))
    coarse = Nested(
        CoarseAnswer,
        allow_none=True,
        metadata=_describe("The most probable coarse class, where the release has such."),
    )
    known_score = Float(
        metadata=_describe(
            "How much the photo looks like those that the network learnt from; higher is more "
            "alike, and 0 about the most.",
            -0.9,
        )
    )
    verdict = String(
        validate=OneOf(VERDICTS),
        metadata=_describe(
            "By the thresholds of the artifact that answered. sure: the first answer stands; "
            "coarse: only the coarse class does; unsure: a person should look; unknown: it is "
            "none of the labels."
        ),
    )
    words = String(metadata=_describe("The verdict as one would say it.", "not sure: perhaps kiwi"))
    timings_ms = Dict(
        keys=String(), values=Float(), metadata=_describe("Milliseconds by stage, and in total.")
    )


class Live(Schema):
    """The process answers."""

    status = String(validate=OneOf(["alive"]))


class Ready(Schema):
    """Whether there is something verified to answer from, and what is wrong with the repository."""

    status = String(
        validate=OneOf(["ready", "degraded", "not ready"]),
        metadata=_describe(
            "degraded: the last good state answers, though the repository has problems."
        ),
    )
    models = Integer(metadata=_describe("How many models are published."))
    problems = List(String())
    expires = Dict(
        keys=String(),
        values=String(),
        metadata=_describe("Until when clients take each role's metadata."),
    )
