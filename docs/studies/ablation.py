"""Trains one network a row of `ablation.toml`, and prints what each row changes.

    python docs/studies/ablation.py --data GROCERY --trunk WEIGHTS --teacher CHECKPOINT --out OUT

Rows that are trained already are not trained again. Differences are between answers to the same
validation photos: their 95 % intervals come from 10,000 bootstrap samples of the photos (seed 0),
and do not include how much another seed of the training changes, which the row "seed-1" shows.
"""

import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from training.checkpoint import load_checkpoint
from training.console import share_cores
from training.evaluation.metrics import wilson_interval
from training.evaluation.selective import risk_coverage
from training.files import SUMS_NAME
from training.preprocess import Preprocess
from training.sources.data import open_source

SAMPLES = 10_000


@dataclass(frozen=True)
class Answers:
    """What one row's network says of the validation photos.

    Attributes:
        right: bool [N], whether the fine class is right.
        coarse_right: bool [N], whether the coarse class is.
        loss: float64 [N], cross-entropy in nats.
        risk: area under the risk-coverage curve, 0 to 1: errors among the surest answers,
            averaged over all coverages (Geifman et al., arXiv 1805.08206).
        minutes: time of the training; 0 where none was needed.
    """

    right: npt.NDArray[np.bool_]
    coarse_right: npt.NDArray[np.bool_]
    loss: npt.NDArray[np.float64]
    risk: float
    minutes: float


def train(settings: list[str], data: Path, out: Path) -> None:
    """Trains a network unless its checkpoint is there; the log lies beside it."""
    if (out / SUMS_NAME).exists():
        return
    chosen = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "training", "fit", "--data", str(data), *chosen]
    out.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with out.with_suffix(".log").open("w") as log:
        subprocess.run([*command, "--out", str(out)], stdout=log, stderr=log, check=True)
    out.with_suffix(".minutes").write_text(f"{(time.monotonic() - start) / 60:.2f}")


def answer(checkpoint_dir: Path, test_px: int) -> Answers:
    """Returns the answers of a checkpoint; `test_px` 0 stands for its own input size."""
    checkpoint = load_checkpoint(checkpoint_dir)
    preprocess, model = checkpoint.preprocess, checkpoint.settings.model
    if test_px:
        preprocess = Preprocess.for_input(test_px, model.crop_pct, model.resampler)
    source = open_source(checkpoint.settings.data)
    x_nhwc = np.stack([preprocess.read(photo.read()) for photo in source.validation])
    truth = np.array([photo.class_index for photo in source.validation])
    probabilities = checkpoint.answer(x_nhwc).probabilities
    right = probabilities.argmax(axis=1) == truth
    coarse_right = right
    if source.hierarchy is not None:
        parents = np.array(source.hierarchy.parents)
        coarse_right = source.hierarchy.sum_coarse(probabilities).argmax(axis=1) == parents[truth]
    risks = risk_coverage(probabilities.max(axis=1).astype(np.float64), right)[1]
    loss = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12, dtype=np.float64))
    minutes = checkpoint_dir.with_suffix(".minutes")
    return Answers(
        right,
        coarse_right,
        loss,
        float(risks.mean()),
        float(minutes.read_text()) if minutes.exists() and not test_px else 0.0,
    )


def describe(words: str, own: Answers, base: Answers) -> str:
    """Returns a row of the table in Markdown."""
    photos = len(own.right)
    low, high = wilson_interval(int(own.right.sum()), photos)
    line = f"| {words} | {100 * own.right.mean():.1f} ({100 * low:.1f} to {100 * high:.1f}) | "
    if own is not base:
        chosen = np.random.default_rng(0).integers(photos, size=(SAMPLES, photos))
        gains = 100 * (own.right.astype(float) - base.right)[chosen].mean(axis=1)
        low, high = np.quantile(gains, [0.025, 0.975])
        line += f"{gains.mean():+.1f} ({low:+.1f} to {high:+.1f})"
    minutes = f"{own.minutes:.1f}" if own.minutes else ""
    return (
        f"{line} | {100 * own.coarse_right.mean():.1f} | {own.loss.mean():.2f} | "
        f"{own.risk:.3f} | {minutes} |"
    )


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path))
@click.option("--trunk", required=True, help="Weights that the fine-tuning rows start from.")
@click.option("--teacher", required=True, help="Checkpoint that the distilled row learns from.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--row", "rows", multiple=True, help="Only these rows; the first is compared with.")
def main(data: Path, trunk: str, teacher: str, out: Path, rows: tuple[str, ...]) -> None:
    """Train what is missing, and print the table."""
    share_cores()
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    words = {"TRUNK": trunk, "TEACHER": teacher}
    click.echo(
        f"{table['words']}\n\n| one change | top-1, % (95 % interval) | against the first row, "
        "points | coarse top-1, % | loss, nats | AURC | minutes |\n"
        "| --- | --- | --- | ---: | ---: | ---: | ---: |"
    )
    base = None
    for row in table["rows"]:
        if rows and row["name"] not in rows:
            continue
        settings = [_fill(setting, words) for setting in (*table["set"], *row.get("set", ()))]
        folder = out / row.get("of", row["name"])
        train(settings, data, folder)
        own = answer(folder, row.get("test_px", 0))
        base = base or own
        click.echo(describe(row["words"], own, base))


def _fill(setting: str, replaced: dict[str, str]) -> str:
    for word, value in replaced.items():
        setting = setting.replace(f"={word}", f"={value}")
    return setting


if __name__ == "__main__":
    main()
