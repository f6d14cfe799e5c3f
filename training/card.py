"""The model card: a checkpoint's README.md, in the form that the Hugging Face Hub reads."""

from typing import Any

from training.config import Settings
from training.data import Source


def write_card(settings: Settings, source: Source, metrics: dict[str, Any], started: str) -> str:
    """Returns the card as Markdown with a YAML head.

    Args:
        settings: the resolved settings of the run.
        source: the photos.
        metrics: figures on the validation photos.
        started: one sentence on the first weights.
    """
    model, train = settings.model, settings.train
    low, high = metrics["top1_interval_95"]
    sure = metrics["thresholds"]["sure"]
    target = 100 * sure["target_precision"]
    sure_words = (
        f"Answers with a probability of at least {sure['min_probability']:.3f} were right on "
        f"{100 * sure['precision']:.1f} % (target {target:.0f} %); they are "
        f"{100 * sure['coverage']:.1f} % of all. The threshold was chosen on these same photos."
        if sure["min_probability"] is not None
        else f"No threshold reached a precision of {target:.0f} %."
    )
    return f"""---
library_name: ghostlens
tags:
- image-classification
- {model.architecture}
---
# {model.architecture} on {source.name}, {len(source.labels)} classes

- **Task:** one item a photo, {len(source.labels)} classes, input {model.input_px} pixels square.
- **Network:** GhostNet (Han et al., CVPR 2020, arXiv 1911.11907); {started}.
- **Photos:** {source.name}, {len(source.train)} for training, {len(source.validation)} for
  validation. Licence: {source.licence}.
- **Training:** {train.epochs} epochs, {train.optimizer}, learning rate {train.learning_rate:g},
  batch {train.batch_size}, seed {train.seed}; all settings in `training.toml`.

## On the validation photos

| figure | value |
| --- | --- |
| top-1 | {100 * metrics["top1"]:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}) |
| top-5 | {100 * metrics["top5"]:.1f} % |
| photos | {metrics["photos"]} |

{sure_words}

The epoch was not chosen on these photos: the averaged weights after the last one are kept.

## Limits

It names one item a photo, and only the classes that it was trained on; it has not been measured on
photos from other places, cameras or seasons than the source's.
"""
