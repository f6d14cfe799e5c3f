"""What the conversion room leaves on disk: builds, artifacts, parity reports, golden photos.

Free of torch and of every converter. A build is a folder:

    build.json  labels.txt  <model>-<version>-<runtime>-<precision>.<ext>  SHA256SUMS
    parity/     <artifact>.json  statistics/<artifact>.json  structure/<artifact>.json
                confidence/<artifact>.json  distribution/<artifact>.json  golden.json  golden/*
                report.md  report.png  SHA256SUMS
"""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conversion.errors import ArtifactError
from conversion.parity.report import ParityReport
from conversion.variants import KEYS, VARIANTS, Variant
from conversion.zips import zip_folder
from training.errors import ConfigError, GhostlensError, LabelsError
from training.files import check_sums, sha256_bytes
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

BUILD_NAME = "build.json"
LABELS_NAME = "labels.txt"
PARITY_NAME = "parity"
GOLDEN_NAME = "golden.json"
RUNTIMES = ("executorch", "litert", "coreml")
EXTENSIONS = {"executorch": ".pte", "litert": ".tflite", "coreml": ".mlpackage"}
# What an artifact gives, by name and in this order; where a format names outputs, these are theirs.
PROBABILITIES, KNOWN_SCORE = "probabilities", "known_score"
_SCHEMA = "ghostlens.build/3"
MAX_NAME_CHARS = 64
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
# Semantic Versioning 2.0.0, sections 2 and 9.
VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_IDENTIFIER}(\.{_IDENTIFIER})*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """One converted file, or folder in the case of an `.mlpackage`.

    Attributes:
        file_name: `<model>-<version>-<variant>.<ext>`.
        runtime: one of `RUNTIMES`.
        precision: one of `conversion.variants.PRECISIONS`.
        backend: the delegate of an ExecuTorch program, empty for other runtimes; see `Variant`.
        sha256: of `artifact_bytes`.
        size_bytes: of `artifact_bytes`.
        input: name, layout ("nchw", "nhwc" or "image"), dtype, shape, range.
        outputs: name, dtype and shape of `PROBABILITIES` and `KNOWN_SCORE`, in the file's order.
        tool_versions: package name -> version, of everything that took part.
    """

    file_name: str
    runtime: str
    precision: str
    backend: str
    sha256: str
    size_bytes: int
    input: dict[str, Any]
    outputs: tuple[dict[str, Any], ...]
    tool_versions: dict[str, str]

    def __post_init__(self) -> None:
        if Variant(self.runtime, self.precision, self.backend) not in VARIANTS:
            raise ArtifactError(
                f"{self.file_name}: no variant has runtime {self.runtime!r}, precision "
                f"{self.precision!r} and backend {self.backend!r}; there are {', '.join(KEYS)}"
            )
        # JSON has lists alone.
        object.__setattr__(self, "outputs", tuple(self.outputs))
        if [output.get("name") for output in self.outputs] != [PROBABILITIES, KNOWN_SCORE]:
            raise ArtifactError(
                f"{self.file_name}: outputs must be named {PROBABILITIES} and {KNOWN_SCORE}"
            )
        _check_file_name(self.file_name)
        if not self.file_name.endswith(EXTENSIONS[self.runtime]):
            raise ArtifactError(
                f"{self.file_name}: an artifact for {self.runtime} ends in "
                f"{EXTENSIONS[self.runtime]}"
            )
        _check_sha256(self.sha256, self.file_name)

    @property
    def variant(self) -> Variant:
        """Which kind of artifact it is."""
        return Variant(self.runtime, self.precision, self.backend)


