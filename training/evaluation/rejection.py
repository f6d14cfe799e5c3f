"""Measures how well each score tells a checkpoint's known things from unknown ones.

Free of torch itself; `training.evaluation.features` asks the network.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training.errors import DataError
from training.evaluation.separation import compare_areas, measure_separation
from training.evaluation.temperature import calibrate, fit_temperature
from training.evaluation.unknown import (
    KNOWN_SCORE,
    ClassMeans,
    Mahalanobis,
    NearestNeighbours,
    energy,
    entropy,
    gen,
    max_logit,
    max_probability,
)
from training.feature_density import FeatureDensity

if TYPE_CHECKING:
    from training.evaluation.features import Features

Floats = npt.NDArray[np.float64]

# What each score needs of an artifact: a phone has its probabilities and the known score.
SCORES: Mapping[str, str] = {
    KNOWN_SCORE: "known score",
    "max_probability": "probabilities",
    "entropy": "probabilities",
    "gen": "probabilities",
    "max_logit": "logits",
    "energy": "logits",
    "class_means": "features",
    "nearest": "features",
    "mahalanobis": "features",
}
REFERENCE = "max_probability"


class Scorer:
    """Gives every score of some photos.

    Args:
        training: what the network makes of its training photos.
        temperature: for the scores of probabilities.
        k: which nearest training photo counts.
        density: of the training photos' features, as the checkpoint holds it.
    """

    def __init__(
        self, training: "Features", temperature: float, k: int, density: FeatureDensity
    ) -> None:
        self._temperature, self._density = temperature, density
        self._nearest = NearestNeighbours(training.embeddings, k)
        self._class_means = ClassMeans(training.embeddings, training.class_indices)
        self._mahalanobis = Mahalanobis(training.embeddings, training.class_indices)

    def __call__(self, features: "Features") -> dict[str, Floats]:
        """Returns each of `SCORES`, float64 [N]; higher is more like what is known."""
        calibrated = calibrate(features.probabilities, self._temperature)
        return {
            KNOWN_SCORE: self._density(features.embeddings),
            "max_probability": max_probability(calibrated),
            "entropy": entropy(calibrated),
            "gen": gen(calibrated),
            "max_logit": max_logit(features.logits),
            "energy": energy(features.logits),
            "class_means": self._class_means(features.embeddings),
            "nearest": self._nearest(features.embeddings),
            "mahalanobis": self._mahalanobis(features.embeddings),
        }


def measure_rejection(
    training: "Features",
    known: "Features",
    unknown: Mapping[str, "Features"],
    density: FeatureDensity,
    k: int | None = None,
) -> dict[str, Any]:
    """Measures every score on each kind of unknown things.

    Args:
        training: of the photos that the network was trained on.
        known: of the validation photos.
        unknown: kind of unknown things -> of photos of them.
        density: of the training photos' features, as the checkpoint holds it.
        k: which nearest training photo counts; a thousandth of them when not given.

    Returns:
        The temperature, `k`, numbers of photos, and for each kind and score the figures of
        `training.evaluation.separation.Separation` and `auroc_gain`, by how much its area
        exceeds that of the largest probability, with its interval.

    Raises:
        DataError: no unknown things.
    """
    if not unknown:
        raise DataError(
            "the source has no photos of unknown things: add a folder unknown/, rows with split "
            "unknown, classes with data.held_out, or drawn scenes with data.clutter"
        )
    temperature = fit_temperature(known.probabilities, known.class_indices)
    k = k or max(1, len(training.logits) // 1000)
    scorer = Scorer(training, temperature, k, density)
    known_scores = scorer(known)
    kinds = {
        kind: {
            "photos": len(features.logits),
            "scores": _measure_kind(known_scores, scorer(features)),
        }
        for kind, features in unknown.items()
    }
    return {
        "temperature": temperature,
        "k": k,
        "training_photos": len(training.logits),
        "known_photos": len(known.logits),
        "kinds": kinds,
    }


def _measure_kind(known: dict[str, Floats], unknown: dict[str, Floats]) -> dict[str, Any]:
    figures = {}
    for name, needs in SCORES.items():
        gain, interval = compare_areas(
            known[name], unknown[name], known[REFERENCE], unknown[REFERENCE]
        )
        figures[name] = {
            "needs": needs,
            **measure_separation(known[name], unknown[name]).to_json(),
            "auroc_gain": gain,
            "auroc_gain_interval_95": interval,
        }
    return figures


def describe_rejection(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yields the figures of `measure_rejection` as a Markdown table for each kind."""
    for kind, measured in figures["kinds"].items():
        yield (
            f"{kind}: {measured['photos']} photos against {figures['known_photos']} of known "
            "things (95 % intervals)"
        )
        yield ""
        yield "| score | needs | AUROC | FPR at 95 % TPR | AUROC gain on max_probability |"
        yield "| --- | --- | --- | --- | --- |"
        for name, row in measured["scores"].items():
            gain, (low, high) = row["auroc_gain"], row["auroc_gain_interval_95"]
            yield (
                f"| {name} | {row['needs']} | {_words(row, 'auroc')} | {_words(row, 'fpr')} | "
                f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) |"
            )
        yield ""


def _words(row: Mapping[str, Any], key: str) -> str:
    low, high = row[f"{key}_interval_95"]
    return f"{100 * row[key]:.1f} ({100 * low:.1f} to {100 * high:.1f})"
