"""How far each artifact's answers can be trusted: what parity leaves below its folder.

Free of torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.artifact import PARITY_NAME, Build, to_json_text
from conversion.errors import ArtifactError
from training.errors import ConfidenceError
from training.evaluation.confidence import Confidence
from training.files import write_atomic

CONFIDENCE_FOLDER = "confidence"
OWN, REFERENCE = "artifact", "reference"
FITTED_ON = (OWN, REFERENCE)


@dataclass(frozen=True)
class ArtifactConfidence:
    """The temperature and the thresholds of one artifact.

    Attributes:
        fitted_on: "artifact" where they were fitted on its own answers; "reference" where nothing
            here runs it, and those of the trained network stand in.
        confidence: what `training.evaluation.confidence.decide` takes.
    """

    fitted_on: str
    confidence: Confidence

    def __post_init__(self) -> None:
        if self.fitted_on not in FITTED_ON:
            raise ConfidenceError(
                f"fitted_on is {self.fitted_on!r}: allowed are {', '.join(FITTED_ON)}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns what a JSON file, and the manifest, hold."""
        return {"fitted_on": self.fitted_on, **self.confidence.to_json()}

    @classmethod
    def from_json(cls, value: object) -> "ArtifactConfidence":
        """Reads what `to_json` gave.

        Raises:
            ConfidenceError: a key is missing or unknown, or its value not allowed.
        """
        if not isinstance(value, dict) or "fitted_on" not in value:
            raise ConfidenceError("confidence must be an object that says what it was fitted_on")
        rest = {name: item for name, item in value.items() if name != "fitted_on"}
        return cls(value["fitted_on"], Confidence.from_json(rest))


def write_confidence(folder: Path, file_name: str, found: ArtifactConfidence) -> None:
    """Writes one artifact's confidence.

    Args:
        folder: becomes the build's `parity/`.
        file_name: of the artifact.
        found: what to write.
    """
    path = folder / CONFIDENCE_FOLDER / f"{file_name}.json"
    write_atomic(path, to_json_text(found.to_json()))


def read_confidences(directory: Path, build: Build) -> dict[str, ArtifactConfidence]:
    """Returns the confidence of each artifact of a build that has one, by file name.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        build: what lies there.

    Raises:
        ArtifactError: a file is malformed, or of a build with other coarse classes.
    """
    folder = directory / PARITY_NAME / CONFIDENCE_FOLDER
    found = {}
    for artifact in build.artifacts:
        path = folder / f"{artifact.file_name}.json"
        if path.exists():
            found[artifact.file_name] = _read(path, build)
    return found


def _read(path: Path, build: Build) -> ArtifactConfidence:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        found = ArtifactConfidence.from_json(value)
    except (OSError, ValueError, RecursionError, ConfidenceError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    if (found.confidence.coarse is None) != (build.hierarchy is None):
        raise ArtifactError(f"{path} was fitted with other coarse classes than the build's")
    return found
