"""The parity report for people, as a page of text; `report_picture.py` draws it."""

from collections import Counter

from conversion.artifact import Build, GoldenPhoto
from conversion.parity.confidence_words import HEADINGS, describe_target, to_cells
from conversion.parity.files import Finding
from conversion.parity.report import VERDICTS, ParityReport, points
from conversion.parity.statistics import Flip, Statistics
from conversion.structure.summary import Structure

_MAX_FLIPS_SHOWN = 12


def to_markdown(build: Build, findings: list[Finding], golden: list[GoldenPhoto]) -> str:
    """Returns the report as Markdown.

    Args:
        build: what was compared.
        findings: one for each artifact.
        golden: the golden photos chosen.
    """
    first = findings[0].report
    lines = [
        f"# Parity of {build.model} {build.version}",
        "",
        f"{build.architecture}, {len(build.labels)} classes, {build.preprocess.input_px} px, "
        f"checkpoint `{build.checkpoint_sha256}`. Reference: the trained network in eager PyTorch, "
        f"top-1 {first.reference_top1:.2%} on the same validation photos of {first.source}.",
        "",
        f"{count_verdicts([finding.report for finding in findings])}.",
        "",
        "## Accuracy",
        "",
        "An artifact passes where the upper end of the 95 % interval of its accuracy loss lies "
        "below the margin, and nothing else speaks against it.",
        "",
        "| Artifact | MB | Photos | Top-1 | Loss in points (95 % interval) | Margin | "
        "Lost, won | McNemar p | Verdict |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |",
        *[_to_accuracy_row(finding) for finding in findings],
        "",
        "![Parity](report.png)",
        "",
        "## Probabilities",
        "",
        "| Artifact | Evaluated by | Same answer (95 % interval; required) | "
        "Largest difference (allowed) | Mean difference | Mean KL, nats | "
        "Calibration error (PyTorch) | In TensorFlow's interpreter |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
        *[
            _to_probability_row(finding.report, finding.statistics)
            for finding in findings
            if finding.statistics is not None
        ],
        "",
    ]
    lines += _to_known_score_table(findings)
    lines += _to_confidence_table(findings)
    for finding in findings:
        lines += _describe(finding)
    lines += ["## Golden photos", "", "| File | Shows | Photo |", "| --- | --- | --- |"]
    lines += [
        f"| `{entry.file}` | {_escape(entry.label)} | `{_escape(entry.name)}` |" for entry in golden
    ]
    return "\n".join(lines) + "\n"


def count_verdicts(reports: list[ParityReport]) -> str:
    """Returns how many artifacts have each verdict, in words."""
    counts = Counter(report.verdict for report in reports)
    found = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    return f"{len(reports)} artifacts: {', '.join(found)}"


