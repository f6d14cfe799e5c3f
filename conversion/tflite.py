"""A checkpoint as a LiteRT model (`.tflite`), float32, with its labels inside."""

from pathlib import Path
from typing import Any

import flatbuffers
import litert_torch
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from conversion.deploy import Interface, deploy
from conversion.errors import ConversionError
from conversion.tflite_metadata import METADATA_NAME, ModelCard, append_labels, build_metadata
from training.checkpoint import Checkpoint
from training.files import write_atomic

PRECISION = "fp32"
PACKAGES = ("litert-torch", "litert-converter", "ai-edge-litert", "torch")
_IDENTIFIER = b"TFL3"
# schema.fbs: `data:[ubyte] (force_align: 16)`, so that weights can be used where they lie.
_ALIGN_BYTES = 16


def convert(checkpoint: Checkpoint, model: str, version: str, path: Path) -> Interface:
    """Writes a `.tflite` with TFLite Metadata and `labels.txt` inside.

    Args:
        checkpoint: what to convert.
        model: name for the metadata.
        version: version for the metadata.
        path: the file to write.

    Raises:
        ConversionError: the converter's file is not the one-input, one-output model asked for.
    """
    normalise, side = checkpoint.normalise, checkpoint.preprocess.input_px
    deployed = deploy(checkpoint.model, normalise.mean, normalise.std, "nhwc")
    converted = litert_torch.convert(deployed, (torch.zeros(1, side, side, 3),))
    card = ModelCard(
        model,
        version,
        f"Names what a photo shows, out of {len(checkpoint.labels)} classes "
        f"({checkpoint.architecture}, checkpoint {checkpoint.sha256})",
        "not stated",
        side,
    )
    plain = bytes(converted.model_content())
    write_atomic(path, append_labels(insert_metadata(plain, card), checkpoint.labels))
    names = _tensor_names(plain)
    return Interface(
        input={
            "name": names[0],
            "layout": "nhwc",
            "dtype": "float32",
            "shape": [1, side, side, 3],
            "range": [0, 255],
        },
        output={"name": names[1], "dtype": "float32", "shape": [1, len(checkpoint.labels)]},
    )


def insert_metadata(model: bytes, card: ModelCard) -> bytes:
    """Returns the model's flatbuffer with the metadata among its buffers."""
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    metadata = schema.BufferT()
    metadata.data = np.frombuffer(build_metadata(card), np.uint8)
    unpacked.buffers = [_AlignedBuffer(buffer) for buffer in [*unpacked.buffers, metadata]]
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(unpacked.buffers) - 1
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    builder = flatbuffers.Builder(len(model) + (1 << 16))
    builder.Finish(unpacked.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


class _AlignedBuffer:
    """A model's buffer that keeps the alignment that the generated Python code leaves out."""

    def __init__(self, buffer: Any) -> None:
        self.data = buffer.data

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
