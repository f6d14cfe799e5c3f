"""Damages artifacts as a faulty converter would: each function changes one thing in a file."""

import json
import shutil
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from conversion.artifact import artifact_bytes
from conversion.deploy import deploy_checkpoint
from conversion.formats.coreml_tools import Model_pb2
from conversion.formats.tflite_metadata import append_labels
from conversion.variants import Variant
from training.checkpoint import Checkpoint
from training.files import sha256_bytes, write_sums
from training.labels import LabelSet

SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"
Damage = Callable[[Path, Checkpoint], None]


def rewrite_build(folder: Path, **changes: object) -> None:
    """Makes hashes and sums fit what lies there, as if it had been written so."""
    value = json.loads((folder / "build.json").read_text()) | changes
    for entry in value["artifacts"]:
        data = artifact_bytes(folder / entry["file_name"])
        entry |= {"sha256": sha256_bytes(data), "size_bytes": len(data)}
    (folder / "build.json").write_text(json.dumps(value))
    write_sums(folder)


def keep_variants(folder: Path, *keys: str) -> Path:
    """Makes a build hold only the artifacts of these variants; returns its folder."""
    value = json.loads((folder / "build.json").read_text())
    kept = []
    for entry in value["artifacts"]:
        path = folder / entry["file_name"]
        if Variant(entry["runtime"], entry["precision"], entry["backend"]).key in keys:
            kept.append(entry)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    rewrite_build(folder, artifacts=kept)
    return folder


def swap_channels(path: Path, checkpoint: Checkpoint) -> None:
    """Makes the model read blue where red is."""
    if path.is_dir():
        edit_specification(path, _declare_bgr)
        return
    model = deploy_checkpoint(checkpoint, "nchw")
    w_ohwi = model.model.network.conv_stem.weight.permute(0, 2, 3, 1)
    replace_bytes(path, w_ohwi.contiguous(), w_ohwi.flip(3).contiguous())


def shift_mean(path: Path, checkpoint: Checkpoint) -> None:
    """Makes the model subtract nothing from the pixels: the mean was forgotten."""
    model = deploy_checkpoint(checkpoint, "nchw")
    target = path / SPECIFICATION if path.is_dir() else path
    replace_bytes(target, model.offset, torch.zeros_like(model.offset))


def swap_labels(path: Path, checkpoint: Checkpoint) -> None:
    """Exchanges the first two class names inside the file."""
    first, second, *others = checkpoint.labels.names
    swapped = LabelSet((second, first, *others))
    if path.is_dir():
        edit_specification(path, lambda model: _put_labels(model, swapped))
        return
    data = path.read_bytes()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        model_bytes = data[: archive.infolist()[0].header_offset]
    path.write_bytes(append_labels(model_bytes, swapped))


def truncate(path: Path, checkpoint: Checkpoint) -> None:
    """Cuts the file, or the weights of a package, in the middle."""
    del checkpoint
    target = path / "Data/com.apple.CoreML/weights/weight.bin" if path.is_dir() else path
    data = target.read_bytes()
    target.write_bytes(data[: len(data) // 2])


def edit_specification(path: Path, edit: Callable[[object], None]) -> None:
    model = Model_pb2.Model.FromString((path / SPECIFICATION).read_bytes())
    edit(model)
    (path / SPECIFICATION).write_bytes(model.SerializeToString(deterministic=True))


def block_of(model):
    function = model.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def replace_bytes(path: Path, old: torch.Tensor, new: torch.Tensor) -> None:
    data, before, after = path.read_bytes(), np.asarray(old).tobytes(), np.asarray(new).tobytes()
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, after))


def _declare_bgr(model) -> None:
    image = model.description.input[0].type.imageType
    image.colorSpace = image.ColorSpace.Value("BGR")


def _put_labels(model, labels: LabelSet) -> None:
    classes = block_of(model).operations[-1].inputs["classes"].arguments[0].value
    for value, name in zip(classes.immediateValue.list.values, labels.names, strict=True):
        value.immediateValue.tensor.strings.values[0] = name
