"""How far each artifact's answers can be trusted: what parity leaves below its folder.

Free of torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.artifact import PARITY_NAME, Build
from conversion.errors import ArtifactError
from conversion.parity.parts import read_part, write_part
from training.errors import ConfidenceError
from training.evaluation.confidence import Confidence

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
    write_part(folder, CONFIDENCE_FOLDER, file_name, found.to_json())


def read_confidences(directory: Path, build: Build) -> dict[str, ArtifactConfidence]:
    """Returns the confidence of each artifact of a build that has one, by file name.

    Hashes are the caller's to check, as `conversion.artifact.read_parity` does.

    Args:
        directory: the build's folder, which holds `parity/`.
        build: what lies there.

    Raises:
        ArtifactError: a file is malformed, or of a build with other coarse classes.
    """
    confidences = {}
    for artifact in build.artifacts:
        found = read_part(directory, CONFIDENCE_FOLDER, artifact.file_name, _read)
        if found is None:
            continue
        if (found.confidence.coarse is None) != (build.hierarchy is None):
            raise ArtifactError(
                f"{directory / PARITY_NAME / CONFIDENCE_FOLDER / artifact.file_name}.json was "
                "fitted with other coarse classes than the build's"
            )
        confidences[artifact.file_name] = found
    return confidences


def _read(data: bytes) -> ArtifactConfidence:
    return ArtifactConfidence.from_json(json.loads(data))
