"""Forms of requests and answers, from which the OpenAPI document is made."""

from collections.abc import Callable
from typing import Any

from apiflask import Schema
from apiflask.fields import UUID, Dict, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range, Regexp
from marshmallow import ValidationError

from conversion.artifact import RUNTIMES
from conversion.variants import PRECISIONS
from mobile_assets.conditions import NETWORKS
from mobile_assets.deciding import ACTIONS, CODES
from mobile_assets.platforms import PLATFORMS
from mobile_assets.release import STABLE
from serving.api.fields import Boolean, Float, Integer

EVENTS = ("self-test", "start", "crash")
MAX_VERSION_CHARS = 64
_MAX_LISTED = 100
SHORT = Length(min=1, max=64)
SHA256_DIGITS = Regexp(r"[0-9a-f]{64}\Z", error="64 lower-case hexadecimal digits.")
_BYTES = Range(min=0, max=1 << 53)
_COUNT = Range(min=0, max=1_000_000)


def _check_unicode(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError("Half of a surrogate pair is no character.")


DEVICE_ID: list[Callable[[Any], Any]] = [Length(min=1, max=128), _check_unicode]


def describe(text: str, example: object = None) -> dict[str, object]:
    """Returns the metadata of a field: what it is, in words, and an example."""
    return {"description": text} | ({} if example is None else {"example": example})


class FileEntry(Schema):
    """A file of a bundle and where it is served."""

    path = String(metadata=describe("Where it lies in the bundle.", "labels.txt"))
    role = String(
        metadata=describe(
            "artifact, labels, names, golden, report, licence or manifest; cloud-artifact, "
            "cloud-golden, cloud-report or cloud-licence of what only servers need."
        )
    )
    sha256 = String(metadata=describe("Of its bytes, 64 hexadecimal digits."))
    size_bytes = Integer()
    url = String(metadata=describe("Relative to the server's address; never changes its content."))


class VersionEntry(Schema):
    """A published version."""

    version = String(metadata=describe("A semantic version.", "1.0.0"))
    is_current = Boolean(metadata=describe("Whether it is current in the channel stable."))
    published_at = String(metadata=describe("RFC 3339, in UTC."))
    conditions = Dict(
        keys=String(),
        values=Raw(),
        allow_none=True,
        metadata=describe("What a device must be like to be offered it; null for any."),
    )
    deprecated = String(
        allow_none=True,
        metadata=describe("Why it is offered to nobody any more who does not run it."),
    )
    url = String(metadata=describe("Where to read more."))
    manifest_url = String()


class ModelEntry(Schema):
    """A published model."""

    model = String(metadata=describe("The model's name.", "produce"))
    current = String(metadata=describe("The current version of the channel stable.", "1.0.0"))
    url = String(metadata=describe("Where to read more."))


class ModelList(Schema):
    """All published models."""

    models = List(Nested(ModelEntry))


class ModelDetail(ModelEntry):
    """A published model and its versions, newest publication first."""

    release_url = String(metadata=describe("The signed release.json."))
    correction_photos_days = Integer(
        allow_none=True,
        metadata=describe(
            "For how many days at most a photo is kept that is sent with a correction; null where "
            "the shop keeps none.",
            90,
        ),
    )
    channels = Dict(
        keys=String(),
        values=Raw(),
        metadata=describe("By name: current, pinned, and the rollout that is on its way."),
    )
    versions = List(Nested(VersionEntry))


class VersionDetail(VersionEntry):
    """A published version with its manifest and files."""

    model = String()
    languages = List(
        String(),
        metadata=describe(
            "Those that it has names of labels and coarse classes in, as BCP 47 tags; the files "
            "are names/<language>.json.",
            ["zh-Hans"],
        ),
    )
    manifest = Dict(keys=String(), values=Raw(), metadata=describe("As it was signed."))
    files = List(Nested(FileEntry))


class RuntimeEntry(Schema):
    """A runtime that an app links."""

    name = String(required=True, validate=OneOf(RUNTIMES))
    version = String(
        validate=Length(min=1, max=MAX_VERSION_CHARS),
        metadata=describe("A .pte file runs only on the minor version that made it or the next."),
    )


class RunningEntry(Schema):
    """The version that a device runs."""

    version = String(required=True, validate=SHORT)
    manifest_sha256 = String(validate=SHA256_DIGITS, metadata=describe("Of its manifest."))


class _RuntimeField(Nested):
    """A runtime's name alone, or with its version."""

    def _deserialize(self, value: Any, *others: Any, **more: Any) -> Any:
        named = {"name": value} if isinstance(value, str) else value
        return super()._deserialize(named, *others, **more)


class CheckRequest(Schema):
    """What a device runs, and what it can run. What it does not say, no condition holds for."""

    platform = String(
        required=True, validate=OneOf(PLATFORMS), metadata=describe("Where the app runs.")
    )
    os_version = String(validate=SHORT, metadata=describe("Of the operating system.", "17.4.1"))
    app_version = String(validate=SHORT, metadata=describe("A semantic version.", "2.1.0"))
    device_id = String(
        validate=DEVICE_ID,
        metadata=describe(
            "The same at each check: decides which rollouts include the device. None do without."
        ),
    )
    channel = String(
        load_default=STABLE, validate=SHORT, metadata=describe("The channel to follow.")
    )
    runtimes = List(
        _RuntimeField(RuntimeEntry),
        validate=Length(min=1, max=len(RUNTIMES)),
        metadata=describe(
            "Those that the app links, best first, each by its name or with its version; the "
            "platform's own list without."
        ),
    )
    precision = String(
        validate=OneOf(tuple(PRECISIONS)),
        metadata=describe("Which precision to take; the most faithful without."),
    )
    memory_bytes = Integer(validate=_BYTES, metadata=describe("Of the device."))
    free_bytes = Integer(validate=_BYTES, metadata=describe("Free on its disk."))
    network = String(validate=OneOf(NETWORKS))
    current = Nested(
        RunningEntry,
        allow_none=True,
        metadata=describe("What the device runs; null for what the app was shipped with."),
    )
    current_version = String(
        validate=Length(max=MAX_VERSION_CHARS),
        metadata=describe("In place of `current`, the version alone.", "1.0.0"),
    )
    have = List(
        String(validate=SHA256_DIGITS),
        validate=Length(max=_MAX_LISTED),
        metadata=describe("SHA-256 of artifact files that the device kept."),
    )
    refused = List(
        String(validate=Length(max=MAX_VERSION_CHARS)),
        validate=Length(max=_MAX_LISTED),
        metadata=describe("Versions that failed their self-test, or to start, on the device."),
    )


class DeltaEntry(Schema):
    """A way to a file from an older one."""

    from_sha256 = String(metadata=describe("Of the file that it is applied to."))
    url = String()
    sha256 = String(metadata=describe("Of the delta itself."))
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
        metadata=describe(
            "none: run on as you are; take: download, verify, test and switch; go-back: run what "
            "the app was shipped with."
        ),
    )
    code = String(validate=OneOf(tuple(CODES)), metadata=describe("Why, for machines."))
    reason = String(metadata=describe("Why, in words."))
    version = String(
        allow_none=True,
        metadata=describe("The one to take, or else the one that the reason is about."),
    )
    manifest = Nested(
        ManifestEntry, allow_none=True, metadata=describe("Null where nothing is to be taken.")
    )
    files = List(Nested(CheckedFile), metadata=describe("What this device needs beside it."))
    check_again_s = Integer(metadata=describe("When to ask again, in seconds from now."))