@dataclass(frozen=True)
class Build:
    """All artifacts that were made of one checkpoint under one model name and version.

    Attributes:
        model: name of the model; see `check_model_name`.
        version: semantic version; see `check_version`.
        architecture: name of the network, e.g. "ghostnet_100".
        checkpoint_sha256: `Checkpoint.sha256` of what was converted.
        labels: names of the outputs.
        preprocess: how a photo becomes pixels.
        mean: subtracted inside the model, per channel, on the 0-1 scale.
        std: divides inside the model, afterwards.
        hierarchy: the coarse class of each label; None where there are none.
        metrics: top1, top5 (shares) and photos (number) of the checkpoint's validation.
        photos_source: name of the data source.
        photos_licence: the licence of its photos, in words.
        calibration: source, split, number and SHA-256 of the photos that static quantisation
            was calibrated with; empty where nothing was.
        artifacts: what was made.
    """

    model: str
    version: str
    architecture: str
    checkpoint_sha256: str
    labels: LabelSet
    preprocess: Preprocess
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    hierarchy: Hierarchy | None
    metrics: dict[str, Any]
    photos_source: str
    photos_licence: str
    calibration: dict[str, Any]
    artifacts: tuple[Artifact, ...]

    def __post_init__(self) -> None:
        check_model_name(self.model)
        check_version(self.version)
        _check_sha256(self.checkpoint_sha256, "checkpoint")
        if self.hierarchy is not None and len(self.hierarchy.parents) != len(self.labels):
            raise ArtifactError(
                f"hierarchy has {len(self.hierarchy.parents)} parents for {len(self.labels)} labels"
            )
        names = [artifact.file_name for artifact in self.artifacts]
        if len(set(names)) != len(names):
            raise ArtifactError(f"an artifact is listed twice: {names}")

    def find(self, file_name: str) -> Artifact:
        """Returns the artifact of that file name.

        Raises:
            ArtifactError: there is none.
        """
        for artifact in self.artifacts:
            if artifact.file_name == file_name:
                return artifact
        names = ", ".join(artifact.file_name for artifact in self.artifacts)
        raise ArtifactError(f"no artifact {file_name!r} in this build; it holds {names}")

    def to_json(self) -> dict[str, Any]:
        """Returns what `build.json` holds; the labels stand in `labels.txt`."""
        value = {name: item for name, item in vars(self).items() if name != "labels"}
        return value | {
            "schema": _SCHEMA,
            "preprocess": self.preprocess.to_json(),
            "hierarchy": None if self.hierarchy is None else self.hierarchy.to_json(),
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
        }


@dataclass(frozen=True)
class GoldenPhoto:
    """A photo with the answers that a device must reproduce.

    Attributes:
        file: path below the parity folder, e.g. "golden/01-apple.jpg".
        name: the photo's name in its source.
        label: the class that it shows.
        sha256: of the file's bytes.
        answers: artifact file name -> its probabilities, in label order.
        known_scores: artifact file name -> its known score.
    """

    file: str
    name: str
    label: str
    sha256: str
    answers: dict[str, list[float]] = field(default_factory=dict)
    known_scores: dict[str, float] = field(default_factory=dict)


