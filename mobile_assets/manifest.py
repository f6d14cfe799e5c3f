"""The manifest of a bundle: what is in it, for whom, and how it must answer. Free of torch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath

from conversion.variants import VARIANTS
from mobile_assets.comparison import Comparison
from mobile_assets.errors import ManifestError
from mobile_assets.parts import (
    MAX_FILES,
    BundledArtifact,
    File,
    Golden,
    Metrics,
    read_hierarchy,
    read_labels,
    read_model_name,
    read_name,
    read_preprocess,
    read_version,
)
from mobile_assets.platforms import RUNTIMES_OF, check_platform
from mobile_assets.reading import canonical_json, check_schema, read_json
from mobile_assets.released import (
    DEVICE,
    MAX_ARTIFACTS,
    MAX_LICENCE_CHARS,
    ReleasedModel,
    find_contradictions,
)
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

SCHEMA = "ghostlens.bundle/3"
# Of a manifest with names, whose role readers of the schema before refuse. One without names keeps
# the schema before, so that they go on reading it.
NAMES_SCHEMA = "ghostlens.bundle/4"
MANIFEST_NAME = "manifest.json"
LABELS_NAME = "labels.txt"
# 5000 labels x 8 golden photos x 12 artifacts at 20 bytes a probability is 10 MB.
MAX_MANIFEST_BYTES = 16 << 20
_ARTIFACT_ROLES = ("artifact", "cloud-artifact")


@dataclass(frozen=True)
class Manifest:
    """Everything about a bundle.

    Attributes:
        model: name of the model.
        version: semantic version; never changes its content.
        architecture: as in "ghostnet_100".
        checkpoint_sha256: names the training result that the artifacts were made from.
        labels: class names in the order of the outputs.
        preprocess: from a photo to the input's pixels.
        hierarchy: the coarse class of each label, for devices and the cloud alike; None where
            there are none.
        metrics: of the trained model on the validation photos.
        photos_source: where the photos came from.
        photos_licence: under which terms.
        artifacts: the model files.
        golden: photos with expected answers.
        other_files: labels, names, golden photos, reports and licences.
        cloud: the wider network that answers on the server, with the same labels; None where the
            server answers with an artifact for devices. What stands above is of the network
            for devices.

    Raises:
        ManifestError: the parts contradict each other.
    """

    model: str
    version: str
    architecture: str
    checkpoint_sha256: str
    labels: LabelSet
    preprocess: Preprocess
    hierarchy: Hierarchy | None
    metrics: Metrics
    photos_source: str
    photos_licence: str
    artifacts: tuple[BundledArtifact, ...]
    golden: tuple[Golden, ...]
    other_files: tuple[File, ...]
    cloud: ReleasedModel | None = None
    comparison: Comparison | None = None

    def __post_init__(self) -> None:
        for fault in _contradictions(self):
            raise ManifestError(f"manifest: {fault}")

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of the bundle but the manifest, in the order of their paths."""
        files = [artifact.file for model in self.models for artifact in model.artifacts]
        return tuple(sorted([*files, *self.other_files], key=lambda file: file.path))

    @property
    def device(self) -> ReleasedModel:
        """The network for devices."""
        return ReleasedModel(
            DEVICE,
            self.architecture,
            self.checkpoint_sha256,
            self.preprocess,
            self.metrics,
            self.photos_source,
            self.photos_licence,
            self.artifacts,
            self.golden,
        )

    @property
    def models(self) -> tuple[ReleasedModel, ...]:
        """The network for devices, and the cloud's where there is one."""
        return (self.device,) if self.cloud is None else (self.device, self.cloud)

    @property
    def fallback(self) -> ReleasedModel:
        """The network that answers on the server what a device is not sure of."""
        return self.cloud or self.device

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that it has names in, as BCP 47 tags; labels stand beside them."""
        paths = (PurePosixPath(file.path) for file in self.other_files if file.role == "names")
        return tuple(sorted(path.stem for path in paths))

    @property
    def schema(self) -> str:
        """The oldest schema that has all that the manifest holds."""
        return NAMES_SCHEMA if self.languages else SCHEMA

    def find_file(self, path: str) -> File:
        """Returns the file at a path of the bundle.

        Raises:
            ManifestError: no such file.
        """
        for file in self.files:
            if file.path == path:
                return file
        raise ManifestError(f"{self.model} {self.version} has no file {path!r}")

    def artifacts_for(
        self, platform: str, runtime: str | None = None, precision: str | None = None
    ) -> tuple[BundledArtifact, ...]:
        """Returns the one artifact that a device of a platform needs.

        Args:
            platform: one of `PLATFORMS`.
            runtime: the one that the app links; without it the platform's first that is here.
            precision: see `conversion.variants.PRECISIONS`; without it the most faithful, and
                none that only a delegate of one system runs.

        Raises:
            ManifestError: no such platform, runtime or precision, or nothing here is for it.
        """
        check_platform(platform, runtime, precision)
        wanted = RUNTIMES_OF[platform] if runtime is None else (runtime,)
        for candidate in wanted:
            fitting = [
                artifact
                for artifact in self.artifacts
                if artifact.runtime == candidate and platform in artifact.platforms
                if artifact.precision == precision
                or (precision is None and artifact.variant.executed_here)
            ]
            if fitting:
                return (min(fitting, key=lambda artifact: VARIANTS.index(artifact.variant)),)
        raise ManifestError(
            f"{self.model} {self.version} has no {precision + ' ' if precision else ''}artifact "
            f"for {platform} with {' or '.join(wanted)}"
        )

    def to_bytes(self) -> bytes:
        """Returns canonical JSON: the same manifest gives the same bytes."""
        value = {
            **asdict(self),
            "schema": self.schema,
            "labels": list(self.labels.names),
            "preprocess": self.preprocess.to_json(),
            "hierarchy": None if self.hierarchy is None else self.hierarchy.to_json(),
            "artifacts": [artifact.to_json() for artifact in self.artifacts],
            "cloud": None if self.cloud is None else self.cloud.cloud_json(),
        }
        return canonical_json(value)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Reads a manifest.

        Raises:
            ManifestError: malformed, contradicting itself, or of a newer schema; the message
                names the path of the bad key.
        """
        root = read_json(data, "manifest", MAX_MANIFEST_BYTES)
        check_schema(root, SCHEMA, NAMES_SCHEMA)
        keys = root.table("schema", *(entry.name for entry in fields(cls)))
        labels = read_labels(keys["labels"])
        manifest = cls(
            model=read_model_name(keys["model"]),
            version=read_version(keys["version"]),
            architecture=read_name(keys["architecture"]),
            checkpoint_sha256=keys["checkpoint_sha256"].sha256(),
            labels=labels,
            preprocess=read_preprocess(keys["preprocess"]),
            hierarchy=read_hierarchy(keys["hierarchy"], labels),
            metrics=Metrics.from_node(keys["metrics"]),
            photos_source=keys["photos_source"].text(),
            photos_licence=keys["photos_licence"].text(MAX_LICENCE_CHARS),
            artifacts=tuple(
                BundledArtifact.from_node(node)
                for node in keys["artifacts"].items(MAX_ARTIFACTS, least=1)
            ),
            golden=tuple(Golden.from_node(node) for node in keys["golden"].items(MAX_FILES)),
            other_files=tuple(
                File.from_node(node) for node in keys["other_files"].items(MAX_FILES)
            ),
            cloud=None if keys["cloud"].value is None else ReleasedModel.read_cloud(keys["cloud"]),
            comparison=(
                None
                if keys["comparison"].value is None
                else Comparison.from_node(keys["comparison"])
            ),
        )
        if keys["schema"].value != manifest.schema:
            keys["schema"].fail(f"{NAMES_SCHEMA} is for manifests with names, and only for them")
        return manifest


