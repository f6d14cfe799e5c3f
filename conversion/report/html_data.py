"""Everything that the HTML report tells, gathered from a build's folder. Free of torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conversion.artifact import Build, GoldenPhoto, read_build, read_golden
from conversion.benchmark.result import (
    BENCHMARK_NAME,
    Benchmark,
    Entry,
    read_benchmark,
    title_of,
)
from conversion.parity.files import Finding, read_findings
from conversion.parity.flips import read_flips

_SCHEMA = "ghostlens.report/1"


@dataclass(frozen=True)
class Material:
    """What the report is made of.

    Attributes:
        build: what was converted.
        findings: what parity found out, in the build's order.
        golden: the golden photos.
        flips: name of a photo with another answer -> its thumbnail below `parity/`.
        benchmark: None where there is none of these very files.
        benchmark_note: why there is none, in words; empty if there is one.
    """

    build: Build
    findings: tuple[Finding, ...]
    golden: tuple[GoldenPhoto, ...]
    flips: dict[str, str]
    benchmark: Benchmark | None
    benchmark_note: str

    def timed(self, finding: Finding) -> Entry | None:
        """Returns the benchmark's line of an artifact, None if there is none."""
        entries = self.benchmark.entries if self.benchmark is not None else ()
        return next((item for item in entries if item.name == finding.artifact.file_name), None)

    def to_json(self) -> dict[str, Any]:
        """Returns what `report.json` holds: every figure of the report, verdicts included."""
        return {
            "schema": _SCHEMA,
            "build": self.build.to_json() | {"labels": list(self.build.labels.names)},
            "artifacts": [_to_json(finding) for finding in self.findings],
            "golden": [asdict(entry) for entry in self.golden],
            "thumbnails": self.flips,
            "benchmark": None if self.benchmark is None else self.benchmark.to_json(),
            "benchmark_note": self.benchmark_note,
        }


def gather(directory: Path) -> Material:
    """Reads a build, its parity, and its benchmark where there is one, hashes checked.

    Args:
        directory: the build's folder.

    Raises:
        ArtifactError: something is missing, incomplete, changed or malformed. A benchmark of
            other files is left out, with a note.
    """
    build = read_build(directory)
    findings = tuple(read_findings(directory, build))
    benchmark, note = _read_benchmark(directory, build)
    return Material(build, findings, read_golden(directory), read_flips(directory), benchmark, note)


def _read_benchmark(directory: Path, build: Build) -> tuple[Benchmark | None, str]:
    folder = directory / BENCHMARK_NAME
    if not folder.exists():
        return None, "not measured: `python -m conversion benchmark` adds it"
    found = read_benchmark(folder)
    hashes = {artifact.file_name: artifact.sha256 for artifact in build.artifacts}
    timed = {entry.name: entry.sha256 for entry in found.entries if entry.sha256}
    if found.checkpoint_sha256 != build.checkpoint_sha256 or timed != hashes:
        return None, "the benchmark in this folder is of other files, and is left out"
    return found, ""


def _to_json(finding: Finding) -> dict[str, Any]:
    report, statistics, structure = finding.report, finding.statistics, finding.structure
    return {
        "title": title_of(finding.artifact),
        "artifact": asdict(finding.artifact),
        "verdict": report.verdict,
        "reasons": report.reasons(),
        "photos_needed": report.photos_needed if report.photos else None,
        "report": report.to_json(),
        "statistics": None if statistics is None else statistics.to_json(),
        "confidence": finding.confidence.to_json(),
        "structure": None if structure is None else structure.to_json(),
    }