def check_model_name(name: str) -> str:
    """Returns the name of a model if it is allowed.

    Raises:
        ConfigError: it is not.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise ConfigError(
            f"model name is {name!r}: allowed are up to {MAX_NAME_CHARS} lower-case letters, "
            "digits and single hyphens between them"
        )
    return name


def check_version(version: str) -> str:
    """Returns a semantic version if it is allowed.

    Build metadata ("+...") is refused: versions that differ only in it are equal in order, and
    a device could not tell which of two is newer.

    Raises:
        ConfigError: it is not.
    """
    if not VERSION.fullmatch(version) or len(version) > MAX_NAME_CHARS:
        raise ConfigError(
            f"version is {version!r}: allowed are semantic versions like 1.2.0 or 1.2.0-rc.1, "
            f"up to {MAX_NAME_CHARS} characters, without build metadata"
        )
    return version


def artifact_name(model: str, version: str, variant: Variant) -> str:
    """Returns the file name of an artifact."""
    return f"{model}-{version}-{variant.key}{EXTENSIONS[variant.runtime]}"


def artifact_bytes(path: Path) -> bytes:
    """Returns the bytes that ship: a file's own, or a folder as a zip that is always the same.

    The zip holds the folder under its own name, entries sorted, uncompressed, dated 1980-01-01.

    Raises:
        ArtifactError: nothing is there, it cannot be read, or the folder holds a link.
    """
    try:
        if path.is_dir():
            return zip_folder(path)
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read artifact {path}: {error.strerror}") from error


def to_json_text(value: Any) -> str:
    """Returns JSON that is the same for the same value: sorted keys, two spaces, newline."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_build(directory: Path) -> Build:
    """Reads a build, after checking every file against its hash.

    Raises:
        ArtifactError: the folder is missing, incomplete, changed, or not a build.
    """
    _check_folder(directory)
    value = _read_json(directory / BUILD_NAME, dict)
    if value.pop("schema", None) != _SCHEMA:
        raise ArtifactError(f"{directory / BUILD_NAME}: its schema is not {_SCHEMA!r}")
    try:
        labels = LabelSet.from_file(directory / LABELS_NAME)
        artifacts = tuple(Artifact(**entry) for entry in value.pop("artifacts"))
        preprocess = Preprocess.from_json(value.pop("preprocess"))
        hierarchy = Hierarchy.from_json(value.pop("hierarchy"), labels)
        mean, std = _three(value.pop("mean")), _three(value.pop("std"))
        build = Build(
            labels=labels,
            artifacts=artifacts,
            preprocess=preprocess,
            hierarchy=hierarchy,
            mean=mean,
            std=std,
            **value,
        )
    except (KeyError, TypeError, ValueError, ConfigError, LabelsError) as error:
        raise ArtifactError(f"{directory / BUILD_NAME}: not a build: {error}") from error
    for artifact in build.artifacts:
        _check_artifact(directory, artifact)
    return build


def read_parity(directory: Path) -> dict[str, ParityReport]:
    """Reads the parity reports of a build, by artifact file name, after checking hashes.

    Args:
        directory: the build's folder, which holds `parity/`.

    Raises:
        ArtifactError: parity was not run, or its folder is incomplete, changed or malformed.
    """
    folder = directory / PARITY_NAME
    _check_folder(folder)
    reports = {}
    for path in sorted(folder.glob("*.json")):
        if path.name == GOLDEN_NAME:
            continue
        value = _read_json(path, dict)
        try:
            report = ParityReport.from_json(value)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
        reports[report.artifact] = report
    return reports


def read_golden(directory: Path) -> tuple[GoldenPhoto, ...]:
    """Reads the golden photos of a build, after checking hashes.

    Args:
        directory: the build's folder, which holds `parity/`.

    Raises:
        ArtifactError: parity was not run, or its folder is incomplete, changed or malformed.
    """
    folder = directory / PARITY_NAME
    _check_folder(folder)
    try:
        return tuple(GoldenPhoto(**entry) for entry in _read_json(folder / GOLDEN_NAME, list))
    except TypeError as error:
        raise ArtifactError(f"{folder / GOLDEN_NAME}: not golden photos: {error}") from error


def _check_folder(directory: Path) -> None:
    try:
        check_sums(directory)
    except GhostlensError as error:
        raise ArtifactError(str(error)) from error


def _check_artifact(directory: Path, artifact: Artifact) -> None:
    data = artifact_bytes(directory / artifact.file_name)
    if sha256_bytes(data) != artifact.sha256 or len(data) != artifact.size_bytes:
        raise ArtifactError(
            f"{directory / artifact.file_name} is not the artifact that {BUILD_NAME} names: "
            f"{len(data)} bytes, expected {artifact.size_bytes}, or another SHA-256"
        )


def _read_json(path: Path, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    if not isinstance(value, kind):
        raise ArtifactError(f"{path}: expected a JSON {kind.__name__}")
    return value


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _check_file_name(name: str) -> None:
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise ArtifactError(f"artifact file name is {name!r}: it must be a plain file name")


def _check_sha256(value: str, where: str) -> None:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ArtifactError(f"{where}: sha256 is {value!r}: allowed are 64 hexadecimal digits")
