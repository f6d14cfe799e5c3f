"""Forms of requests and answers, from which the OpenAPI document is made."""

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range

from conversion.artifact import RUNTIMES
from conversion.variants import PRECISIONS
from mobile_assets.platforms import PLATFORMS
from mobile_assets.released import CLOUD, DEVICE
from training.evaluation.confidence import VERDICTS

MAX_TOP_K = 1000
_MAX_VERSION_CHARS = 64


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
    is_current = Boolean(metadata=_describe("Whether apps take it that ask for no other."))
    url = String(metadata=_describe("Where to read more."))
    manifest_url = String()


class ModelEntry(Schema):
    """A published model."""

    model = String(metadata=_describe("The model's name.", "produce"))
    current = String(metadata=_describe("The current version.", "1.0.0"))
    url = String(metadata=_describe("Where to read more."))


class ModelList(Schema):
    """All published models."""

    models = List(Nested(ModelEntry))


class ModelDetail(ModelEntry):
    """A published model and its versions, newest publication first."""

    release_url = String(metadata=_describe("The signed release.json."))
    versions = List(Nested(VersionEntry))


class VersionDetail(VersionEntry):
    """A published version with its manifest and files."""

    model = String()
    manifest = Dict(keys=String(), values=Raw(), metadata=_describe("As it was signed."))
    files = List(Nested(FileEntry))


class CheckRequest(Schema):
    """What an app runs, and what it can run."""

    platform = String(
        required=True, validate=OneOf(PLATFORMS), metadata=_describe("Where the app runs.")
    )
    runtimes = List(
        String(validate=OneOf(RUNTIMES)),
        validate=Length(min=1, max=len(RUNTIMES)),
        metadata=_describe("Those that the app links, best first; the platform's default without."),
    )
    precision = String(
        validate=OneOf(tuple(PRECISIONS)),
        metadata=_describe("Which precision to name; the most faithful without."),
    )
    current_version = String(
        validate=Length(max=_MAX_VERSION_CHARS),
        metadata=_describe("The version in use, if any.", "1.0.0"),
    )


class CheckAnswer(Schema):
    """What an app should do."""

    model = String()
    action = String(
        validate=OneOf(["none", "take"]),
        metadata=_describe("none: keep what you have; take: download and switch."),
    )
    reason = String(metadata=_describe("Why, in words."))
    version = String(metadata=_describe("The current version, which may be an older one."))
    manifest_url = String(allow_none=True)
    files = List(Nested(FileEntry), metadata=_describe("What this app needs, manifest first."))


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
