"""TFLite Metadata: the labels inside a `.tflite`, where Android's Task Library looks for them.

The metadata is a flatbuffer of its own, held in the model's buffer named "TFLITE_METADATA"; the
files that it names follow the model's bytes as a zip archive. Field numbers below are those of
`metadata_schema.fbs` 1.1.0 (tflite-support, tensorflow_lite_support/metadata): a field's number
is its place in its table, and a union takes two, its type and its value.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import flatbuffers

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.zips import fixed_entry
from training.labels import LabelSet

METADATA_NAME = "TFLITE_METADATA"
LABELS_NAME = "labels.txt"
_IDENTIFIER = b"M001"
# Everything written here has been in the schema since its first version.
_MIN_PARSER_VERSION = "1.0.0"
# Enumerators and union members of the schema.
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_RGB = 1  # ColorSpaceType
_IMAGE_PROPERTIES = 2  # ContentProperties; FeatureProperties is 1
_NORMALIZATION_OPTIONS = 1  # ProcessUnitOptions


@dataclass(frozen=True)
class ModelCard:
    """The words and numbers of the metadata.

    Attributes:
        name: model name.
        version: model version.
        description: what the model does, in a sentence.
        licence: terms of the model.
        side_px: side of the square input, in pixels.
    """

    name: str
    version: str
    description: str
    licence: str
    side_px: int


def build_metadata(card: ModelCard) -> bytes:
    """Returns the metadata flatbuffer of a classifier with one image input and two outputs."""
    builder = flatbuffers.Builder(1024)
    image = _build_input(builder, card.side_px)
    outputs = [_build_probabilities(builder), _build_known_score(builder)]
    subgraph = _table(
        builder,
        {2: _offset(_vector(builder, [image])), 3: _offset(_vector(builder, outputs))},
    )
    model = _table(
        builder,
        {
            0: _string(builder, card.name),
            1: _string(builder, card.description),
            2: _string(builder, card.version),
            3: _offset(_vector(builder, [subgraph])),
            4: _string(builder, "Ghostlens"),
            5: _string(builder, card.licence),
            7: _string(builder, _MIN_PARSER_VERSION),
        },
    )
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def append_labels(model: bytes, labels: LabelSet) -> bytes:
    """Returns the model with `labels.txt` in a zip archive behind it; same input, same bytes."""
    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(fixed_entry(LABELS_NAME), labels.to_text().encode())
    return buffer.getvalue()


# Writes one field of the table that is being built.
_Field = Callable[[flatbuffers.Builder, int], None]


def _build_input(builder: flatbuffers.Builder, side_px: int) -> int:
    """TensorMetadata of the image: RGB, its size, and no scaling left to the app."""
    size = _table(builder, {0: _uint32(side_px), 1: _uint32(side_px)})
    properties = _table(builder, {0: _byte(_RGB), 1: _offset(size)})
    content = _table(builder, {0: _byte(_IMAGE_PROPERTIES), 1: _offset(properties)})
    # (x - 0) / 1: the model takes 0 to 255 and normalises inside.
    scaling = _table(
        builder, {0: _offset(_floats(builder, [0.0])), 1: _offset(_floats(builder, [1.0]))}
    )
    unit = _table(builder, {0: _byte(_NORMALIZATION_OPTIONS), 1: _offset(scaling)})
    stats = _table(
        builder, {0: _offset(_floats(builder, [255.0])), 1: _offset(_floats(builder, [0.0]))}
    )
    return _table(
        builder,
        {
            0: _string(builder, "image"),
            1: _string(builder, "RGB photo, values 0 to 255, as they come out of the crop"),
            3: _offset(content),
            4: _offset(_vector(builder, [unit])),
            5: _offset(stats),
        },
    )


def _build_probabilities(builder: flatbuffers.Builder) -> int:
    """TensorMetadata of the probabilities, which names the file of labels."""
    file = _table(
        builder,
        {
            0: _string(builder, LABELS_NAME),
            1: _string(builder, "class names, one a line, in output order"),
            2: _byte(_TENSOR_AXIS_LABELS),
        },
    )
    stats = _table(
        builder, {0: _offset(_floats(builder, [1.0])), 1: _offset(_floats(builder, [0.0]))}
    )
    return _table(
        builder,
        {
            0: _string(builder, PROBABILITIES),
            1: _string(builder, "probability of each class; they sum to 1"),
            5: _offset(stats),
            6: _offset(_vector(builder, [file])),
        },
    )


def _build_known_score(builder: flatbuffers.Builder) -> int:
    """TensorMetadata of the known score, which has no bounds to state."""
    words = "how much the photo looks like those of known things; higher is more alike"
    return _table(builder, {0: _string(builder, KNOWN_SCORE), 1: _string(builder, words)})


def _table(builder: flatbuffers.Builder, fields: dict[int, _Field]) -> int:
    builder.StartObject(max(fields) + 1)
    for number, add in fields.items():
        add(builder, number)
    return int(builder.EndObject())


def _offset(target: int) -> _Field:
    return lambda builder, number: builder.PrependUOffsetTRelativeSlot(number, target, 0)


def _byte(value: int) -> _Field:
    return lambda builder, number: builder.PrependInt8Slot(number, value, 0)


def _uint32(value: int) -> _Field:
    return lambda builder, number: builder.PrependUint32Slot(number, value, 0)


def _string(builder: flatbuffers.Builder, text: str) -> _Field:
    return _offset(int(builder.CreateString(text)))


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: flatbuffers.Builder, values: list[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())
