"""`python -m training evaluate`: leakage first, then figures, on any source."""

import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageOps

from tests.conftest import run_command
from training.checkpoint import load_checkpoint
from training.cli import main
from training.config import DataSettings
from training.evaluation.photo_hash import HASHES_NAME, PhotoHashes
from training.evaluation.seen import check_judged
from training.files import write_sums
from training.preprocess import decode_photo
from training.sources.data import open_source

pytestmark = pytest.mark.slow


def save_photo(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def run_here(*arguments: str | Path) -> Result:
    """Runs the command in this process: importing torch takes longer than evaluating."""
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--workers", "0"])


def mirror(data: bytes) -> bytes:
    buffer = io.BytesIO()
    ImageOps.mirror(decode_photo(data)).resize((200, 200)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photos(trained_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """New photos of two classes and of one that is unknown, and one training photo, mirrored."""
    folder = tmp_path_factory.mktemp("photos")
    source = open_source(DataSettings(seed=77, train_per_class=1, validation_per_class=3))
    for photo in source.validation:
        label = source.labels.names[photo.class_index]
        if label in ("apple", "can"):
            save_photo(folder / label / f"{photo.name.replace('/', '-')}.jpg", photo.read())
    Image.new("RGB", (64, 64), "gold").save(folder / "apple" / "gold.png")
    (folder / "ball").mkdir()
    (folder / "apple" / "gold.png").rename(folder / "ball" / "gold.png")
    trained = open_source(load_checkpoint(trained_checkpoint).settings.data).train[0]
    save_photo(folder / "apple" / "copy.jpg", mirror(trained.read()))
    return folder


def test_a_checkpoint_holds_the_figures_and_hashes_of_its_run(trained_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(trained_checkpoint)
    hashes = PhotoHashes.from_bytes((trained_checkpoint / HASHES_NAME).read_bytes(), HASHES_NAME)
    source = open_source(checkpoint.settings.data)
    assert hashes.names == tuple(photo.name for photo in source.train)
    assert checkpoint.metrics["leakage"]["checked"] is True
    assert checkpoint.metrics["leakage"]["photos"] == len(source.validation)
    sums = (trained_checkpoint / "SHA256SUMS").read_text()
    for name in (HASHES_NAME, "reliability.png", "risk_coverage.png", "worst_classes.jpg"):
        assert name in sums
    card = (trained_checkpoint / "README.md").read_text()
    assert f"top-1 | {100 * checkpoint.metrics['top1']:.1f} %" in card
    assert "coarse class" in card


def test_evaluating_a_runs_own_photos_gives_the_runs_own_figures(
    trained_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    done = run_here(trained_checkpoint, "--out", out)
    assert done.exit_code == 0, done.stderr
    figures, metrics = json.loads(out.read_text()), load_checkpoint(trained_checkpoint).metrics
    for key in ("top1", "top5", "coarse_top1", "mean_class_accuracy", "leakage", "confidence"):
        assert figures[key] == metrics[key], key
    assert figures["selective"]["thresholds_chosen_on_these_photos"] is True
    assert "on other photos, by cross-fitting" in done.stdout
    leakage, first = (done.stdout.index(word) for word in ("leakage: none", "top-1:"))
    assert leakage < first


def test_a_folder_of_ones_own_with_a_training_photo_in_it(
    trained_checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    options = ("--data", photos, "--workers", "0", "--pictures", tmp_path / "p")
    out = tmp_path / "figures.json"
    done = run_command("training", "evaluate", trained_checkpoint, *options, "--out", out)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["photos"] == 7
    assert figures["without_seen"]["photos"] == 6
    (pair,) = figures["leakage"]["pairs"]
    assert pair["evaluated"] == "apple/copy.jpg"
    assert pair["mirrored"] is True
    assert "apple/copy.jpg looks like the training photo" in done.stdout
    assert "their photos count as unknown things: ball" in done.stdout
    assert figures["unknown"]["other-class"]["photos"] == 1
    assert figures["selective"]["thresholds_chosen_on_these_photos"] is False
    assert (tmp_path / "p" / "rejection.png").is_file()


def test_strict_gives_no_figures_where_a_photo_was_seen(
    trained_checkpoint: Path, photos: Path
) -> None:
    done = run_here(trained_checkpoint, "--data", photos, "--strict")
    assert done.exit_code == 1
    assert "no figures are given" in done.stderr
    assert "apple/copy.jpg looks like" in done.stderr
    assert "top-1" not in done.stdout


def test_the_test_list_of_the_grocery_layout(
    trained_checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (photos / "can").iterdir())
    for name in names:
        save_photo(
            tmp_path / "dataset" / "test" / "can" / name, (photos / "can" / name).read_bytes()
        )
    columns = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)"
    (tmp_path / "dataset" / "classes.csv").write_text(f"{columns}\nFig,0,Fruit,0\ncan,1,Tin,1\n")
    lines = "".join(f"test/can/{name}, 1, 1\n" for name in names)
    (tmp_path / "dataset" / "test.txt").write_text(lines)
    done = run_here(trained_checkpoint, "--data", tmp_path, "--split", "test")
    assert done.exit_code == 0, done.stderr
    assert "grocery, split test: 3 photos" in done.stdout
    assert "leakage: none of 3 photos" in done.stdout


def test_without_stored_hashes_the_training_photos_are_hashed_or_the_check_says_why_not(
    trained_checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "checkpoint"
    shutil.copytree(trained_checkpoint, copy)
    (copy / HASHES_NAME).unlink()
    write_sums(copy)
    source = open_source(DataSettings(train_per_class=1, validation_per_class=1))
    found, entry = check_judged(source.train[:2], copy, DataSettings(train_per_class=1), 1)
    assert found is not None
    assert entry["seen_in_training"] == 2
    gone = DataSettings(source="folder", path=str(tmp_path / "gone"))
    found, entry = check_judged(source.train[:2], copy, gone, 1)
    assert found is None
    assert entry["checked"] is False
    assert "not at hand: no folder at" in entry["why"]
