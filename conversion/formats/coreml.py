"""A checkpoint as Core ML packages (`.mlpackage`) of every precision, with class labels inside."""

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.deploy import deploy_checkpoint
from conversion.formats.coreml_compress import compress
from conversion.formats.coreml_tools import (
    AbstractGraphPass,
    Model_pb2,
    ScopeSource,
    ct,
    register_pass,
)
from conversion.request import Interface, Made, Request, describe_outputs
from conversion.spreading import replace_spreads
from training.files import write_atomic

# Of the probabilities in label order, of which the classifier makes a dictionary by label.
_ROW_NAME = "probability_row"
INPUT_NAME, LABEL_NAME = "image", "label"
# The first opset whose programs can hold compressed weights (the `constexpr_*` ops), so that
# every precision of a model runs on the same phones: iPhone 8 (2017) and later.
MINIMUM_TARGET = ct.target.iOS16
_SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"


def convert(request: Request) -> Made:
    """Writes an `.mlpackage` a variant, which takes an RGB image and gives label and outputs.

    The network is converted once; the other precisions are made of that package.
    """
    model = convert_float16(request)
    for variant in request.variants:
        path = request.path(variant)
        compress(model, variant, request).save(str(path))
        _finish(path, request)
        yield variant, _describe(request)


def convert_float16(request: Request) -> Any:
    """Returns the float16 program as a coremltools model."""
    checkpoint, side = request.checkpoint, request.side_px
    deployed = deploy_checkpoint(checkpoint, "nchw")
    shape = (1, 3, side, side)
    replace_spreads(deployed, torch.zeros(shape))
    traced = torch.jit.trace(deployed, torch.zeros(shape))  # type: ignore[no-untyped-call]
    return ct.convert(
        traced,
        inputs=[ct.ImageType(INPUT_NAME, shape, color_layout=ct.colorlayout.RGB)],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in (_ROW_NAME, KNOWN_SCORE)],
        classifier_config=ct.ClassifierConfig(list(checkpoint.labels.names), LABEL_NAME, _ROW_NAME),
        minimum_deployment_target=MINIMUM_TARGET,
        compute_precision=ct.transform.FP16ComputePrecision(_is_float16_enough),
        convert_to="mlprogram",
        skip_model_load=True,
        pass_pipeline=_make_pipeline(),
    )


@register_pass(namespace="ghostlens")
class forget_output_types(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801 - passes are named so
    """Makes a classifier with an output of its own convert.

    The exporter looks up the types that were asked for after it has put the label before the
    outputs, and finds one too few.
    """

    def apply(self, program: Any) -> None:
        """Forgets the types once the program has them."""
        for function in program.functions.values():
            function.set_output_types(None)


def _make_pipeline() -> Any:
    pipeline = ct.PassPipeline.DEFAULT
    pipeline.append_pass(f"ghostlens::{forget_output_types.__name__}")
    return pipeline


def _is_float16_enough(op: Any) -> bool:
    """Tells which ops coremltools may turn into float16: all but pixel scaling and known score.

    Between 128 and 255 float16 has steps of 1/8, so that a pixel less its mean would lose up to
    1/16 of a pixel value before the first layer. A known score is the small difference of sums
    that add up 1280 squares.
    """
    if KNOWN_SCORE in op.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, ()):
        return False
    shape = tuple(op.outputs[0].shape or ())
    return not (op.op_type in ("sub", "mul") and shape[:2] == (1, 3))


def _describe(request: Request) -> Interface:
    side = request.side_px
    return Interface(
        input={
            "name": INPUT_NAME,
            "layout": "image",
            "dtype": "uint8",
            "shape": [side, side, 3],
            "range": [0, 255],
            "colour_order": "RGB",
        },
        outputs=describe_outputs([len(request.checkpoint.labels)], [1, 1]),
    )


def _finish(path: Path, request: Request) -> None:
    """Names the outputs, fills in the metadata, and makes the bytes the same for same input."""
    checkpoint = request.checkpoint
    specification = Model_pb2.Model.FromString((path / _SPECIFICATION).read_bytes())
    description = specification.description
    ct.utils.rename_feature(specification, f"{LABEL_NAME}_probs", PROBABILITIES)
    description.predictedProbabilitiesName = PROBABILITIES
    description.metadata.author = "Ghostlens"
    description.metadata.versionString = request.version
    description.metadata.license = "not stated"
    description.metadata.shortDescription = (
        f"{request.model}: names what a photo shows, out of {len(checkpoint.labels)} classes"
    )
    own = description.metadata.userDefined
    del own["com.github.apple.coremltools.conversion_date"]
    own["ghostlens.model"] = request.model
    own["ghostlens.architecture"] = checkpoint.architecture
    own["ghostlens.checkpoint_sha256"] = checkpoint.sha256
    own["ghostlens.preprocess"] = json.dumps(checkpoint.preprocess.to_json(), sort_keys=True)
    _describe_features(description, checkpoint.preprocess.input_px)
    write_atomic(path / _SPECIFICATION, specification.SerializeToString(deterministic=True))
    _rewrite_manifest(path / "Manifest.json")


def _describe_features(description: Any, side_px: int) -> None:
    description.input[
        0
    ].shortDescription = (
        f"RGB photo, {side_px} x {side_px}, after the resize and crop of ghostlens.preprocess"
    )
    words = {
        LABEL_NAME: "most probable class",
        PROBABILITIES: "probability of each class",
        KNOWN_SCORE: "how much the photo looks like those of known things; higher is more alike",
    }
    for feature in description.output:
        feature.shortDescription = words[feature.name]


def _rewrite_manifest(path: Path) -> None:
    """Replaces the random identifiers of the package's parts by ones that follow from the parts."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    identifiers = {
        old: str(uuid.uuid5(uuid.NAMESPACE_URL, f"ghostlens:{entry['path']}"))
        for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {
        identifiers[old]: entry for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = identifiers[manifest["rootModelIdentifier"]]
    write_atomic(path, json.dumps(manifest, indent=4, sort_keys=True) + "\n")
