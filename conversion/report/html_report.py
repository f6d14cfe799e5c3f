"""The report that a person reads: one HTML file with everything in it, and the same as JSON.

The same build gives the same bytes; times come from the benchmark, where one lies in the build.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from conversion.artifact import PARITY_NAME, to_json_text
from conversion.benchmark.result import Entry, Timing, busy_text, title_of
from conversion.errors import ArtifactError
from conversion.parity.confidence_words import HEADINGS, describe_target, to_cells
from conversion.parity.files import Finding
from conversion.parity.flips import to_thumbnail
from conversion.parity.report import PASSED, VERDICTS, points
from conversion.parity.statistics import Flip
from conversion.report.html_charts import Point, draw_calibration, draw_losses, draw_scatter
from conversion.report.html_data import Material, gather
from conversion.report.html_words import BADGES, KINDS, MEANINGS, explain, place_of
from training.errors import PhotoError
from training.files import new_directory, write_atomic, write_sums

REPORT_NAME = "report"
_MB = 1e6


def write_report(directory: Path) -> Path:
    """Writes `report/report.html` and `report/report.json` into a build's folder, whole.

    Args:
        directory: the build's folder; parity must have been run.

    Returns:
        The path of the HTML file.

    Raises:
        ArtifactError: parity was not run, or a folder is incomplete, changed or malformed.
        StorageError: the disk is full, or the folder cannot be written.
    """
    material = gather(directory)
    page = render(material, directory)
    with new_directory(directory / REPORT_NAME) as folder:
        write_atomic(folder / "report.html", page)
        write_atomic(folder / "report.json", to_json_text(material.to_json()))
        write_sums(folder)
    return directory / REPORT_NAME / "report.html"


def render(material: Material, directory: Path) -> str:
    """Returns the page.

    Args:
        material: what it tells.
        directory: the build's folder, which holds the pictures.
    """
    environment = Environment(
        loader=PackageLoader("conversion", "templates"),
        autoescape=True,  # labels and photo names are anybody's words
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "points": points, "share": _share, "mb": _mb}
    return environment.get_template("report.html").render(
        material=material,
        build=material.build,
        first=material.findings[0].report,
        cards=[_to_card(material, finding) for finding in material.findings],
        counts=_count(material),
        meanings=MEANINGS,
        badges=BADGES,
        smallest=list(_list_smallest(material)),
        charts=_draw_charts(material),
        busy_text=busy_text(material.benchmark) if material.benchmark is not None else "",
        flips=list(_list_flips(material, directory)),
        flipped=_count_flipped(material),
        kinds=KINDS,
        golden=list(_list_golden(material, directory)),
        versions=_list_versions(material),
        confidence_target=describe_target(material.findings),
        confidence_headings=HEADINGS,
    )


def _to_card(material: Material, finding: Finding) -> dict[str, Any]:
    """Returns what the page says of one artifact."""
    entry = material.timed(finding)
    return {
        "anchor": finding.artifact.variant.key,
        "title": title_of(finding.artifact),
        "place": place_of(finding.artifact),
        "artifact": finding.artifact,
        "report": finding.report,
        "verdict": finding.report.verdict,
        "badge": BADGES[finding.report.verdict],
        "why": explain(finding.report),
        "statistics": finding.statistics,
        "structure": finding.structure,
        "confidence": to_cells(finding.confidence),
        "entry": entry,
        "timing": _first(entry),
    }


def _first(entry: Entry | None) -> Timing | None:
    return entry.timings[0] if entry is not None and entry.timings else None


def _count(material: Material) -> dict[str, int]:
    verdicts = [finding.report.verdict for finding in material.findings]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}


def _list_smallest(material: Material) -> Iterator[dict[str, Any]]:
    """Returns for each place of use the smallest file that passed."""
    places: dict[str, Finding] = {}
    for finding in material.findings:
        place = place_of(finding.artifact)
        size = finding.artifact.size_bytes
        if finding.report.verdict == PASSED and (
            place not in places or size < places[place].artifact.size_bytes
        ):
            places[place] = finding
    for place, finding in places.items():
        yield {"place": place} | _to_card(material, finding)


def _draw_charts(material: Material) -> dict[str, Any]:
    compared = [finding for finding in material.findings if finding.statistics is not None]
    first = material.findings[0].report
    trained = f"trained model: {_percent(first.reference_top1)}"
    sizes = [_to_point(entry, entry.artifact.size_bytes / _MB) for entry in compared]
    times = [
        _to_point(entry, timing.median_ms)
        for entry in compared
        if (timing := _first(material.timed(entry))) is not None
    ]
    reference = 100 * first.reference_top1
    return {
        "losses": draw_losses(
            [(title_of(e.artifact), e.artifact.runtime, e.report) for e in compared]
        ),
        "sizes": draw_scatter(
            sizes, "Right answers against file size", "file size, MB", reference, trained
        ),
        "times": draw_scatter(
            times,
            "Right answers against the time of one answer",
            "time of one answer on one thread, ms",
            reference,
            trained,
        ),
        "calibrations": [
            {
                "title": title_of(entry.artifact),
                "statistics": entry.statistics,
                "picture": draw_calibration(
                    title_of(entry.artifact),
                    entry.statistics.reference_calibration,
                    entry.statistics.artifact_calibration,
                    entry.artifact.runtime,
                ),
            }
            for entry in compared
            if entry.statistics is not None
        ],
    }


def _to_point(finding: Finding, x: float) -> Point:
    report = finding.report
    return Point(
        title_of(finding.artifact),
        finding.artifact.runtime,
        x,
        100 * report.artifact_top1,
        100 * (report.reference_top1 - report.loss_high),
        100 * (report.reference_top1 - report.loss_low),
        report.verdict == PASSED,
    )


def _list_flips(material: Material, directory: Path) -> Iterator[dict[str, Any]]:
    """Returns the photos with another answer, each with everyone who gave one, answer by answer."""
    flips: dict[str, list[tuple[str, Flip]]] = {}
    for finding in material.findings:
        for flip in finding.statistics.flips if finding.statistics is not None else ():
            flips.setdefault(flip.photo, []).append((title_of(finding.artifact), flip))
    for name, file in sorted(material.flips.items(), key=lambda item: item[1]):
        if name in flips:
            answers: dict[str, list[tuple[str, Flip]]] = {}
            for title, flip in flips[name]:
                answers.setdefault(flip.artifact, []).append((title, flip))
            picture = _embed((directory / PARITY_NAME / file).read_bytes())
            yield {
                "name": name,
                "picture": picture,
                "first": flips[name][0][1],
                "answers": answers,
            }


def _count_flipped(material: Material) -> int:
    """Returns how many photos at least one artifact answers otherwise, of those that are listed."""
    found = [finding.statistics for finding in material.findings if finding.statistics is not None]
    return len({flip.photo for entry in found for flip in entry.flips})


def _list_golden(material: Material, directory: Path) -> Iterator[dict[str, Any]]:
    labels = material.build.labels.names
    titles = {item.artifact.file_name: title_of(item.artifact) for item in material.findings}
    for entry in material.golden:
        answers = []
        for file_name, probabilities in entry.answers.items():
            place = max(range(len(probabilities)), key=probabilities.__getitem__)
            answers.append((titles.get(file_name, file_name), labels[place], probabilities[place]))
        try:
            data = (directory / PARITY_NAME / entry.file).read_bytes()
            picture = _embed(to_thumbnail(data, entry.file))
        except (OSError, PhotoError) as error:
            raise ArtifactError(f"cannot show golden photo {entry.file}: {error}") from error
        yield {"entry": entry, "picture": picture, "answers": answers}


def _list_versions(material: Material) -> dict[str, list[str]]:
    """Returns package -> versions that took part; more than one is worth seeing."""
    found: dict[str, set[str]] = {}
    sources = [item.artifact.tool_versions for item in material.findings]
    sources += [item.report.tool_versions for item in material.findings]
    sources += [material.benchmark.tool_versions] if material.benchmark is not None else []
    for versions in sources:
        for name, version in versions.items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found)}


def _embed(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _share(counts: dict[str, int]) -> str:
    """Returns counts as shares in words, largest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count / total:.1%} {kind}" for kind, count in ordered) or "none read"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _MB:.1f} MB"