class ReportFigures(Schema):
    """Figures of a self-test."""

    photos = Integer(validate=_COUNT, metadata=describe("Golden photos that were recognised."))
    max_probability_difference = Float(validate=Range(min=0, max=1))
    duration_ms = Float(validate=Range(min=0, max=1e9))


class ReportRequest(Schema):
    """How a version did on a device."""

    report_id = UUID(
        required=True, metadata=describe("Made by the device; the same one twice counts once.")
    )
    device_id = String(
        required=True, validate=DEVICE_ID, metadata=describe("The same as in checks.")
    )
    version = String(required=True, validate=Length(max=MAX_VERSION_CHARS))
    artifact_sha256 = String(
        required=True, validate=SHA256_DIGITS, metadata=describe("The file that was tried.")
    )
    event = String(
        required=True,
        validate=OneOf(EVENTS),
        metadata=describe(
            "self-test: on the golden photos, before switching; start: the app started with it; "
            "crash: it did not, or ended while it recognised."
        ),
    )
    passed = Boolean(required=True)
    figures = Nested(ReportFigures)
    platform = String(required=True, validate=OneOf(PLATFORMS))
    os_version = String(validate=SHORT)
    app_version = String(validate=SHORT)
    runtime = String(validate=OneOf(RUNTIMES))
    runtime_version = String(validate=SHORT)


class ReportAnswer(Schema):
    """What became of a report."""

    counted = Boolean(metadata=describe("False where this report was here before."))


class Live(Schema):
    """The process answers."""

    status = String(validate=OneOf(["alive"]))


class Ready(Schema):
    """Whether there is something verified to answer from, and what is wrong with the repository."""

    status = String(
        validate=OneOf(["ready", "degraded", "not ready"]),
        metadata=describe(
            "degraded: the last good state answers, though the repository has problems."
        ),
    )
    models = Integer(metadata=describe("How many models are published."))
    problems = List(String())
    expires = Dict(
        keys=String(),
        values=String(),
        metadata=describe("Until when clients take each role's metadata."),
    )
