"""Pictures of how far answers can be trusted, drawn without a screen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.answers import Answers
from training.evaluation.calibration import BINS
from training.evaluation.decisions import Confidence, sum_coarse
from training.evaluation.metrics import Indices, Probabilities
from training.evaluation.plots import BLUE, GREY, ORANGE, plain, to_png
from training.evaluation.selective import risk_coverage
from training.evaluation.temperature import calibrate
from training.hierarchy import Hierarchy
from training.photos import CLUTTER, HELD_OUT, UNKNOWN_THING
from training.words import count_words

_COLOURS = (ORANGE, "#5b8c3a", "#8c4aa8", "#b02a3c")
_SCORE_WORDS = {
    "known_score": "known score",
    "max_probability": "probability of the best answer",
    "gen": "GEN score",
}
_FAR_SHARE = 0.02  # of photos that score lowest; they must not set the scale
_KIND_WORDS = {
    UNKNOWN_THING: "Photos of unknown things",
    HELD_OUT: "Photos of items that it was not taught",
    CLUTTER: "Drawn scenes without any item",
}
_SMALL = 8  # points, for the figures that a specialist looks for


def draw_reliability(calibration: dict[str, Any], photos: str) -> bytes:
    """Draws how often answers are right against how sure they are, and returns a PNG.

    Args:
        calibration: of the figures; see `training.evaluation.summary.summarise`.
        photos: on which photos, in words.
    """
    figure = Figure(figsize=(9.6, 5.6), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
    highest = max(e["photos"] for part in ("before", "after") for e in calibration[part]["bins"])
    for column, part, words in (
        (0, "before", "As the network answers"),
        (1, "after", "Adjusted, as apps show it"),
    ):
        measured = calibration[part]
        upper, lower = grid[0, column], grid[1, column]
        _draw_bins(upper, measured["bins"])
        upper.set_title(
            f"{words}: {100 * measured['ece']:.1f} points off on average", fontsize=10, loc="left"
        )
        lower.bar(
            [(e["low"] + e["high"]) * 50 for e in measured["bins"]],
            [e["photos"] for e in measured["bins"]],
            width=88 / BINS,
            color=GREY,
        )
        lower.set(xlabel="how sure it says it is, %", ylim=(0, 1.1 * highest), xlim=(0, 100))
    grid[0, 0].set_ylabel("how often it is right, %")
    grid[1, 0].set_ylabel("photos")
    grid[0, 0].legend(framealpha=0.9, edgecolor="none", loc="lower right", fontsize=9)
    figure.suptitle(f"Is it right as often as it says? {plain(photos)}", fontsize=11)
    figure.supxlabel(_describe_calibration(calibration), fontsize=_SMALL, color=GREY)
    return to_png(figure)


def _describe_calibration(calibration: dict[str, Any]) -> str:
    errors = (
        f"{part} {100 * measured['ece']:.1f} points (by chance alone about "
        f"{100 * measured['ece_by_chance']:.1f}, rarely over "
        f"{100 * measured['ece_by_chance_95']:.1f})"
        for part, measured in ((part, calibration[part]) for part in ("before", "after"))
    )
    chosen = ", chosen on these photos" if calibration["fitted_on_these_photos"] else ""
    return (
        f"Adjusted by one number, the temperature: {calibration['temperature']:.2f}{chosen}.\n"
        f"Expected calibration error: {'; '.join(errors)}."
    )


def _draw_bins(axes: Axes, bins: list[dict[str, Any]]) -> None:
    claimed = np.array([100 * entry["mean_probability"] for entry in bins])
    right = np.array([100 * entry["right"] for entry in bins])
    ends = 100 * np.array([entry["right_interval_95"] for entry in bins])
    axes.plot((0, 100), (0, 100), color=GREY, linestyle=":", label="right as often as it says")
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
    known: Answers,
    unknown: Mapping[str, Answers],
    confidence: Confidence,
    figures: dict[str, Any],
    photos: str,
) -> bytes:
    """Draws the scores of known and of unknown things, and returns a PNG.

    Args:
        known: answers on photos of known things.
        unknown: kind -> answers on photos of unknown things.
        confidence: temperature, score and threshold.
        figures: the entry "unknown" of the figures.
        photos: on which photos, in words.
    """
    kinds = {kind: answers for kind, answers in unknown.items() if len(answers)}
    figure = Figure(figsize=(8.4, 1.6 + 1.5 * (1 + len(kinds))), layout="constrained")
    all_axes = np.atleast_1d(figure.subplots(1 + len(kinds), 1, sharex=True))
    limit = confidence.known.min_score
    drawn = {kind: confidence.score(answers) for kind, answers in {"": known, **kinds}.items()}
    every = np.concatenate(list(drawn.values()))
    edges = np.linspace(np.quantile(every, _FAR_SHARE), every.max(), 41)
    colours = (BLUE, *(_COLOURS[index % len(_COLOURS)] for index in range(len(kinds))))
    for axes, (kind, values), colour in zip(all_axes, drawn.items(), colours, strict=True):
        axes.hist(
            np.maximum(values, edges[0]),
            edges,
            color=colour,
            weights=np.full(len(values), 100 / len(values)),
        )
        axes.set_xlim(edges[0], edges[-1])
        if limit is not None:
            axes.axvspan(min(limit, edges[0]), limit, color=GREY, alpha=0.25, linewidth=0, zorder=0)
            axes.axvline(limit, color="black", linewidth=1)
        axes.set_title(_describe_kind(kind, values, limit), fontsize=10, loc="left")
        axes.set_ylabel("% of them")
        axes.grid(alpha=0.25)
    said = "nothing is called unknown" if limit is None else 'grey: called "not a known item"'
    all_axes[-1].tick_params("x", labelsize=_SMALL, labelcolor=GREY)
    all_axes[-1].set_xlabel(f"←  looks unknown        looks like a known item  →        {said}")
    figure.suptitle(f"Does it notice what it does not know? {plain(photos)}", fontsize=11)
    figure.supxlabel(
        _describe_score(confidence, figures, tuple(kinds)), fontsize=_SMALL, color=GREY
    )
    return to_png(figure)


def _describe_kind(kind: str, values: Any, limit: float | None) -> str:
    below = 100 * float((values < limit).mean()) if limit is not None else 0.0
    count = count_words(len(values), "photo")
    if not kind:
        return f"Photos of known things ({count}): {below:.0f} % wrongly called unknown"
    words = _KIND_WORDS.get(kind, kind)
    return f"{words} ({count}): {below:.0f} % rightly called unknown"


def _describe_score(confidence: Confidence, figures: dict[str, Any], kinds: tuple[str, ...]) -> str:
    known = confidence.known
    limit = "no threshold" if known.min_score is None else f"threshold {known.min_score:.3g}"
    areas = ", ".join(f"{kind} {figures[kind]['auroc']:.2f}" for kind in kinds)
    return (
        f"{_SCORE_WORDS.get(known.score, known.score)}, temperature {confidence.temperature:.2f}, "
        f"{limit}. AUROC (0.5: a coin, 1: all told apart): {areas}."
    )
