"""The parts that a manifest is made of, and how each is read from JSON. Free of torch."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from conversion.artifact import (
    KNOWN_SCORE,
    PROBABILITIES,
    RUNTIMES,
    check_model_name,
    check_version,
)
from conversion.errors import ArtifactError
from conversion.parity.confidences import ArtifactConfidence
from conversion.parity.report import ParityReport
from conversion.variants import VARIANTS, Variant
from mobile_assets.errors import ManifestError
from mobile_assets.languages import NAMES_FILE, NAMES_FILE_ALLOWED
from mobile_assets.platforms import PLATFORMS
from mobile_assets.reading import Node
from mobile_assets.requirements import Requirements
from training.errors import ConfidenceError, ConfigError, LabelsError
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

# The folder in which the files of each role lie. What belongs to the cloud model has roles of its
# own, so that a phone, which pulls by role, never takes it.
FOLDERS = {
    "artifact": "artifacts/",
    "golden": "golden/",
    "report": "reports/",
    "licence": "licences/",
    "labels": "",
    "names": "names/",
    "cloud-artifact": "cloud/artifacts/",
    "cloud-golden": "cloud/golden/",
    "cloud-report": "cloud/reports/",
    "cloud-licence": "cloud/licences/",
}
# Far above any model for phones, and below what a phone's storage would choke on.
MAX_FILE_BYTES = 1 << 30
MAX_FILES = 1000
MAX_LABELS = 100_000
MAX_OBJECTIONS = 50
MAX_STEPS = 100
_MAX_PHOTOS = 10**9
# Only characters that no address, shell or file system treats specially, and no hidden files.
FILE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,148}[A-Za-z0-9_-])?", re.ASCII)
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_NAME_ALLOWED = "1 to 64 of a-z, 0-9, '_', '.', '-'"


@dataclass(frozen=True)
class File:
    """One file of a bundle.

    Attributes:
        path: where it lies in the bundle, with forward slashes.
        role: one of `FOLDERS`.
        sha256: of its bytes, 64 hexadecimal digits.
        size_bytes: its length.
    """

    path: str
    role: str
    sha256: str
    size_bytes: int

    @classmethod
    def from_node(cls, node: Node) -> "File":
        """Reads a file entry."""
        keys = node.table("path", "role", "sha256", "size_bytes")
        role = keys["role"].one_of(tuple(FOLDERS))
        return cls(
            path=read_path(keys["path"], role),
            role=role,
            sha256=keys["sha256"].sha256(),
            size_bytes=keys["size_bytes"].whole(0, MAX_FILE_BYTES),
        )


@dataclass(frozen=True)
class BundledArtifact:
    """One model file for one runtime.

    Attributes:
        file: the file; a `.mlpackage` folder is one zip archive.
        runtime: "executorch", "litert" or "coreml".
        precision: as in "fp32".
        backend: the delegate of an ExecuTorch program; empty for other runtimes.
        platforms: those it is for.
        input: name, layout, dtype, shape and range of what it takes.
        outputs: name, dtype and shape of what it gives, in the file's order: probabilities, then
            the known score.
        tool_versions: what made it.
        requires: what an app must link for a `.pte`; None for other files.
        parity: how it compared with the trained model; None where a person took it without.
        confidence: temperature and thresholds for its answers; None like the above.
        accepted_by_hand: a person named it on the command line although it was refused.
        objections: why it was refused, in words; empty unless accepted by hand.
    """

    file: File
    runtime: str
    precision: str
    backend: str
    platforms: tuple[str, ...]
    input: dict[str, Any]
    outputs: tuple[dict[str, Any], ...]
    tool_versions: dict[str, str]
    parity: ParityReport | None
    confidence: ArtifactConfidence | None
    accepted_by_hand: bool = False
    objections: tuple[str, ...] = ()
    requires: Requirements | None = None

    @property
    def path(self) -> str:
        """Where its file lies in the bundle."""
        return self.file.path

    @property
    def variant(self) -> Variant:
        """Which kind of artifact it is."""
        return Variant(self.runtime, self.precision, self.backend)

    def to_json(self) -> dict[str, Any]:
        """Returns what the manifest holds: the file's figures beside the others."""
        rest = {name: value for name, value in vars(self).items() if name != "file"}
        parity = None if self.parity is None else self.parity.to_json()
        confidence = None if self.confidence is None else self.confidence.to_json()
        requires = None if self.requires is None else self.requires.to_json()
        own = {
            "path": self.path,
            "parity": parity,
            "confidence": confidence,
            "requires": requires,
        }
        return {**rest, **own, **_figures(self.file)}

    @classmethod
    def from_node(cls, node: Node, role: str = "artifact") -> "BundledArtifact":
        """Reads the entry of an artifact, whose file has that role."""
        own = [entry.name for entry in fields(cls) if entry.name != "file"]
        keys = node.table("path", "sha256", "size_bytes", *own)
        size_bytes = keys["size_bytes"].whole(0, MAX_FILE_BYTES)
        path = read_path(keys["path"], role)
        parity = keys["parity"]
        variant = _read_variant(keys)
        return cls(
            file=File(path, role, keys["sha256"].sha256(), size_bytes),
            **vars(variant),
            platforms=tuple(
                item.one_of(PLATFORMS) for item in keys["platforms"].items(len(PLATFORMS), least=1)
            ),
            input=_read_object(keys["input"]),
            outputs=_read_outputs(keys["outputs"]),
            tool_versions=_read_texts(keys["tool_versions"]),
            parity=None if parity.value is None else _read_parity(parity),
            confidence=_read_confidence(keys["confidence"]),
            accepted_by_hand=keys["accepted_by_hand"].flag(),
            objections=tuple(item.text() for item in keys["objections"].items(MAX_OBJECTIONS)),
            requires=_read_requires(keys["requires"]),
        )


