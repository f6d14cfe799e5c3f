"""Which score tells known things from unknown ones: the tables of docs/unknown.md.

    python docs/studies/unknown.py CHECKPOINT [--data GROCERY] --out FOLDER

CHECKPOINT was trained with data.held_out. Each table stands against the validation photos of the
classes that it knows; intervals take photos for independent, but for those of `resample_classes`.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from training.checkpoint import Checkpoint, load_checkpoint
from training.cli import find_data
from training.config import DataSettings
from training.console import share_cores
from training.evaluation.features import Features, read_features
from training.evaluation.rejection import Scorer, describe_rejection, measure_rejection
from training.evaluation.separation import measure_separation
from training.evaluation.temperature import calibrate
from training.evaluation.unknown import Floats, NearestNeighbours, gen, max_probability
from training.photos import HELD_OUT, UNKNOWN, Photo, group_by_kind
from training.sources.data import open_source

SHOWN = (
    "known_score",
    "max_probability",
    "gen",
    "energy",
    "class_means",
    "nearest",
    "mahalanobis",
)
TRAINING_SPLIT = "held-out, training split"
SAMPLES = 10_000
NEIGHBOURS = (1, 2, 5, 10, 20, 50)


def compare_choices(
    training: Features, known: Features, unknown: dict[str, Features], temperature: float
) -> Iterator[tuple[str, list[float]]]:
    """Yields the AUROC of each kind for other choices of temperature, gamma, top and k."""

    def areas(score: Any) -> list[float]:
        return [measure_separation(score(known), score(kind)).auroc for kind in unknown.values()]

    for name, t in (
        ("as trained", 1.0),
        ("fitted", temperature),
        ("twice fitted", 2 * temperature),
    ):
        yield (
            f"max_probability, temperature {name}",
            areas(lambda f, t=t: max_probability(calibrate(f.probabilities, t))),
        )
        yield f"gen, temperature {name}", areas(lambda f, t=t: gen(calibrate(f.probabilities, t)))
    for gamma in (0.01, 0.5):
        yield (
            f"gen, gamma {gamma}",
            areas(lambda f, g=gamma: gen(calibrate(f.probabilities, temperature), g)),
        )
    for top in (5, 10):
        yield (
            f"gen, top {top}",
            areas(lambda f, m=top: gen(calibrate(f.probabilities, temperature), top=m)),
        )
    for k in NEIGHBOURS:
        nearest = NearestNeighbours(training.embeddings, k)
        yield f"nearest, k {k}", areas(lambda f, n=nearest: n(f.embeddings))


def resample_classes(
    known: Features, known_scores: Floats, parts: npt.NDArray[np.str_], scores: Floats
) -> tuple[float, float]:
    """Returns the 95 % interval of an AUROC over other choices of classes (bootstrap, seed 0).

    Photos of one class are alike, so that 40 photos of 7 classes prove less than 40 of 40.
    """
    wins = (known_scores[:, None] > scores) + 0.5 * (known_scores[:, None] == scores)
    rows = [known.class_indices == index for index in np.unique(known.class_indices)]
    columns = [parts == part for part in np.unique(parts)]
    sums = np.array([[wins[np.ix_(row, column)].sum() for column in columns] for row in rows])
    pairs = np.array([[row.sum() * column.sum() for column in columns] for row in rows])
    rng = np.random.default_rng(0)
    row_counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), SAMPLES)
    column_counts = rng.multinomial(len(columns), np.full(len(columns), 1 / len(columns)), SAMPLES)
    areas = [
        (row_counts @ values * column_counts).sum(axis=1) for values in (sums, pairs.astype(float))
    ]
    low, high = np.quantile(areas[0] / areas[1], (0.025, 0.975))
    return float(low), float(high)


def compare_parts(
    scorer: Scorer,
    known: Features,
    features: Features,
    photos: tuple[Photo, ...],
    checkpoint: Checkpoint,
) -> Iterator[tuple[str, int, list[float], str]]:
    """Yields each held-out class or scene: its photos, AUROC of each score, commonest answer."""
    known_scores = scorer(known)
    parts = np.array([_part_of(photo) for photo in photos])
    for part in sorted(set(parts)):
        chosen = features.select(parts == part)
        scores = scorer(chosen)
        areas = [measure_separation(known_scores[name], scores[name]).auroc for name in SHOWN]
        answers = np.bincount(chosen.logits.argmax(axis=1), minlength=len(checkpoint.labels))
        best = int(answers.argmax())
        answer = f"{checkpoint.labels.names[best]} ({answers[best]})"
        yield part, len(chosen.logits), areas, answer


def find_held_out_training(settings: DataSettings) -> tuple[Photo, ...]:
    """Returns the training photos of the held-out classes, under names of held-out photos."""
    whole = open_source(dataclasses.replace(settings, held_out=(), clutter=0))
    held = {whole.labels.index(name) for name in settings.held_out}
    return tuple(
        dataclasses.replace(photo, name=f"{HELD_OUT}/{photo.name}", class_index=UNKNOWN)
        for photo in whole.train
        if photo.class_index in held
    )


def _part_of(photo: Photo) -> str:
    folders = photo.name.split("/")
    return folders[-2] if folders[0] == HELD_OUT else folders[1]


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", default="", help="The photos; what it was trained with when not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(checkpoint: Path, data: str, out: Path) -> None:
    """Print the tables, and keep the figures of the first ones in OUT/unknown.json."""
    share_cores()
    loaded = load_checkpoint(checkpoint)
    settings = loaded.settings.data
    settings = find_data(data, settings) if data else settings
    source = open_source(settings)
    groups = group_by_kind(source.unknown)
    training = read_features(loaded, source.train, 0)
    known = read_features(loaded, source.validation, 0)
    groups[TRAINING_SPLIT] = find_held_out_training(settings)
    unknown = {kind: read_features(loaded, photos, 0) for kind, photos in groups.items()}
    figures = measure_rejection(training, known, unknown, loaded.density)
    out.mkdir(parents=True, exist_ok=True)
    (out / "unknown.json").write_text(json.dumps(figures, indent=2) + "\n")
    right = (known.logits.argmax(axis=1) == known.class_indices).mean()
    click.echo(f"top-1 of known things {100 * right:.1f} %, T {figures['temperature']:.3f}\n")
    for line in describe_rejection(figures):
        click.echo(line)
    click.echo(f"| choice | {' | '.join(unknown)} |\n| --- | {'---: | ' * len(unknown)}")
    for name, areas in compare_choices(training, known, unknown, figures["temperature"]):
        click.echo(f"| {name} | {' | '.join(f'{100 * area:.1f}' for area in areas)} |")
    scorer = Scorer(training, figures["temperature"], figures["k"], loaded.density)
    parts = np.array([_part_of(photo) for photo in groups[HELD_OUT]])
    known_scores, scores = scorer(known), scorer(unknown[HELD_OUT])
    click.echo("\nheld-out, AUROC with intervals over other choices of classes:")
    for name in SHOWN:
        low, high = resample_classes(known, known_scores[name], parts, scores[name])
        click.echo(f"{name}: {100 * low:.0f} to {100 * high:.0f}")
    for kind, features in unknown.items():
        click.echo(f"\n| {kind} | photos | {' | '.join(SHOWN)} | commonest answer |")
        click.echo(f"| --- | ---: | {'---: | ' * len(SHOWN)}--- |")
        rows = compare_parts(scorer, known, features, groups[kind], loaded)
        for part, photos, areas, answer in rows:
            words = " | ".join(f"{100 * area:.0f}" for area in areas)
            click.echo(f"| {part} | {photos} | {words} | {answer} |")


if __name__ == "__main__":
    main()
