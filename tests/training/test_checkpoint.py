"""Checkpoints: what was saved comes back, and what was changed or does not fit is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from training.checkpoint import DENSITY_NAME, load_checkpoint, load_weights
from training.errors import CheckpointError
from training.files import write_sums
from training.networks.ghostnet import GhostNet
from training.sources.data import open_source
from training.sources.synthetic import HIERARCHY


@pytest.fixture
def copy(trained_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_checkpoint, tmp_path / "checkpoint"))


def rewrite_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    write_sums(
        folder, [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    )


def test_answers_as_it_was_measured(trained_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(trained_checkpoint)
    photos = open_source(checkpoint.settings.data).validation
    x_nhwc = np.stack([checkpoint.preprocess.read(photo.read()) for photo in photos])
    answers = checkpoint.answer(x_nhwc)
    probabilities = answers.probabilities
    assert probabilities.dtype == answers.known_scores.dtype == np.float32
    assert len(answers) == len(photos)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    right = probabilities.argmax(axis=1) == [photo.class_index for photo in photos]
    assert right.mean() == checkpoint.metrics["top1"]
    assert checkpoint.metrics["top1"] > 4 / len(checkpoint.labels)  # four times chance


def test_config_has_the_keys_of_timm_and_the_hub(trained_checkpoint: Path) -> None:
    config = json.loads((trained_checkpoint / "config.json").read_text())
    assert config["architecture"] == "ghostnet_050"
    assert config["num_classes"] == len(config["label_names"])
    assert config["pretrained_cfg"]["input_size"] == [3, 64, 64]
    assert {"mean", "std", "interpolation", "crop_pct"} <= set(config["pretrained_cfg"])


def test_holds_card_metrics_settings_events_and_pictures(trained_checkpoint: Path) -> None:
    card = (trained_checkpoint / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ghostlens\n")
    assert "95 % interval" in card
    for name in ("metrics.json", "training.toml", "learning_curve.png", "confusion.png"):
        assert (trained_checkpoint / name).stat().st_size > 0
    assert list((trained_checkpoint / "events").glob("events.out.tfevents.*"))
    assert not (trained_checkpoint / "training_state.pt").exists()


@pytest.mark.parametrize(
    "name", ["model.safetensors", DENSITY_NAME, "config.json", "training.toml"]
)
def test_a_changed_file_is_named(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"{name} was changed"):
        load_checkpoint(copy)


def test_a_missing_or_unfinished_checkpoint_is_named(copy: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(copy / "nowhere")
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(CheckpointError, match="not complete"):
        load_checkpoint(copy)


def test_other_classes_than_the_weights_have_are_refused(copy: Path) -> None:
    rewrite_config(copy, label_names=["one", "two", "three"], num_classes=3, hierarchy=None)
    with pytest.raises(CheckpointError, match=r"other shape \(2\): classifier.bias"):
        load_checkpoint(copy)


@pytest.mark.parametrize("names", [[], ["one"], ["one", "one"], None, 7])
def test_labels_that_are_not_allowed_are_refused(copy: Path, names: object) -> None:
    rewrite_config(copy, label_names=names)
    with pytest.raises(CheckpointError, match="checkpoint"):
        load_checkpoint(copy)


def test_the_coarse_classes_of_the_source_come_back(copy: Path) -> None:
    assert load_checkpoint(copy).hierarchy == HIERARCHY
    rewrite_config(copy, hierarchy={"coarse": ["one", "two"], "parents": [0, 1]})
    with pytest.raises(CheckpointError, match="each of the 16 labels"):
        load_checkpoint(copy)


def test_an_older_checkpoint_has_no_coarse_classes(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    del config["hierarchy"]
    (copy / "config.json").write_text(json.dumps(config))
    rewrite_config(copy)
    assert load_checkpoint(copy).hierarchy is None


def test_the_known_score_of_training_photos_is_higher_than_of_noise(
    trained_checkpoint: Path,
) -> None:
    checkpoint = load_checkpoint(trained_checkpoint)
    photos = open_source(checkpoint.settings.data).validation
    x_nhwc = np.stack([checkpoint.preprocess.read(photo.read()) for photo in photos[::8]])
    noise = np.random.default_rng(0).integers(0, 256, x_nhwc.shape, np.uint8)
    known, unknown = (checkpoint.answer(pixels).known_scores for pixels in (x_nhwc, noise))
    assert np.median(known) > np.quantile(unknown, 0.95)


def test_a_checkpoint_of_before_the_known_score_is_told_to_train_again(copy: Path) -> None:
    (copy / DENSITY_NAME).unlink()
    sums = (copy / "SHA256SUMS").read_text().splitlines()
    write_sums(copy, [line.split("  ")[1] for line in sums if DENSITY_NAME not in line])
    with pytest.raises(CheckpointError, match=r"before .* known score\. Train it again"):
        load_checkpoint(copy)


@pytest.mark.parametrize("change", ["no mean", "other features", "not finite"])
def test_a_density_that_does_not_fit_is_refused(copy: Path, change: str) -> None:
    arrays = load_file(copy / DENSITY_NAME)
    if change == "no mean":
        del arrays["mean"]
    elif change == "other features":
        arrays |= {name: arrays[name][..., :-1].copy() for name in ("mean", "directions")}
    else:
        arrays["precision"][0] = np.inf
    save_file(arrays, copy / DENSITY_NAME)
    rewrite_config(copy)
    with pytest.raises(CheckpointError, match=r"checkpoint|features"):
        load_checkpoint(copy)


def test_a_checkpoint_without_a_teacher_says_so(copy: Path) -> None:
    assert json.loads((copy / "config.json").read_text())["teacher_sha256"] is None
    assert load_checkpoint(copy).teacher_sha256 is None
    rewrite_config(copy, teacher_sha256="ab" * 32)
    assert load_checkpoint(copy).teacher_sha256 == "ab" * 32


def test_weights_that_do_not_fit_are_named() -> None:
    model = GhostNet(3, 0.5)
    weights = dict(model.state_dict())
    del weights["conv_stem.weight"]
    weights["surplus"] = torch.zeros(1)
    weights["classifier.bias"] = torch.zeros(4)
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, weights, "file")
    assert "missing (1): conv_stem.weight" in str(caught.value)
    assert "unknown (1): surplus" in str(caught.value)
    assert "classifier.bias: (4,) in the file, (3,) here" in str(caught.value)
