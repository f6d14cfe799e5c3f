"""The parity report for people, as a picture."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from conversion.artifact import Artifact, Build
from conversion.parity.report import (
    FAILED,
    INCONCLUSIVE,
    NOT_EXECUTED,
    PASSED,
    ParityReport,
    points,
)
from conversion.report.writer import count_verdicts

_ORANGE, _GREY = "#d9731a", "#8a8a8a"
_COLOURS = {PASSED: "#1f5fa8", INCONCLUSIVE: "#7a5c00", FAILED: "#b3261e", NOT_EXECUTED: _GREY}
_NAMES = {"executorch": "ExecuTorch", "litert": "LiteRT", "coreml": "Core ML"}
# The loss axis reaches so many margins to the left and right; what lies beyond ends in an arrow.
_AXIS_MARGINS = (1.5, 3.0)
# Differences below what float32 can show are drawn as this.
_SMALLEST = 1e-9


def draw(build: Build, reports: list[ParityReport]) -> bytes:
    """Draws loss against margin, agreement and differences of every artifact; returns a PNG.

    Args:
        build: what was compared.
        reports: one for each artifact.
    """
    figure = Figure(figsize=(13, 1.6 + 0.4 * len(reports)), layout="constrained")
    photos = max(report.photos for report in reports)
    figure.suptitle(
        f"{build.model} {build.version} against the trained model on {photos} photos. "
        f"{count_verdicts(reports)}",
        fontweight="bold",
    )
    axes = figure.subplots(1, 4, sharey=True, width_ratios=(2, 0.9, 1, 1.1))
    _draw_loss(axes[0], reports)
    _write_loss(axes[1], reports)
    _draw_agreement(axes[2], reports)
    _draw_differences(axes[3], reports)
    axes[0].set_yticks(
        range(len(reports)),
        [_row_label(build.find(report.artifact), report) for report in reports],
    )
    for tick, report in zip(axes[0].get_yticklabels(), reports, strict=True):
        tick.set_color(_COLOURS[report.verdict])
    axes[0].set_ylim(len(reports) - 0.4, -0.6)  # the first row on top
    for part in (axes[0], axes[2], axes[3]):
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
    widest = max(100 * report.loss_margin for report in reports)
    ends = (-_AXIS_MARGINS[0] * widest, _AXIS_MARGINS[1] * widest)
    for row, report in enumerate(reports):
        if report.photos:
            _draw_interval(axes, row, report, ends)
        _mark_limit(axes, row, 100 * report.loss_margin)
    axes.axvline(0, color=_GREY, linewidth=1)
    top1 = 100 * reports[0].reference_top1
    axes.set(
        title="Accuracy loss with its 95 % interval",
        xlabel=f"points of top-1 lost, of {top1:.1f} % in PyTorch\n"
        "orange: the margin before which the interval must end",
        xlim=ends,
    )


def _draw_interval(axes: Axes, row: int, report: ParityReport, ends: tuple[float, float]) -> None:
    colour = _COLOURS[report.verdict]
    low, loss, high = (100 * value for value in (report.loss_low, report.loss, report.loss_high))
    room = 0.015 * (ends[1] - ends[0])
    left, right = max(low, ends[0] + room), min(high, ends[1] - room)
    axes.plot([min(left, right), right], [row, row], color=colour, linewidth=3, alpha=0.6)
    if low < left:
        axes.plot(left, row, "<", color=colour, markersize=8)
    if high > right:
        axes.plot(right, row, ">", color=colour, markersize=8)
    if left <= loss <= right:
        axes.plot(loss, row, "o", color=colour, markersize=6)


def _write_loss(axes: Axes, reports: list[ParityReport]) -> None:
    axes.set_axis_off()
    for row, report in enumerate(reports):
        if report.photos:
            low, loss, high = map(points, (report.loss_low, report.loss, report.loss_high))
            words = f"{loss} ({low} to {high})"
        else:
            words = "did not run" if report.executed else "not executed here"
        axes.text(0, row, words, va="center", fontsize=9, color=_COLOURS[report.verdict])


def _draw_agreement(axes: Axes, reports: list[ParityReport]) -> None:
    worst = min([report.agreement for report in reports if report.photos], default=0)
    left = max(0.0, 100 - 2.5 * max(100 - 100 * worst, 1.0))
    for row, report in enumerate(reports):
        if report.photos:
            colour = _COLOURS[report.verdict]
            axes.barh(row, 100 * report.agreement - left, 0.6, left, color=colour)
            share = 100 * report.agreement
            inside = share - left > 0.4 * (100 - left)
            place, text_colour = (left, "white") if inside else (share, colour)
            axes.text(place, row, f"  {share:.2f}", va="center", color=text_colour)
        if report.min_agreement is not None:
            _mark_limit(axes, row, 100 * report.min_agreement)
    axes.set(
        title="Same answer as PyTorch",
        xlabel=f"% of photos, from {left:.0f}\norange: at least so many",
        xlim=(left, 100 + 0.02 * (100 - left)),
    )


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
            _mark_limit(axes, row, report.max_difference_allowed)
    axes.set_xscale("log")
    axes.set(
        title="Difference of a probability",
        xlabel="open: the mean; full: the largest\norange: at most so large",
        xlim=(_SMALLEST / 2, 2),
    )


def _mark_limit(axes: Axes, row: int, limit: float) -> None:
    axes.plot([limit, limit], [row - 0.38, row + 0.38], color=_ORANGE, linewidth=2.5)
