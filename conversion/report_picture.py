"""The parity report for people, as a picture."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from conversion.artifact import Artifact, Build
from conversion.parity_report import FAILED, INCONCLUSIVE, NOT_EXECUTED, PASSED, ParityReport
from conversion.report import count_verdicts

_ORANGE, _GREY = "#d9731a", "#8a8a8a"
_COLOURS = {PASSED: "#1f5fa8", INCONCLUSIVE: "#7a5c00", FAILED: "#b3261e", NOT_EXECUTED: _GREY}
_NAMES = {"executorch": "ExecuTorch", "litert": "LiteRT", "coreml": "Core ML"}
# The loss axis reaches so many margins to either side; what lies beyond ends in an arrow.
_AXIS_MARGINS = 2.5
# Differences below what float32 can show are drawn as this.
_SMALLEST = 1e-9


def draw(build: Build, reports: list[ParityReport]) -> bytes:
    """Draws loss against margin, agreement and differences of every artifact; returns a PNG.

    Args:
        build: what was compared.
        reports: one for each artifact.
    """
    figure = Figure(figsize=(13, 1.9 + 0.46 * len(reports)), layout="constrained")
    photos = max(report.photos for report in reports)
    figure.suptitle(
        f"{build.model} {build.version} against the trained model on {photos} photos. "
        f"{count_verdicts(reports)}",
        fontweight="bold",
    )
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(2.1, 1, 1.1))
    _draw_loss(axes[0], reports)
    _draw_agreement(axes[1], reports)
    _draw_differences(axes[2], reports)
    axes[0].set_yticks(
        range(len(reports)),
        [_row_label(build.find(report.artifact), report) for report in reports],
    )
    for tick, report in zip(axes[0].get_yticklabels(), reports, strict=True):
        tick.set_color(_COLOURS[report.verdict])
    axes[0].set_ylim(len(reports) - 0.4, -0.6)  # the first row on top
    for part in axes:
        part.set_axisbelow(True)
        part.grid(axis="x", alpha=0.25)
        part.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _row_label(artifact: Artifact, report: ParityReport) -> str:
    parts = [_NAMES[artifact.runtime], artifact.backend.replace("xnnpack", ""), artifact.precision]
    return f"{' '.join(part for part in parts if part)}: {report.verdict}"


def _draw_loss(axes: Axes, reports: list[ParityReport]) -> None:
    """The key picture: the interval of each loss, and the margin that it must stay below."""
    reach = 100 * _AXIS_MARGINS * max(report.loss_margin for report in reports)
    for row, report in enumerate(reports):
        margin = 100 * report.loss_margin
        axes.plot([margin, margin], [row - 0.4, row + 0.4], color=_ORANGE, linewidth=2)
        if not report.photos:
            words = "not executed here" if not report.executed else "did not run"
            axes.text(0, row, f" {words}", va="center", color=_COLOURS[report.verdict])
            continue
        _draw_interval(axes, row, report, reach)
    axes.axvline(0, color=_GREY, linewidth=1)
    axes.plot([], [], color=_ORANGE, linewidth=2, label="the interval must end before this margin")
    top1 = 100 * reports[0].reference_top1
    axes.set(
        title="Accuracy loss with its 95 % interval",
        xlabel=f"points of top-1, of {top1:.1f} % in PyTorch; right is worse",
        xlim=(-reach, reach),
    )
    _put_legend(axes)


def _draw_interval(axes: Axes, row: int, report: ParityReport, reach: float) -> None:
    colour = _COLOURS[report.verdict]
    low, loss, high = (100 * value for value in (report.loss_low, report.loss, report.loss_high))
    shown = [min(max(value, -reach), reach) for value in (low, loss, high)]
    axes.plot([shown[0], shown[2]], [row, row], color=colour, linewidth=3, alpha=0.6)
    for end, beyond, marker in ((low, low < -reach, "<"), (high, high > reach, ">")):
        place = min(max(end, -0.985 * reach), 0.985 * reach)
        axes.plot(place, row, marker if beyond else "|", color=colour, markersize=8)
    if abs(loss) <= reach:
        axes.plot(loss, row, "o", color=colour, markersize=6)
    words = f"{loss:+.2f}  ({low:+.2f} to {high:+.2f})"
    # On the emptier side.
    left = shown[0] + shown[2] > 0
    axes.text(
        -0.98 * reach if left else 0.98 * reach,
        row,
        words,
        va="center",
        ha="left" if left else "right",
        fontsize=8,
        color=colour,
    )


def _draw_agreement(axes: Axes, reports: list[ParityReport]) -> None:
    compared = [report for report in reports if report.photos]
    worst = min([report.agreement for report in compared], default=0)
    left = max(0.0, 100 - 2.5 * max(100 - 100 * worst, 1.0))
    for row, report in enumerate(reports):
        if not report.photos:
            continue
        colour = _COLOURS[report.verdict]
        axes.barh(row, 100 * report.agreement - left, 0.6, left, color=colour)
        axes.text(left, row, f"  {100 * report.agreement:.2f}", va="center", color="white")
        if report.min_agreement is not None:
            limit = 100 * report.min_agreement
            axes.plot([limit, limit], [row - 0.4, row + 0.4], color=_ORANGE, linewidth=2)
    axes.plot([], [], color=_ORANGE, linewidth=2, label="at least this is required")
    axes.set(title="Same answer as PyTorch", xlabel=f"% of photos, from {left:.1f}")
    axes.set_xlim(left, 100 + 0.02 * (100 - left))
    _put_legend(axes)


def _draw_differences(axes: Axes, reports: list[ParityReport]) -> None:
    for row, report in enumerate(reports):
        if report.photos:
            colour = _COLOURS[report.verdict]
            ends = (report.mean_probability_difference, report.max_probability_difference)
            mean, largest = (max(value, _SMALLEST) for value in ends)
            axes.plot([mean, largest], [row, row], color=colour, linewidth=2, alpha=0.6)
            axes.plot(mean, row, "o", color=colour, markersize=5, markerfacecolor="white")
            axes.plot(largest, row, "o", color=colour, markersize=6)
        if report.max_difference_allowed is not None:
            limit = report.max_difference_allowed
            axes.plot([limit, limit], [row - 0.4, row + 0.4], color=_ORANGE, linewidth=2)
    axes.plot([], [], color=_ORANGE, linewidth=2, label="at most this is allowed")
    axes.set_xscale("log")
    axes.set(title="Difference of a probability", xlabel="mean (open) and largest, logarithmic")
    axes.set_xlim(_SMALLEST / 2, 2)
    _put_legend(axes)


def _put_legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2 * 6 / 8))
