"""The parity report for people: a page of text and a picture."""

import io

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from conversion.artifact import Artifact, Build, GoldenPhoto, ParityReport

_BLUE, _ORANGE, _GREY, _RED = "#1f5fa8", "#d9731a", "#8a8a8a", "#b3261e"
_NAMES = {"executorch": "ExecuTorch", "litert": "LiteRT", "coreml": "Core ML"}
# Differences below what float32 can show are drawn as this.
_SMALLEST = 1e-9

Probabilities = npt.NDArray[np.float32]


def to_markdown(build: Build, reports: list[ParityReport], golden: list[GoldenPhoto]) -> str:
    """Returns the report as Markdown.

    Args:
        build: what was compared.
        reports: one for each artifact.
        golden: the golden photos chosen.
    """
    first = reports[0]
    lines = [
        f"# Parity of {build.model} {build.version}",
        "",
        f"{build.architecture}, {len(build.labels)} classes, {build.preprocess.input_px} px, "
        f"checkpoint `{build.checkpoint_sha256}`. Reference: the trained network in eager PyTorch, "
        f"top-1 {first.reference_top1:.2%} on the same validation photos of {first.source}.",
        "",
        "| Artifact | Evaluated by | Photos | Top-1 | Same answer (required) | "
        "Largest difference (allowed) | Mean difference | Verdict |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *[_to_row(report) for report in reports],
        "",
        "![Parity](report.png)",
        "",
    ]
    for report in reports:
        lines += _describe(build.find(report.artifact), report)
    lines += ["## Golden photos", "", "| File | Shows | Photo |", "| --- | --- | --- |"]
    lines += [
        f"| `{entry.file}` | {_escape(entry.label)} | `{_escape(entry.name)}` |" for entry in golden
    ]
    return "\n".join(lines) + "\n"


def _to_row(report: ParityReport) -> str:
    allowed = report.max_difference_allowed
    if report.failure:
        return f"| `{report.artifact}` | did not run | {'- | ' * 5}**failed** |"
    cells = [
        f"`{report.artifact}`",
        report.evaluator,
        str(report.photos),
        f"{report.artifact_top1:.2%}",
        f"{report.agreement:.2%} ({report.min_agreement:.1%})",
        f"{report.max_probability_difference:.2g} ({'any' if allowed is None else f'{allowed:g}'})",
        f"{report.mean_probability_difference:.2g}",
        "passed" if report.passed else "**failed**",
    ]
    return f"| {' | '.join(cells)} |"


def _describe(artifact: Artifact, report: ParityReport) -> list[str]:
    lines = [f"## {artifact.file_name}", ""]
    lines += [f"- **Failed:** {reason}" for reason in report.reasons()]
    lines += [
        f"- {artifact.size_bytes / 1e6:.2f} MB, {artifact.precision}, sha256 `{artifact.sha256}`",
        f"- Input `{artifact.input['name']}`: {artifact.input['dtype']} {artifact.input['shape']}, "
        f"{artifact.input['layout']}, values {artifact.input['range']}",
        f"- Converted with {_join(artifact.tool_versions)}; "
        f"compared with {_join(report.tool_versions)}",
    ]
    if report.disagreements:
        lines.append("- Other answer on " + ", ".join(f"`{name}`" for name in report.disagreements))
    return [*lines, ""]


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _join(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def draw(
    build: Build,
    reports: list[ParityReport],
    reference: Probabilities,
    answers: dict[str, Probabilities],
) -> bytes:
    """Draws accuracy, agreement and differences of every artifact, and returns a PNG.

    Args:
        build: what was compared.
        reports: one for each artifact.
        reference: the checkpoint's probabilities, shape [N, classes].
        answers: artifact file name -> probabilities, shape [N, classes].
    """
    figure = Figure(figsize=(12, 1.9 + 0.95 * len(reports)), layout="constrained")
    passed = sum(report.passed for report in reports)
    figure.suptitle(
        f"{build.model} {build.version}: {passed} of {len(reports)} artifacts answer like the "
        f"trained model on {len(reference)} photos",
        fontweight="bold",
    )
    axes = figure.subplots(1, 3, sharey=True)
    _draw_accuracy(axes[0], reports)
    _draw_agreement(axes[1], reports)
    _draw_differences(axes[2], reports, reference, answers)
    rows = [_row_label(build.find(report.artifact), report) for report in reports]
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].set_ylim(len(rows) - 0.1, -0.6)  # the first row on top, room for the legends below
    for part in axes:
        part.set_axisbelow(True)
        part.grid(axis="x", alpha=0.25)
        part.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _row_label(artifact: Artifact, report: ParityReport) -> str:
    verdict = "passed" if report.passed else "FAILED"
    evaluator = "did not run" if report.failure else report.evaluator
    return f"{_NAMES[artifact.runtime]} {artifact.precision}: {verdict}\n({evaluator})"


def _colour(report: ParityReport) -> str:
    return _BLUE if report.passed else _RED


def _draw_accuracy(axes: Axes, reports: list[ParityReport]) -> None:
    reference = 100 * reports[0].reference_top1
    for row, report in enumerate(reports):
        share = 100 * report.artifact_top1
        axes.barh(row, share, height=0.5, color=_colour(report))
        words = f"  {share:.1f}" if not report.failure else "  did not run"
        inside = share > 15
        axes.text(0 if inside else share, row, words, va="center", color=("black", "white")[inside])
    axes.axvline(reference, color=_ORANGE, label=f"PyTorch: {reference:.1f}")
    axes.set(title="Right answers (top-1)", xlabel="% of photos", xlim=(0, 102))
    axes.set_xticks(range(0, 101, 20))
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _draw_agreement(axes: Axes, reports: list[ParityReport]) -> None:
    worst = min([report.agreement for report in reports if not report.failure], default=0)
    left = max(0.0, 100 - 2.5 * max(100 - 100 * worst, 1.0))
    for row, report in enumerate(reports):
        if report.failure:
            continue
        axes.barh(row, 100 * report.agreement - left, 0.5, left, color=_colour(report))
        axes.text(left, row, f"  {100 * report.agreement:.2f}", va="center", color="white")
        limit = 100 * report.min_agreement
        axes.plot([limit, limit], [row - 0.4, row + 0.4], color=_ORANGE, linewidth=2)
    axes.plot([], [], color=_ORANGE, linewidth=2, label="at least this is required")
    axes.set(
        title="Same answer as PyTorch", xlabel="% of photos" + f" (from {left:.1f})" * (left > 0)
    )
    axes.set_xlim(left, 100 + 0.02 * (100 - left))
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _draw_differences(
    axes: Axes,
    reports: list[ParityReport],
    reference: Probabilities,
    answers: dict[str, Probabilities],
) -> None:
    """One dot a photo: its largest probability difference, spread over the row's height."""
    for row, report in enumerate(reports):
        if report.artifact in answers:
            largest = np.abs(answers[report.artifact] - reference).max(axis=1)
            heights = row + np.linspace(-0.3, 0.3, len(largest))
            colour = _colour(report)
            axes.scatter(largest.clip(_SMALLEST), heights, s=5, color=colour, alpha=0.5)
        if report.max_difference_allowed is not None:
            limit = report.max_difference_allowed
            axes.plot([limit, limit], [row - 0.4, row + 0.4], color=_ORANGE, linewidth=2)
    axes.plot([], [], color=_ORANGE, linewidth=2, label="at most this is allowed")
    axes.set_xscale("log")
    axes.set(title="Largest probability difference", xlabel="one dot a photo, logarithmic")
    axes.set_xlim(_SMALLEST / 2, 2)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
