"""How the known score was chosen: the tables of ADR 8, and of verdicts in docs/unknown.md.

    python docs/studies/known_score.py CHECKPOINT [--data GROCERY]

CHECKPOINT was trained with data.clutter. Densities are fitted here on plain photos, where a run
fits on the smaller copies that it holds.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np

from training.answers import Answers
from training.checkpoint import load_checkpoint
from training.cli import find_data
from training.console import share_cores
from training.evaluation.confidence import fit_confidence
from training.evaluation.decisions import Share
from training.evaluation.features import Features, read_features
from training.evaluation.separation import measure_separation
from training.evaluation.unknown import SCORES, ClassMeans, Floats, Mahalanobis
from training.feature_density import FeatureDensity, fit_feature_density
from training.photos import group_by_kind
from training.sources.data import open_source

RANKS = (16, 32, 64, 128, 1279)
SHRINKAGES = (0.01, 0.3)
PHOTOS = (2000, 1000, 500, 200)


def make_choices(training: Features) -> Iterator[tuple[str, Callable[[Floats], Floats]]]:
    """Yields every choice by name: from features, shape [N, 1280], to scores, shape [N]."""
    features = training.embeddings
    yield "class means", ClassMeans(features, training.class_indices)
    yield "mahalanobis", Mahalanobis(features, training.class_indices)
    for rank in RANKS:
        yield f"{rank} axes", fit_feature_density(features, rank)
    for shrinkage in SHRINKAGES:
        yield f"shrinkage {shrinkage}", fit_feature_density(features, shrinkage=shrinkage)
    order = np.random.default_rng(0).permutation(len(features))
    for count in PHOTOS:
        if count < len(order):
            yield f"{count} photos", fit_feature_density(features[order[:count]])
    yield "in float16", partial(score_in_float16, fit_feature_density(features))


def score_in_float16(density: FeatureDensity, embeddings: Floats) -> Floats:
    """Returns the scores as an artifact would give them whose every op rounds to float16."""

    def rounded(values: Floats) -> Floats:
        return np.asarray(values).astype(np.float16).astype(np.float64)

    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    away = rounded(rounded(embeddings / lengths) - rounded(density.mean))
    along = rounded(away @ rounded(density.directions).T)
    near, far = (rounded(rounded(part**2).sum(axis=1)) for part in (along, away))
    return rounded(near - rounded(rounded(np.array(density.precision)) * far))


def answer(features: Features, density: FeatureDensity) -> Answers:
    """Returns the answers that a network with this density gives."""
    scores = density(features.embeddings).astype(np.float32)
    return Answers(features.probabilities.astype(np.float32), scores)


def words(share: Share) -> str:
    """Returns a share with its interval."""
    low, high = share.interval_95
    return f"{100 * (share.value or 0):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", default="", help="The photos; what it was trained with when not given.")
def main(checkpoint: Path, data: str) -> None:
    """Print AUROC and FPR of every choice, and what verdicts come to with the checkpoint's own."""
    share_cores()
    loaded = load_checkpoint(checkpoint)
    settings = loaded.settings.data
    source = open_source(find_data(data, settings) if data else settings)
    training, known = (read_features(loaded, part, 0) for part in (source.train, source.validation))
    photos, target = group_by_kind(source.unknown), loaded.settings.train.target_precision
    kinds = {kind: read_features(loaded, those, 0) for kind, those in photos.items()}
    for name, choice in make_choices(training):
        mine = choice(known.embeddings)
        for kind, features in kinds.items():
            found = measure_separation(mine, choice(features.embeddings))
            low, high = found.auroc_interval_95
            print(
                f"{kind}, {name}: AUROC {100 * found.auroc:.1f} ({100 * low:.1f} to "
                f"{100 * high:.1f}), FPR {100 * found.fpr:.1f}"
            )
    for kind, features in kinds.items():
        for score in SCORES:
            confidence = fit_confidence(
                answer(known, loaded.density),
                known.class_indices,
                target,
                unknown={kind: answer(features, loaded.density)},
                score=score,
            )
            reached = confidence.known.cross_fitted or confidence.known
            print(
                f"{kind}, verdict by {score} for {target:g}: kept {words(reached.kept)}, "
                f"called unknown {words(reached.rejected[kind])}"
            )


if __name__ == "__main__":
    main()