@dataclass(frozen=True)
class Golden:
    """A photo with the answers expected of each artifact.

    Attributes:
        file: path of the photo in the bundle.
        label: its true label.
        answers: for each artifact (by path) the probability of every label, in label order.
        known_scores: for each artifact (by path) its known score.
    """

    file: str
    label: str
    answers: dict[str, tuple[float, ...]]
    known_scores: dict[str, float]

    @classmethod
    def from_node(cls, node: Node, role: str = "golden") -> "Golden":
        """Reads the entry of a golden photo, whose file has that role."""
        keys = node.table("file", "label", "answers", "known_scores")
        answers = {
            name: tuple(item.number(0, 1) for item in given.items(MAX_LABELS))
            for name, given in keys["answers"].members().items()
        }
        scores = {name: given.number() for name, given in keys["known_scores"].members().items()}
        return cls(read_path(keys["file"], role), keys["label"].text(), answers, scores)


@dataclass(frozen=True)
class Metrics:
    """How the trained model did on the validation photos.

    Attributes:
        top1: share of photos whose first answer is right.
        top5: share of photos with the right answer among the first five.
        photos: how many there were.
    """

    top1: float
    top5: float
    photos: int

    @classmethod
    def from_node(cls, node: Node) -> "Metrics":
        """Reads the metrics."""
        keys = node.table("top1", "top5", "photos")
        top1, top5 = keys["top1"].number(0, 1), keys["top5"].number(0, 1)
        return cls(top1, top5, keys["photos"].whole(0, _MAX_PHOTOS))


def read_model_name(node: Node) -> str:
    """Reads the name of a model."""
    return _checked(node, check_model_name)


def read_version(node: Node) -> str:
    """Reads a version."""
    return _checked(node, check_version)


def read_name(node: Node) -> str:
    """Reads a plain lower-case name, such as that of an architecture."""
    return node.matching(NAME, _NAME_ALLOWED)


def read_path(node: Node, role: str) -> str:
    """Reads a path in the bundle, which must lie in the folder of its role."""
    try:
        return check_path(node.text(), role)
    except ManifestError as error:
        node.fail(str(error))


def check_path(path: str, role: str) -> str:
    """Returns a path in the bundle if it is allowed for that role.

    Paths are the folder of a role and one plain name, so none can climb out or be absolute.

    Raises:
        ManifestError: it is not allowed; the message says what is.
    """
    folder = FOLDERS[role]
    if role == "labels" and path == "labels.txt":
        return path
    name = path.removeprefix(folder)
    if role == "names" and not NAMES_FILE.fullmatch(name):
        raise ManifestError(f"allowed are {folder} with {NAMES_FILE_ALLOWED}")
    if role == "labels" or not path.startswith(folder) or not FILE_NAME.fullmatch(name):
        raise ManifestError(
            f"allowed are {folder or 'labels.txt'}"
            + ("NAME with 1 to 150 of A-Z, a-z, 0-9, '.', '_', '-'" if folder else "")
        )
    return path


