"""From staff who correct an answer to a network that knows better."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFilter

from serving.app import create_app
from serving.cli import main
from serving.settings import Settings
from tests.serving.conftest import bundles, key_folder, published
from tests.serving.corrections.conftest import say, send

__all__ = ["bundles", "key_folder", "published"]
SETTINGS = (
    "model.architecture=ghostnet_050",
    "model.input_px=32",
    "train.epochs=8",
    "train.batch_size=16",
    "train.learning_rate=4e-3",
    "train.warmup_epochs=1",
    "train.ema_decay=0.9",
    "train.policy=none",
    "train.workers=0",
    "train.threads=1",
)
COLOURS = {"red": (210, 40, 40), "green": (50, 170, 60), "blue": (50, 70, 200)}
# A red one that is not red: what the shop sells, and the photos for training did not show.
YELLOW = (225, 200, 60)


def draw_item(colour: tuple[int, int, int], seed: int) -> bytes:
    """Draws a round thing on a surface; place, size, light and surface differ."""
    random = np.random.default_rng(seed)
    grey = int(random.integers(90, 170))
    image = Image.new("RGB", (96, 96), (grey, grey, grey))
    left, top = random.integers(4, 36, 2)
    side = int(random.integers(40, 56))
    shade = random.uniform(0.8, 1.1)
    fill = tuple(int(min(255, value * shade)) for value in colour)
    ImageDraw.Draw(image).ellipse((left, top, left + side, top + side), fill=fill)
    noise = random.normal(0, 6, (96, 96, 3))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1))) + noise
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def write_photos(folder: Path, colour: tuple[int, int, int], seeds: range) -> None:
    folder.mkdir(parents=True)
    for seed in seeds:
        (folder / f"{seed}.jpg").write_bytes(draw_item(colour, seed))


def measure(checkpoint: Path, photos: Path) -> float:
    """Returns the share of photos whose first answer is right."""
    from training.checkpoint import load_checkpoint
    from training.cli import find_data
    from training.evaluation.judged import open_judged
    from training.evaluation.judging import judge_checkpoint

    loaded = load_checkpoint(checkpoint)
    judged = open_judged(find_data(str(photos), loaded.settings.data), "validation", loaded.labels)
    return float(judge_checkpoint(loaded, judged, workers=0)["top1"])


def read_top1(checkpoint: Path) -> float:
    """Returns what a run measured on its own validation photos."""
    return float(json.loads((checkpoint / "metrics.json").read_text())["top1"])


def train(out: Path, *data: Path) -> None:
    from training.cli import main as training

    chosen = [part for setting in SETTINGS for part in ("--set", setting)]
    named = [part for path in data for part in ("--data", str(path))]
    done = CliRunner().invoke(training, ["fit", *named, *chosen, "--out", str(out)])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_network_that_is_trained_on_corrections_knows_better(
    published: Path, tmp_path: Path
) -> None:
    base, unseen = tmp_path / "photos", tmp_path / "unseen"
    for number, (label, colour) in enumerate(COLOURS.items()):
        write_photos(base / "train" / label, colour, range(100 * number, 100 * number + 24))
        write_photos(base / "val" / label, colour, range(100 * number + 50, 100 * number + 56))
    write_photos(unseen / "red", YELLOW, range(1000, 1020))
    train(tmp_path / "before", base)

    settings = Settings(published, state=tmp_path / "state", keep_photos=1)
    app = create_app(settings).test_client()
    ids = []
    for seed in range(2000, 2012):
        said = say("red", device=f"till-{seed % 3}")
        assert send(app, said, draw_item(YELLOW, seed)).json["photo"]["kept"]
        ids.append(said["correction_id"])
    place = ["--repository", str(published), "--state", str(settings.state)]
    exported = tmp_path / "corrections"
    for command in (["accept", *ids], ["export", "colours", "--out", str(exported)]):
        done = CliRunner().invoke(main, ["corrections", *command, *place])
        assert done.exit_code == 0, done.output
    train(tmp_path / "after", base, exported)

    before, after = (measure(tmp_path / name, unseen) for name in ("before", "after"))
    print(
        f"of 20 unseen photos of the corrected kind: {before:.0%} right before, {after:.0%} after"
    )
    assert before <= 0.5
    assert after >= 0.9
    assert measure(tmp_path / "after", base) >= measure(tmp_path / "before", base) - 0.1
