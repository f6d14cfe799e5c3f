"""What the check lets pass with a note must train: a class with one photo, any alphabet."""

from pathlib import Path

from tests.conftest import run_command
from tests.training.sources.test_data import put
from training.checkpoint import load_checkpoint

CHINESE, ARABIC = "\u82f9\u679c", "\u062a\u0641\u0627\u062d"
SETTINGS = (
    "model.architecture=ghostnet_050",
    "model.input_px=32",
    "train.epochs=1",
    "train.batch_size=4",
    "train.warmup_epochs=0",
    "train.workers=0",
    "train.threads=1",
)


def test_a_class_with_one_photo_and_labels_of_any_alphabet_train(tmp_path: Path) -> None:
    shop = put(tmp_path / "shop", f"train/{CHINESE}/only.png", f"val/{ARABIC}/1.png")
    put(shop, *(f"train/{name}/{n}.png" for name in (ARABIC, "fig") for n in (2, 3)))
    chosen = [part for setting in SETTINGS for part in ("--set", setting)]
    out = tmp_path / "run"
    done = run_command("training", "fit", "--data", shop, *chosen, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"one training photo, which is little to learn from: {CHINESE}" in done.stderr
    assert "nothing is measured for them" in done.stderr
    checkpoint = load_checkpoint(out)
    assert checkpoint.labels.names == ("fig", ARABIC, CHINESE)
    measured = {row["label"]: row["photos"] for row in checkpoint.metrics["per_class"]}
    assert measured == {"fig": 0, ARABIC: 1, CHINESE: 0}
