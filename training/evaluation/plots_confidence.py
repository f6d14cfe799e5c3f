"""Pictures of how far answers can be trusted, drawn without a screen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation.calibration import BINS
from training.evaluation.decisions import SCORES, Confidence, sum_coarse
from training.evaluation.metrics import Indices, Probabilities
from training.evaluation.plots import BLUE, GREY, ORANGE, plain, to_png
from training.evaluation.selective import risk_coverage
from training.evaluation.temperature import calibrate
from training.hierarchy import Hierarchy

_COLOURS = (ORANGE, "#5b8c3a", "#8c4aa8", "#b02a3c")
_SCORE_WORDS = {"max_probability": "probability of the best answer", "gen": "GEN score"}


def draw_reliability(calibration: dict[str, Any], photos: str) -> bytes:
    """Draws how often answers are right against how sure they are, and returns a PNG.

    Args:
        calibration: of the figures; see `training.evaluation.summary.summarise`.
        photos: on which photos, in words.
    """
    figure = Figure(figsize=(9.6, 5.6), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
    temperature = calibration["temperature"]
    highest = max(e["photos"] for part in ("before", "after") for e in calibration[part]["bins"])
    for column, part, words in (
        (0, "before", "As the network answers"),
        (1, "after", f"After the temperature, {temperature:.2f}"),
    ):
        measured = calibration[part]
        upper, lower = grid[0, column], grid[1, column]
        _draw_bins(upper, measured["bins"])
        upper.set_title(
            f"{words}\nerror {100 * measured['ece']:.1f} points "
            f"(chance alone: {100 * measured['ece_by_chance']:.1f}, "
            f"rarely over {100 * measured['ece_by_chance_95']:.1f})",
            fontsize=10,
        )
        lower.bar(
            [(e["low"] + e["high"]) * 50 for e in measured["bins"]],
            [e["photos"] for e in measured["bins"]],
            width=88 / BINS,
            color=GREY,
        )
        lower.set(xlabel="how sure the answer is, %", ylim=(0, 1.1 * highest), xlim=(0, 100))
    grid[0, 0].set_ylabel("right, % of the answers")
    grid[1, 0].set_ylabel("photos")
    grid[0, 0].legend(frameon=False, loc="upper left", fontsize=9)
    chosen = " The temperature was chosen on them." if calibration["fitted_on_these_photos"] else ""
    figure.suptitle(
        f"Are answers right as often as they claim? {plain(photos)}.{chosen}", fontsize=11
    )
    return to_png(figure)


def _draw_bins(axes: Axes, bins: list[dict[str, Any]]) -> None:
    claimed = np.array([100 * entry["mean_probability"] for entry in bins])
    right = np.array([100 * entry["right"] for entry in bins])
    ends = 100 * np.array([entry["right_interval_95"] for entry in bins])
    axes.plot((0, 100), (0, 100), color=GREY, linestyle=":", label="as often as claimed")
    axes.errorbar(
        claimed,
        right,
        yerr=np.abs(ends.T - right),
        color=BLUE,
        marker="o",
        markersize=4,
        linewidth=1,
        elinewidth=0.8,
        capsize=2,
        label="measured, with 95 % interval",
    )
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.grid(alpha=0.25)


def draw_risk_coverage(
    probabilities: Probabilities,
    truth: Indices,
    confidence: Confidence,
    hierarchy: Hierarchy | None,
    verdicts: dict[str, Any],
    photos: str,
) -> bytes:
    """Draws the errors among the surest answers, for every share of photos, and returns a PNG.

    Args:
        probabilities: as the network gives them, shape [N, classes].
        truth: true class of each photo, shape [N].
        confidence: temperature and thresholds, which are marked.
        hierarchy: the coarse class of each label; None where there are none.
        verdicts: see `training.evaluation.selective.measure_verdicts`.
        photos: on which photos, in words.
    """
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    axes = figure.subplots()
    calibrated = calibrate(probabilities, confidence.temperature)
    best, right = calibrated.max(axis=1), calibrated.argmax(axis=1) == truth
    highest = _draw_risk(axes, best, right, BLUE, "class")
    if hierarchy is not None:
        sums = sum_coarse(hierarchy, calibrated)
        parents = np.array(hierarchy.parents)[truth]
        hits = sums.argmax(axis=1) == parents
        _draw_risk(axes, sums.max(axis=1), hits, ORANGE, "coarse class")
    target = 100 * (1 - confidence.sure.target_precision)
    axes.axhline(target, color=GREY, linestyle=":", label=f"{target:.0f} % wrong are allowed")
    for name, colour, words in (
        ("sure", BLUE, "answers that stand (sure)"),
        ("answered", ORANGE, "with coarse answers besides"),
    ):
        adds = name == "sure" or verdicts["answered"]["photos"] > verdicts["sure"]["photos"]
        if adds and verdicts[name]["photos"]:
            _mark(axes, verdicts[name], colour, words)
    if not verdicts["answered"]["photos"]:
        axes.plot([], [], " ", label="no threshold reaches that: no answer stands")
    axes.set(xlim=(0, 100), ylim=(0, max(1.4 * highest, 3 * target)))
    axes.set(xlabel="photos that get an answer, the surest first, %", ylabel="wrong among them, %")
    axes.set_title(f"How much must stay unanswered to be right?\n{plain(photos)}", fontsize=11)
    axes.grid(alpha=0.25)
    axes.legend(framealpha=0.9, edgecolor="none", loc="upper left", fontsize=9)
    return to_png(figure)


def _draw_risk(axes: Axes, best: Any, right: Any, colour: str, words: str) -> float:
    coverage, risk = risk_coverage(best, right)
    label = f"{words}: {100 * right.mean():.1f} % right over all"
    axes.plot(100 * coverage, 100 * risk, color=colour, label=label)
    # The first few answers swing between none and all wrong: they must not set the scale.
    return float(100 * risk[coverage >= 0.1].max())


def _mark(axes: Axes, reached: dict[str, Any], colour: str, words: str) -> None:
    wrong = 100 * (1 - reached["precision"])
    low, high = (100 * (1 - end) for end in reversed(reached["precision_interval_95"]))
    axes.errorbar(
        100 * reached["coverage"],
        wrong,
        yerr=((wrong - low,), (high - wrong,)),
        color=colour,
        marker="D",
        markersize=7,
        capsize=3,
        linestyle="none",
        label=f"{words}: {100 * reached['coverage']:.0f} % of photos, {wrong:.1f} % wrong",
    )


def draw_rejection(
    known: Probabilities,
    unknown: Mapping[str, Probabilities],
    confidence: Confidence,
    figures: dict[str, Any],
    photos: str,
) -> bytes:
    """Draws the scores of known and of unknown things, and returns a PNG.

    Args:
        known: answers on photos of known things, shape [N, classes].
        unknown: kind -> answers on photos of unknown things, shape [M, classes].
        confidence: temperature, score and threshold.
        figures: the entry "unknown" of the figures.
        photos: on which photos, in words.
    """
    kinds = {kind: rows for kind, rows in unknown.items() if len(rows)}
    figure = Figure(figsize=(8.4, 1.6 + 1.5 * (1 + len(kinds))), layout="constrained")
    all_axes = np.atleast_1d(figure.subplots(1 + len(kinds), 1, sharex=True))
    score, limit = confidence.known.score, confidence.known.min_score
    scores = {"": known, **kinds}
    drawn = {
        kind: SCORES[score](calibrate(rows, confidence.temperature))
        for kind, rows in scores.items()
    }
    every = np.concatenate(list(drawn.values()))
    edges = np.linspace(every.min(), every.max(), 41)
    colours = (BLUE, *(_COLOURS[index % len(_COLOURS)] for index in range(len(kinds))))
    for axes, (kind, values), colour in zip(all_axes, drawn.items(), colours, strict=True):
        axes.hist(values, edges, color=colour, weights=np.full(len(values), 100 / len(values)))
        if limit is not None:
            axes.axvline(limit, color="black", linewidth=1)
        axes.set_title(_describe_kind(kind, values, limit, figures), fontsize=10, loc="left")
        axes.set_ylabel("% of photos")
        axes.grid(alpha=0.25)
    words = _SCORE_WORDS[score]
    said = "no threshold: nothing is called unknown" if limit is None else "line: threshold"
    all_axes[-1].set_xlabel(f"{words}, after the temperature ({said})")
    figure.suptitle(f"Are unknown things told from known ones? {plain(photos)}", fontsize=11)
    return to_png(figure)


def _describe_kind(kind: str, values: Any, limit: float | None, figures: dict[str, Any]) -> str:
    below = 100 * float((values < limit).mean()) if limit is not None else 0.0
    if not kind:
        return f"known things, {len(values)} photos: {below:.0f} % are wrongly called unknown"
    area = figures[kind]["auroc"]
    return f"{kind}, {len(values)} photos: {below:.0f} % are called unknown (AUROC {area:.2f})"
