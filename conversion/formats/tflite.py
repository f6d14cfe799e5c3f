"""A checkpoint as LiteRT models (`.tflite`) of every precision, with the labels inside."""

from typing import Any

import flatbuffers
import litert_torch
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.deploy import deploy_checkpoint
from conversion.errors import ConversionError
from conversion.formats.tflite_int8 import quantise
from conversion.formats.tflite_metadata import (
    METADATA_NAME,
    ModelCard,
    append_labels,
    build_metadata,
)
from conversion.request import Interface, Made, Request, describe_outputs
from conversion.spreading import replace_spreads
from training.files import write_atomic

_IDENTIFIER = b"TFL3"
# schema.fbs: `data:[ubyte] (force_align: 16)`, so that weights can be used where they lie.
_ALIGN_BYTES = 16


def convert(request: Request) -> Made:
    """Writes a `.tflite` a variant, with TFLite Metadata and `labels.txt` inside.

    The network is converted once; the other precisions are made of that file.

    Raises:
        ConversionError: the converter's file has not one input and two outputs.
    """
    plain, card = convert_float(request), _make_card(request)
    for variant in request.variants:
        model = name_outputs(quantise(plain, variant, request))
        labelled = append_labels(insert_metadata(model, card), request.checkpoint.labels)
        write_atomic(request.path(variant), labelled)
        yield variant, _describe(model, request)


def convert_float(request: Request) -> bytes:
    """Returns the float32 model, without metadata."""
    deployed = deploy_checkpoint(request.checkpoint, "nhwc")
    example = torch.zeros(1, request.side_px, request.side_px, 3)
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
    graph, side = schema.Model.GetRootAs(model, 0).Subgraphs(0), request.side_px
    return Interface(
        input={
            "name": graph.Tensors(graph.Inputs(0)).Name().decode(),
            "layout": "nhwc",
            "dtype": "float32",
            "shape": [1, side, side, 3],
            "range": [0, 255],
        },
        outputs=describe_outputs([1, len(request.checkpoint.labels)], [1, 1]),
    )


def name_outputs(model: bytes) -> bytes:
    """Returns the model with its outputs named and in order, as tensors and in the signature.

    The converter calls both by numbers, and the quantiser may turn their order.

    Raises:
        ConversionError: it has not one input and two outputs.
    """
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    (graph,), signatures = unpacked.subgraphs, unpacked.signatureDefs or []
    if len(graph.inputs) != 1 or len(graph.outputs) != 2 or len(signatures) != 1:
        raise ConversionError(
            f"the converter made {len(graph.inputs)} inputs, {len(graph.outputs)} outputs and "
            f"{len(signatures)} signatures; 1, 2 and 1 were asked for"
        )
    # The converter numbers them in the order in which the network gives them.
    given = sorted(signatures[0].outputs, key=lambda entry: bytes(entry.name))
    for entry, name in zip(given, (PROBABILITIES, KNOWN_SCORE), strict=True):
        entry.name = graph.tensors[entry.tensorIndex].name = name
    signatures[0].outputs = given
    graph.outputs = [entry.tensorIndex for entry in given]
    return _pack(unpacked, unpacked.buffers, model)


def insert_metadata(model: bytes, card: ModelCard) -> bytes:
    """Returns the model's flatbuffer with the metadata among its buffers."""
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    metadata = schema.BufferT()
    metadata.data = np.frombuffer(build_metadata(card), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(unpacked.buffers)
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    return _pack(unpacked, [*unpacked.buffers, metadata], model)


def _pack(unpacked: Any, buffers: list[Any], model: bytes) -> bytes:
    """Writes a model that was unpacked from bytes."""
    unpacked.buffers = [_AlignedBuffer(buffer, model) for buffer in buffers]
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