def _contradictions(manifest: Manifest) -> Iterator[str]:
    if manifest.hierarchy and len(manifest.hierarchy.parents) != len(manifest.labels):
        yield (
            f"hierarchy has {len(manifest.hierarchy.parents)} parents for "
            f"{len(manifest.labels)} labels"
        )
    # Phones and desktops have file systems that do not tell A from a.
    paths = [file.path.lower() for file in manifest.files]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield f"the path {path!r} stands for two files"
    if not any(file.role == "labels" for file in manifest.other_files):
        yield f"other_files has no {LABELS_NAME}"
    for index, file in enumerate(manifest.other_files):
        if file.role in _ARTIFACT_ROLES:
            yield (
                f"other_files[{index}].role is {file.role!r}: artifacts stand in `artifacts` and "
                "`cloud`"
            )
        if manifest.cloud is None and file.role.startswith("cloud-"):
            yield f"other_files[{index}].role is {file.role!r}, but there is no cloud model"
    if (comparison := manifest.comparison) is not None:
        known = {artifact.path for model in manifest.models for artifact in model.artifacts}
        for path in sorted({comparison.device, comparison.cloud} - known):
            yield f"comparison is of {path!r}, which is not among the artifacts"
    for model in manifest.models:
        yield from find_contradictions(
            model, manifest.labels, manifest.hierarchy, manifest.other_files
        )