def read_labels(node: Node) -> LabelSet:
    """Reads the labels, in the order of the outputs."""
    names = tuple(item.text() for item in node.items(MAX_LABELS))
    try:
        return LabelSet(names)
    except LabelsError as error:
        node.fail(str(error))


def read_hierarchy(node: Node, labels: LabelSet) -> Hierarchy | None:
    """Reads the coarse class of each label; null where there are none."""
    try:
        return Hierarchy.from_json(node.value, labels)
    except LabelsError as error:
        node.fail(str(error))


def read_preprocess(node: Node) -> Preprocess:
    """Reads the way from a photo to the input's pixels; its words must be texts."""
    keys = node.table("input_px", "resize_px", "resampler", "steps")
    for step in keys["steps"].items(MAX_STEPS):
        step.text()
    try:
        return Preprocess.from_json(node.value)
    except (ConfigError, TypeError) as error:
        node.fail(str(error))


def _read_variant(keys: dict[str, Node]) -> Variant:
    runtime = keys["runtime"].one_of(RUNTIMES)
    ours = [variant for variant in VARIANTS if variant.runtime == runtime]
    precision = keys["precision"].one_of([variant.precision for variant in ours])
    fitting = [variant.backend for variant in ours if variant.precision == precision]
    return Variant(runtime, precision, keys["backend"].one_of(fitting))


def _read_parity(node: Node) -> ParityReport:
    keys = node.table(*(entry.name for entry in fields(ParityReport)))
    readers: dict[Callable[[Node], Any], tuple[str, ...]] = {
        Node.text: ("artifact", "evaluator", "source"),
        Node.sha256: ("artifact_sha256", "checkpoint_sha256"),
        Node.flag: ("labels_match", "executed"),
        lambda key: key.number(0, 1): (
            "reference_top1",
            "artifact_top1",
            "agreement",
            "same_known",
            "loss_margin",
            "min_accuracy_share",
        ),
        lambda key: key.number(-1, 1): ("loss_low", "loss_high"),
        lambda key: key.number(0): (
            "max_probability_difference",
            "mean_probability_difference",
            "max_known_score_difference",
        ),
        lambda key: None if key.value is None else key.number(0): (
            "max_difference_allowed",
            "max_known_score_difference_allowed",
        ),
        lambda key: "" if key.value == "" else key.text(): ("failure",),
        lambda key: tuple(item.text() for item in key.items(1000)): (
            "structure_faults",
            "cross_check_faults",
            "disagreements",
        ),
        lambda key: key.whole(0, _MAX_PHOTOS): ("photos", "min_photos"),
        _read_share_or_none: ("min_agreement",),
        _read_texts: ("tool_versions",),
    }
    value = {name: read(keys[name]) for read, names in readers.items() for name in names}
    try:
        return ParityReport(**value)
    except ArtifactError as error:
        node.fail(str(error))


def _read_confidence(node: Node) -> ArtifactConfidence | None:
    if node.value is None:
        return None
    try:
        return ArtifactConfidence.from_json(node.value)
    except ConfidenceError as error:
        node.fail(str(error))


def _read_requires(node: Node) -> Requirements | None:
    return None if node.value is None else Requirements.from_node(node)


def _read_object(node: Node) -> dict[str, Any]:
    return {name: member.value for name, member in node.members().items()}


def _read_outputs(node: Node) -> tuple[dict[str, Any], ...]:
    outputs = tuple(_read_object(item) for item in node.items(2, least=2))
    names = [output.get("name") for output in outputs]
    if names != [PROBABILITIES, KNOWN_SCORE]:
        node.fail(f"allowed are {PROBABILITIES} and {KNOWN_SCORE}, in this order")
    return outputs


def _read_texts(node: Node) -> dict[str, str]:
    return {name: member.text() for name, member in node.members().items()}


def _read_share_or_none(node: Node) -> float | None:
    return None if node.value is None else node.number(0, 1)


def _checked(node: Node, check: Callable[[str], str]) -> str:
    try:
        return check(node.text())
    except ConfigError as error:
        node.fail(str(error))


def _figures(file: File) -> dict[str, Any]:
    return {"sha256": file.sha256, "size_bytes": file.size_bytes}
