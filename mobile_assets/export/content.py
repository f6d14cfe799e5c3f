"""What every layout holds: the model file, labels, thresholds and photos that an app needs."""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError
from mobile_assets.export.linking import find_linkage
from mobile_assets.installed import choose_other_files
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from mobile_assets.parts import BundledArtifact, Golden
from mobile_assets.reading import canonical_json
from mobile_assets.selftest import MAX_KNOWN_SCORE_DIFFERENCE, MAX_PROBABILITY_DIFFERENCE
from mobile_assets.unpacking import unpack_packed
from training.evaluation.confidence import Confidence
from training.files import sha256_bytes

MODEL_JSON_NAME = "model.json"
SCHEMA = "ghostlens.app-model/1"
_EXTENSIONS = {"litert": ".tflite", "executorch": ".pte", "coreml": ".mlpackage"}

Files = dict[str, bytes]


@dataclass(frozen=True)
class Content:
    """A bundle, and which of its artifacts a layout is made for.

    Attributes:
        bundle: opened, and so verified.
        platform: one of `mobile_assets.platforms.PLATFORMS`.
        artifact: the one that an app of this platform runs.
    """

    bundle: Bundle
    platform: str
    artifact: BundledArtifact

    @property
    def manifest(self) -> Manifest:
        """What the bundle says."""
        return self.bundle.manifest

    @property
    def manifest_sha256(self) -> str:
        """The hash by which an app names to the server what it was shipped with."""
        return sha256_bytes(self.bundle.manifest_bytes)


def choose_content(
    bundle: Bundle, platform: str, runtime: str | None = None, precision: str | None = None
) -> Content:
    """Returns the bundle with the artifact that a platform's app runs.

    Args:
        bundle: an opened bundle.
        platform: one of `mobile_assets.platforms.PLATFORMS`.
        runtime: what the app links; the platform's default when None.
        precision: one of `conversion.variants.PRECISIONS`; the most faithful when None.

    Raises:
        ManifestError: the bundle has no such artifact for the platform.
        BundleError: it has no golden photo, without which nobody can tell whether the app works.
    """
    artifact = bundle.manifest.artifacts_for(platform, runtime, precision)[0]
    if not bundle.manifest.golden:
        raise BundleError(
            f"{bundle.path} has no golden photo: an app could not find out whether it works; "
            "allowed are bundles with at least one"
        )
    return Content(bundle, platform, artifact)


def first_photo(content: Content) -> Golden:
    """Returns the golden photo for the first inference: one whose answer is expected, if any."""
    golden = content.manifest.golden
    answered = [photo for photo in golden if content.artifact.path in photo.answers]
    return (answered or list(golden))[0]


def first_answer(content: Content) -> tuple[str, float] | None:
    """Returns the likeliest label of the first photo with its probability, as the file gave them.

    None where the bundle holds no answers of this artifact, as nothing ran it yet.
    """
    answers = first_photo(content).answers.get(content.artifact.path)
    if answers is None:
        return None
    best = max(range(len(answers)), key=answers.__getitem__)
    return content.manifest.labels.names[best], answers[best]


def shared_files(content: Content) -> Files:
    """Returns what is the same whichever artifact an app gets, by path.

    The manifest and the files that it names keep bytes and paths, so that an app can check them.
    `first.rgb` (for Core ML `first.png`) is the first golden photo after preprocessing: uint8
    [input_px, input_px, 3], row by row, for a first inference before any preprocessing is written.
    """
    bundle, manifest = content.bundle, content.manifest
    files = {MANIFEST_NAME: bundle.manifest_bytes}
    files |= {file.path: bundle.read(file.path) for file in choose_other_files(manifest)}
    photo = first_photo(content)
    x_hwc = manifest.preprocess.read(files[photo.file], photo.file)
    if content.artifact.runtime == "coreml":
        buffer = io.BytesIO()
        Image.fromarray(x_hwc).save(buffer, "PNG")
        return files | {"first.png": buffer.getvalue()}
    return files | {"first.rgb": x_hwc.tobytes()}


def artifact_files(content: Content, stem: str) -> Files:
    """Returns the model file under a name of the layout's choice, and `model.json` beside it.

    Args:
        content: which artifact it is.
        stem: name without extension; a Core ML package comes out unpacked below it.

    Raises:
        BundleError: the archive was damaged since it was opened.
    """
    artifact = content.artifact
    data = content.bundle.read(artifact.path)
    name = stem + _EXTENSIONS[artifact.runtime]
    files = {name: data}
    if artifact.runtime == "coreml":
        files = {f"{name}/{path}": part for path, part in unpack_packed(artifact, data).items()}
    linkage = find_linkage(artifact)
    links = None if linkage is None else linkage.to_json()
    return files | {MODEL_JSON_NAME: canonical_json({**_describe(content, name), "links": links})}


def _describe(content: Content, file_name: str) -> dict[str, Any]:
    """Returns what an app needs to run the file and to judge its answers, and nothing else."""
    manifest, artifact = content.manifest, content.artifact
    confidence = artifact.confidence
    golden = [photo for photo in manifest.golden if artifact.path in photo.answers]
    return {
        "schema": SCHEMA,
        "model": manifest.model,
        "version": manifest.version,
        "manifest_sha256": content.manifest_sha256,
        "platform": content.platform,
        "file": file_name,
        "artifact": artifact.path,
        "artifact_sha256": artifact.file.sha256,
        "runtime": artifact.runtime,
        "precision": artifact.precision,
        "backend": artifact.backend,
        "tool_versions": artifact.tool_versions,
        "input": artifact.input,
        "outputs": list(artifact.outputs),
        "preprocess": manifest.preprocess.to_json(),
        "labels": list(manifest.labels.names),
        "hierarchy": None if manifest.hierarchy is None else manifest.hierarchy.to_json(),
        "thresholds": None if confidence is None else _list_limits(confidence.confidence),
        "max_probability_difference": MAX_PROBABILITY_DIFFERENCE,
        "max_known_score_difference": MAX_KNOWN_SCORE_DIFFERENCE,
        "golden": [
            {
                "file": photo.file,
                "label": photo.label,
                "probabilities": list(photo.answers[artifact.path]),
                "known_score": photo.known_scores[artifact.path],
            }
            for photo in golden
        ],
    }


def _list_limits(confidence: Confidence) -> dict[str, Any]:
    limits = confidence.limits
    return {
        "temperature": limits.temperature,
        "score": limits.score,
        "min_score": limits.min_score,
        "sure_min_probability": limits.sure,
        "coarse_min_probability": limits.coarse,
    }