def _to_accuracy_row(finding: Finding) -> str:
    report, statistics = finding.report, finding.statistics
    verdict = report.verdict if report.passed else f"**{report.verdict}**"
    size = f"{finding.artifact.size_bytes / 1e6:.2f}"
    margin = points(report.loss_margin)
    if statistics is None:
        return f"| `{report.artifact}` | {size} | 0 | - | - | {margin} | - | - | {verdict} |"
    cells = [
        f"`{report.artifact}`",
        size,
        str(report.photos),
        f"{report.artifact_top1:.2%}",
        f"{points(report.loss)} ({points(report.loss_low)} to {points(report.loss_high)})",
        margin,
        f"{statistics.lost}, {statistics.won}",
        f"{statistics.mcnemar_p:.2g}",
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def _to_probability_row(report: ParityReport, statistics: Statistics) -> str:
    same, allowed = statistics.agreement, report.max_difference_allowed
    required = "any" if report.min_agreement is None else f"{report.min_agreement:.1%}"
    check = statistics.cross_check
    cells = [
        f"`{report.artifact}`",
        report.evaluator,
        f"{same.value:.2%} ({same.low:.1%} to {same.high:.1%}; {required})",
        f"{report.max_probability_difference:.2g} ({'any' if allowed is None else f'{allowed:g}'})",
        f"{report.mean_probability_difference:.2g}",
        f"{statistics.mean_divergence:.2g}",
        f"{statistics.artifact_calibration.error:.3f} "
        f"({statistics.reference_calibration.error:.3f})",
        "-"
        if check is None
        else f"{check.agreement:.1%} of {check.photos}, largest difference "
        f"{check.max_probability_difference:.2g}",
    ]
    return f"| {' | '.join(cells)} |"


def _to_known_score_table(findings: list[Finding]) -> list[str]:
    reports = [finding.report for finding in findings if finding.statistics is not None]
    limits = {report.artifact: report.max_known_score_difference_allowed for report in reports}
    return [
        "## Known score",
        "",
        "How much a photo looks like those of known things, beside PyTorch's. Quantised artifacts "
        "get a threshold of their own, so that theirs may differ.",
        "",
        "| Artifact | Largest difference (allowed) | Same side of the artifact's threshold |",
        "| --- | ---: | ---: |",
        *[
            f"| `{report.artifact}` | {report.max_known_score_difference:.2g} "
            f"({'any' if limits[report.artifact] is None else f'{limits[report.artifact]:g}'}) | "
            f"{report.same_known:.1%} |"
            for report in reports
        ],
        "",
    ]


def _to_confidence_table(findings: list[Finding]) -> list[str]:
    rows = [
        f"| `{finding.artifact.file_name}` | {' | '.join(to_cells(finding.confidence))} |"
        for finding in findings
    ]
    return [
        "## Confidence",
        "",
        describe_target(findings),
        "",
        f"| Artifact | {' | '.join(HEADINGS)} |",
        "| --- | --- | ---: | --- | --- | --- |",
        *rows,
        "",
    ]


def _describe(finding: Finding) -> list[str]:
    artifact, report = finding.artifact, finding.report
    title = "" if report.passed else f": {report.verdict}"
    lines = [f"## {artifact.file_name}{title}", ""]
    lines += [f"- **{reason[0].upper()}{reason[1:]}**" for reason in report.reasons()]
    lines += [
        f"- {artifact.size_bytes / 1e6:.2f} MB, {artifact.precision}, sha256 `{artifact.sha256}`",
        f"- Input `{artifact.input['name']}`: {artifact.input['dtype']} {artifact.input['shape']}, "
        f"{artifact.input['layout']}, values {artifact.input['range']}",
    ]
    if finding.structure is not None:
        lines.append(f"- {_describe_structure(finding.structure)}")
    lines.append(
        f"- Converted with {_join(artifact.tool_versions)}; "
        f"compared with {_join(report.tool_versions)}"
    )
    if finding.statistics is not None:
        lines += _describe_flips(finding.statistics)
    return [*lines, ""]


def _describe_structure(structure: Structure) -> str:
    systems = [f"{name} {version}" for name, version in structure.minimum_systems.items()]
    needs = f"needs {structure.minimum_runtime}" + (f" ({', '.join(systems)})" if systems else "")
    inside = ", ".join(structure.backends)
    if not structure.ops:
        return f"A program inside of {inside}, which is not opened; {needs}"
    shared = structure.delegated_share
    ops = f"{sum(structure.ops.values())} ops"
    if shared is not None:
        ops += f", {shared:.0%} inside of {inside}"
    return (
        f"Weights: {_join_shares(structure.weights)}; activations: "
        f"{_join_shares(structure.activations)}; {ops}; {needs}"
    )


def _join_shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count / total:.1%} {kind}" for kind, count in ordered) or "none"


def _describe_flips(statistics: Statistics) -> list[str]:
    changed = statistics.lost + statistics.won + statistics.other
    if not changed:
        return []
    return [
        f"- Photos with another answer: {changed} ({statistics.lost} lost, {statistics.won} won, "
        f"{statistics.other} wrong in both)",
        *[_describe_flip(flip) for flip in statistics.flips[:_MAX_FLIPS_SHOWN]],
    ]


def _describe_flip(flip: Flip) -> str:
    return (
        f"  - {flip.kind}: `{_escape(flip.photo)}` shows {flip.truth}: {flip.reference} "
        f"({flip.reference_probability:.0%}) became {flip.artifact} "
        f"({flip.artifact_probability:.0%})"
    )


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _join(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
