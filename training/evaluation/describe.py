"""Figures in words, a line each. Free of torch."""

from typing import Any

from training.words import count_words


def describe_share(figures: dict[str, Any], key: str) -> str:
    """Returns a share with its 95 % interval, as in "55.7 % (95 % interval 50.0 to 61.3)"."""
    low, high = figures[f"{key}_interval_95"]
    return f"{100 * figures[key]:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def describe_leakage(leakage: dict[str, Any]) -> list[str]:
    """Returns what the check for leakage found: a count first, then every pair."""
    if not leakage["checked"]:
        return [f"leakage: NOT CHECKED: {leakage['why']}"]
    bits = f"at most {leakage['limit_bits']} of {leakage['hash_bits']} bits of their hashes differ"
    count, photos = leakage["seen_in_training"], leakage["photos"]
    lines = [
        f"leakage: {count or 'none'} of {count_words(photos, 'photo')}, compared with "
        f"{count_words(leakage['training_photos'], 'training photo')} ({bits})"
    ]
    for pair in leakage["pairs"]:
        mirrored = ", mirrored" if pair["mirrored"] else ""
        lines.append(
            f"  {pair['evaluated']} looks like the training photo {pair['trained']}{mirrored} "
            f"({pair['distance_bits']} bits differ)"
        )
    if count > len(leakage["pairs"]):
        lines.append(f"  and {count - len(leakage['pairs'])} more")
    return lines


def describe_figures(figures: dict[str, Any]) -> list[str]:
    """Returns the figures of `training.evaluation.summary.summarise`."""
    lines = [
        f"top-1: {describe_share(figures, 'top1')} of {count_words(figures['photos'], 'photo')}",
        f"top-5: {describe_share(figures, 'top5')}",
    ]
    if figures["coarse_top1"] is not None:
        lines.append(f"coarse top-1: {describe_share(figures, 'coarse_top1')}")
    lines.append(
        f"mean class accuracy: {describe_share(figures, 'mean_class_accuracy')}, over "
        f"{count_words(figures['classes_with_photos'], 'class', 'classes')}"
    )
    lines += _describe_calibration(figures["calibration"])
    lines += _describe_selective(figures["selective"], figures["confidence"])
    for kind, measured in figures["unknown"].items():
        count = count_words(measured["photos"], "photo")
        lines.append(
            f"unknown ({kind}, {count}), by {measured['score']}: rejected "
            f"{describe_share(measured, 'rejected')}, given a name "
            f"{describe_share(measured, 'named')}; AUROC {_number(measured, 'auroc')}; let "
            f"through where 95 % of known ones are kept: {describe_share(measured, 'fpr95')}"
        )
    lines += _describe_choice(figures["compared_scores"], figures["confidence"]["known"]["score"])
    return lines


def describe_caveats(figures: dict[str, Any]) -> list[str]:
    """Returns what a reader of the intervals must know."""
    bootstrap = figures["bootstrap"]
    repeated = figures["leakage"]["repeated_photos"]
    look = "looks" if repeated == 1 else "look"
    seen = f" Of these photos, {repeated:,} {look} like an earlier one." if repeated else ""
    return [
        "intervals: Wilson's for shares, Newcombe's for AUROC, elsewhere the bootstrap's "
        f"({bootstrap['resamples']} resamples, seed {bootstrap['seed']}). They take photos for "
        f"independent: where several show the same item, they are too narrow.{seen}"
    ]


def _describe_choice(compared: dict[str, Any], chosen: str) -> list[str]:
    """Returns what each score was worth on photos that its threshold was not chosen on."""
    lines = []
    for score, found in compared.items():
        low, high = (100 * end for end in found["gain_interval_95"])
        lines.append(
            f"  {score}{' (chosen)' if score == chosen else ''}: keeps {100 * found['kept']:.1f} % "
            f"of known photos and turns away {100 * found['rejected']:.1f} % of unknown ones; mean "
            f"of both against the default {100 * found['gain']:+.1f} points ({low:+.1f} to "
            f"{high:+.1f})"
        )
    return ["score that tells unknown things, cross-fitted:", *lines] if lines else []


def _describe_calibration(calibration: dict[str, Any]) -> list[str]:
    before, after = calibration["before"], calibration["after"]
    lines = [
        f"temperature {calibration['temperature']:.3f}"
        + (", chosen on these photos" if calibration["fitted_on_these_photos"] else "")
        + "; before -> after it:"
    ]
    for key, words in (
        ("ece", "calibration error, 15 equal bins"),
        ("adaptive_ece", "calibration error, 15 bins of as many photos"),
        ("nll", "negative log-likelihood, nats"),
        ("brier", "Brier score"),
    ):
        lines.append(f"  {words}: {_number(before, key)} -> {_number(after, key)}")
    lines.append(
        f"  an exactly calibrated network would show a calibration error of about "
        f"{after['ece_by_chance']:.3f} here, and rarely over {after['ece_by_chance_95']:.3f}"
    )
    return lines


def _describe_selective(selective: dict[str, Any], confidence: dict[str, Any]) -> list[str]:
    chosen = (
        "chosen on these photos, and so a little too good"
        if selective["thresholds_chosen_on_these_photos"]
        else "as the checkpoint holds them"
    )
    lines = [
        f"area under risk and coverage: {_number(selective, 'aurc')}; "
        f"{selective['aurc_perfect']:.3f} if all right answers were surer than all wrong ones",
        f"verdicts, for a precision of {100 * confidence['sure']['target_precision']:.0f} %, "
        f"{chosen}:",
    ]
    for verdict, reached in selective["verdicts"].items():
        if verdict == "answered" and "coarse" not in selective["verdicts"]:
            continue  # the same as "sure"
        line = f"  {verdict}: {describe_share(reached, 'coverage')} of photos"
        if reached.get("precision") is not None:
            line += f", right {describe_share(reached, 'precision')}"
        lines.append(line)
    elsewhere = confidence["sure"].get("cross_fitted")
    if selective["thresholds_chosen_on_these_photos"] and elsewhere:
        line = f"  on other photos, by cross-fitting: sure {describe_share(elsewhere, 'coverage')}"
        if elsewhere["precision"] is not None:
            line += f", right {describe_share(elsewhere, 'precision')}"
        lines.append(line)
    return lines


def _number(figures: dict[str, Any], key: str) -> str:
    low, high = figures[f"{key}_interval_95"]
    return f"{figures[key]:.3f} ({low:.3f} to {high:.3f})"
