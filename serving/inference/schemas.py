"""Forms of questions and answers about photos, from which the OpenAPI document is made."""

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range

from mobile_assets.released import CLOUD, DEVICE
from serving.api.fields import QueryInteger
from serving.schemas import MAX_VERSION_CHARS, SHORT, describe
from training.evaluation.confidence import VERDICTS

MAX_TOP_K = 1000


class RecogniseQuery(Schema):
    """How to recognise."""

    version = String(
        validate=Length(min=1, max=MAX_VERSION_CHARS),
        metadata=describe("The version that shall answer; the current one without."),
    )
    channel = String(
        validate=SHORT,
        metadata=describe(
            "The channel whose current version shall answer; stable without. Beside a version it "
            "says that this one must be current there."
        ),
    )
    top_k = QueryInteger(
        load_default=5,
        validate=Range(min=1, max=MAX_TOP_K),
        metadata=describe("The number of answers."),
    )


class Answer(Schema):
    """A name with its probability."""

    label = String()
    probability = Float(metadata=describe("0 to 1."))


class CoarseAnswer(Answer):
    """A coarse class with its probability, the sum over its labels."""

    choices = List(
        Nested(Answer), metadata=describe("Its labels, to choose from; the most probable first.")
    )


class RecogniseAnswer(Schema):
    """What the photo shows."""

    model = String()
    version = String(metadata=describe("The version that answered."))
    answered_by = String(
        validate=OneOf([CLOUD, DEVICE]),
        metadata=describe("Which network of the release answered; cloud where it has one."),
    )
    architecture = String(metadata=describe("Of the network that answered.", "ghostnet_100"))
    answers = List(Nested(Answer), metadata=describe("The most probable first."))
    coarse = Nested(
        CoarseAnswer,
        allow_none=True,
        metadata=describe("The most probable coarse class, where the release has such."),
    )
    known_score = Float(
        metadata=describe(
            "How much the photo looks like those that the network learnt from; higher is more "
            "alike, and 0 about the most.",
            -0.9,
        )
    )
    verdict = String(
        validate=OneOf(VERDICTS),
        metadata=describe(
            "By the thresholds of the artifact that answered. sure: the first answer stands; "
            "coarse: only the coarse class does; unsure: a person should look; unknown: it is "
            "none of the labels."
        ),
    )
    words = String(metadata=describe("The verdict as one would say it.", "not sure: perhaps kiwi"))
    timings_ms = Dict(
        keys=String(),
        values=Float(),
        metadata=describe(
            "Milliseconds by stage: wait (for a place), load (the version), prepare (decode and "
            "resize), run (the network); and in total."
        ),
    )


class InferenceLive(Schema):
    """The process answers."""

    live = Boolean()


class InferenceReady(Schema):
    """There is something to answer from."""

    ready = Boolean()


class InferenceModelReady(Schema):
    """A version can answer."""

    name = String()
    ready = Boolean()


class InferenceServer(Schema):
    """What the server is."""

    name = String()
    version = String(metadata=describe("Of this API."))
    extensions = List(String(), metadata=describe("Of the protocol, that are understood."))


class InferenceTensor(Schema):
    """A tensor that a model takes or gives."""

    name = String()
    datatype = String(metadata=describe("FP32, or BYTES.", "FP32"))
    shape = List(Integer(), metadata=describe("-1 where it may be of any length."))


class InferenceModel(Schema):
    """What a model takes and gives."""

    name = String()
    versions = List(String(), metadata=describe("Those that can be asked, the oldest first."))
    platform = String()
    inputs = List(
        Nested(InferenceTensor),
        metadata=describe("One of them is given in a request: pixels, or photos' files."),
    )
    outputs = List(Nested(InferenceTensor))


class InferenceVersions(Schema):
    """The versions of a model."""

    name = String()
    versions = List(String())


class InferenceOutput(InferenceTensor):
    """A tensor of an answer."""

    parameters = Dict(keys=String(), values=Raw(), metadata={"x-optional": True})
    data = List(
        Raw(),
        metadata={
            "description": "Row by row; none where it follows as binary data.",
            "x-optional": True,
        },
    )


class InferenceAnswer(Schema):
    """What a model answers."""

    model_name = String()
    model_version = String()
    id = String(metadata={"description": "As the request had it.", "x-optional": True})
    outputs = List(Nested(InferenceOutput))
