"""What parity found out about each artifact, and the files below `parity/` that hold it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from conversion.artifact import PARITY_NAME, Artifact, Build, read_parity, to_json_text
from conversion.errors import ArtifactError
from conversion.parity.confidences import ArtifactConfidence, read_confidences, write_confidence
from conversion.parity.report import ParityReport
from conversion.parity.statistics import Statistics
from conversion.structure.summary import Structure
from training.files import write_atomic

STATISTICS_FOLDER = "statistics"
STRUCTURE_FOLDER = "structure"
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Finding:
    """All that was found out about one artifact.

    Attributes:
        artifact: which one.
        report: figures that the verdict follows from.
        statistics: None where it did not run to the end.
        structure: None where the file cannot be read.
        confidence: temperature and thresholds for its answers.
    """

    artifact: Artifact
    report: ParityReport
    statistics: Statistics | None
    structure: Structure | None
    confidence: ArtifactConfidence


def write_finding(folder: Path, finding: Finding) -> None:
    """Writes the files of one artifact.

    Args:
        folder: becomes the build's `parity/`.
        finding: what to write.
    """
    name = f"{finding.artifact.file_name}.json"
    write_atomic(folder / name, to_json_text(finding.report.to_json()))
    write_confidence(folder, finding.artifact.file_name, finding.confidence)
    if finding.statistics is not None:
        text = to_json_text(finding.statistics.to_json())
        write_atomic(folder / STATISTICS_FOLDER / name, text)
    if finding.structure is not None:
        write_atomic(folder / STRUCTURE_FOLDER / name, to_json_text(finding.structure.to_json()))


def read_findings(directory: Path, build: Build) -> list[Finding]:
    """Reads what parity found out, in the build's order, after checking hashes.

    Args:
        directory: the build's folder.
        build: what lies there.

    Raises:
        ArtifactError: parity was not run on this build, or its folder is incomplete, changed or
            malformed.
    """
    reports = read_parity(directory)
    confidences = read_confidences(directory, build)
    folder = directory / PARITY_NAME
    findings = []
    for artifact in build.artifacts:
        name = artifact.file_name
        if name not in reports or name not in confidences:
            raise ArtifactError(f"{folder} has no report of {name}; run parity again")
        statistics = _read(folder / STATISTICS_FOLDER / f"{name}.json", Statistics.from_json)
        structure = _read(folder / STRUCTURE_FOLDER / f"{name}.json", Structure.from_json)
        findings.append(Finding(artifact, reports[name], statistics, structure, confidences[name]))
    return findings


def _read(path: Path, read: Callable[[dict[str, Any]], _Found]) -> _Found | None:
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ArtifactError("expected a JSON object")
        return read(value)
    except (OSError, ValueError, RecursionError, ArtifactError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
