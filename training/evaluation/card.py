"""The model card: a checkpoint's README.md, in the form that the Hugging Face Hub reads."""

from typing import Any

from training.config import Settings
from training.evaluation.describe import describe_share
from training.sources.data import Source
from training.words import count_words

# Where each family of networks was published.
_PAPERS = {
    "ghostnet": "GhostNet (Han et al., CVPR 2020, arXiv 1911.11907)",
    "ghostnetv2": "GhostNetV2 (Tang et al., NeurIPS 2022, arXiv 2211.12905)",
    "ghostnetv3": "GhostNetV3 (Liu et al., arXiv 2404.11202)",
}


def write_card(settings: Settings, source: Source, metrics: dict[str, Any], started: str) -> str:
    """Returns the card as Markdown with a YAML head.

    Args:
        settings: the resolved settings of the run.
        source: the photos.
        metrics: figures on the validation photos; see `training.evaluation.report.report_run`.
        started: one sentence on the first weights.
    """
    model, train = settings.model, settings.train
    return f"""---
library_name: ghostlens
tags:
- image-classification
- {model.architecture}
---
# {model.architecture} on {source.name}, {len(source.labels)} classes

- **Task:** one item a photo, {len(source.labels)} classes, input {model.input_px} pixels square.
- **Network:** {_PAPERS[model.architecture.partition("_")[0]]}; {started}.
- **Photos:** {source.name}, {len(source.train)} for training, {len(source.validation)} for
  validation. Licence: {source.licence}.
- **Training:** {train.epochs} epochs, {train.optimizer}, learning rate {train.learning_rate:g},
  batch {train.batch_size}, seed {train.seed}; all settings in `training.toml`.

## On the validation photos

{_describe_accuracy(metrics)}

{_describe_leakage(metrics["leakage"])}

The epoch was not chosen on these photos: the averaged weights after the last one are kept.
Intervals take photos for independent: where several show the same item, they are too narrow.

## When to believe it

{_describe_confidence(metrics)}

{_describe_unknown(metrics["unknown"])}

Pictures beside this file: `reliability.png` (is it right as often as it claims?),
`risk_coverage.png` (what must stay unanswered to be right?), `confusion.png`, `worst_classes.jpg`,
`learning_curve.png` and, where unknown things were measured, `rejection.png`.

## Limits

It names one item a photo, and only the classes that it was trained on; it has not been measured on
photos from other places, cameras or seasons than the source's.
"""


def _describe_accuracy(metrics: dict[str, Any]) -> str:
    rows = [("top-1", "top1"), ("top-5", "top5"), ("mean over classes", "mean_class_accuracy")]
    if metrics["coarse_top1"] is not None:
        rows.insert(1, ("coarse class", "coarse_top1"))
    lines = [f"| {words} | {describe_share(metrics, key)} |" for words, key in rows]
    head = ["| right | share of photos |", "| --- | --- |"]
    classes = count_words(metrics["classes_with_photos"], "class", "classes")
    photos = f"{count_words(metrics['photos'], 'photo')}, of {classes}."
    return "\n".join([photos, "", *head, *lines])


def _describe_leakage(leakage: dict[str, Any]) -> str:
    count, photos = leakage["seen_in_training"], leakage["photos"]
    if not count:
        return (
            f"None of the {photos:,} photos looks like one of the {leakage['training_photos']:,} "
            "training photos (perceptual hash, mirror images included)."
        )
    look = "looks like a training photo" if count == 1 else "look like training photos"
    return (
        f"**{count:,} of the {photos:,} photos {look}**, so the figures above are "
        "too good; `metrics.json` names the pairs."
    )


def _describe_confidence(metrics: dict[str, Any]) -> str:
    calibration, confidence = metrics["calibration"], metrics["confidence"]
    before, after = calibration["before"]["ece"], calibration["after"]["ece"]
    lines = [
        f"- Divide the logits by the temperature {calibration['temperature']:.3f}: probabilities "
        f"are then off by {100 * after:.1f} points on average, and without it by "
        f"{100 * before:.1f} (on so few photos, chance alone gives "
        f"{100 * calibration['after']['ece_by_chance']:.1f}).",
        _describe_threshold("A class is sure", confidence["sure"]),
    ]
    if confidence["coarse"] is not None:
        words = "Where no class is sure, its coarse class stands"
        lines.append(_describe_threshold(words, confidence["coarse"]))
    lines.append(
        "- All of these were chosen on the same photos. An artifact has its own, in the manifest."
    )
    return "\n".join(lines)


def _describe_threshold(words: str, threshold: dict[str, Any]) -> str:
    target = 100 * threshold["target_precision"]
    if threshold["min_probability"] is None:
        return f"- {words}: never. No threshold reached a precision of {target:.0f} %."
    line = (
        f"- {words} from a probability of {threshold['min_probability']:.3f}: that was right on "
        f"{describe_share(threshold, 'precision')} of such answers (target {target:.0f} %), "
        f"which are {describe_share(threshold, 'coverage')} of all photos"
    )
    others = threshold["cross_fitted"]
    if others is None or others["precision"] is None:
        return f"{line}."
    return (
        f"{line}. With thresholds chosen on other photos it was right on "
        f"{describe_share(others, 'precision')}."
    )


def _describe_unknown(unknown: dict[str, Any]) -> str:
    if not unknown:
        return "How it answers on things that it does not know was not measured."
    lines = [
        f"- {kind}, {count_words(measured['photos'], 'photo')}: "
        f"{describe_share(measured, 'rejected')} are called unknown, "
        f"{describe_share(measured, 'named')} are given a name all the same."
        for kind, measured in unknown.items()
    ]
    return "\n".join(["On photos of things that it does not know:", "", *lines])
