"""A checkpoint as LiteRT models (`.tflite`) of every precision, with the labels inside."""

from typing import Any

import flatbuffers
import litert_torch
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from conversion.deploy import deploy
from conversion.errors import ConversionError
from conversion.formats.tflite_int8 import quantise
from conversion.formats.tflite_metadata import (
    METADATA_NAME,
    ModelCard,
    append_labels,
    build_metadata,
)
from conversion.request import Interface, Made, Request
from conversion.spreading import replace_spreads
from training.files import write_atomic

_IDENTIFIER = b"TFL3"
# schema.fbs: `data:[ubyte] (force_align: 16)`, so that weights can be used where they lie.
_ALIGN_BYTES = 16


def convert(request: Request) -> Made:
    """Writes a `.tflite` a variant, with TFLite Metadata and `labels.txt` inside.

    The network is converted once; the other precisions are made of that file.

    Raises:
        ConversionError: the converter's file is not the one-input, one-output model asked for.
    """
    plain, card = convert_float(request), _make_card(request)
    for variant in request.variants:
        model = quantise(plain, variant, request)
        labelled = append_labels(insert_metadata(model, card), request.checkpoint.labels)
        write_atomic(request.path(variant), labelled)
        yield variant, _describe(model, request)


def convert_float(request: Request) -> bytes:
    """Returns the float32 model, without metadata."""
    normalise, side = request.checkpoint.normalise, request.side_px
    deployed = deploy(request.checkpoint.model, normalise.mean, normalise.std, "nhwc")
    example = torch.zeros(1, side, side, 3)
    replace_spreads(deployed, example)
    converted = litert_torch.convert(deployed, (example,))
    return bytes(converted.model_content())


def _make_card(request: Request) -> ModelCard:
    checkpoint = request.checkpoint
    return ModelCard(
        request.model,
        request.version,
        f"Names what a photo shows, out of {len(checkpoint.labels)} classes "
        f"({checkpoint.architecture}, checkpoint {checkpoint.sha256})",
        "not stated",
        request.side_px,
    )


def _describe(model: bytes, request: Request) -> Interface:
    names, side = _tensor_names(model), request.side_px
    classes = len(request.checkpoint.labels)
    return Interface(
        input={
            "name": names[0],
            "layout": "nhwc",
            "dtype": "float32",
            "shape": [1, side, side, 3],
            "range": [0, 255],
        },
        output={"name": names[1], "dtype": "float32", "shape": [1, classes]},
    )


def insert_metadata(model: bytes, card: ModelCard) -> bytes:
    """Returns the model's flatbuffer with the metadata among its buffers."""
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    metadata = schema.BufferT()
    metadata.data = np.frombuffer(build_metadata(card), np.uint8)
    unpacked.buffers = [_AlignedBuffer(buffer, model) for buffer in [*unpacked.buffers, metadata]]
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(unpacked.buffers) - 1
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + (1 << 16))
    builder.Finish(unpacked.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


class _AlignedBuffer:
    """A model's buffer that keeps the alignment that the generated Python code leaves out.

    The quantiser puts buffers behind the flatbuffer (schema.fbs: `offset` and `size`, from the
    start of the file); they come back into it, so that nothing may move what follows.
    """

    def __init__(self, buffer: Any, model: bytes) -> None:
        self.data = buffer.data
        if buffer.offset > 1:  # 0 and 1 stand for "not used"
            outside = model[buffer.offset : buffer.offset + buffer.size]
            self.data = np.frombuffer(outside, np.uint8)

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - flatbuffers calls it
        data = None
        if self.data is not None and len(self.data):
            builder.Prep(_ALIGN_BYTES, len(self.data))
            data = builder.CreateByteVector(bytes(self.data))
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def _tensor_names(model: bytes) -> tuple[str, str]:
    graph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    if graph.InputsLength() != 1 or graph.OutputsLength() != 1:
        raise ConversionError(
            f"the converter made {graph.InputsLength()} inputs and {graph.OutputsLength()} "
            "outputs; one of each was asked for"
        )
    names = [graph.Tensors(index).Name() for index in (graph.Inputs(0), graph.Outputs(0))]
    return names[0].decode(), names[1].decode()
