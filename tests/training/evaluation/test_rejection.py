"""Measuring rejection: with made-up features, and through the command with a trained network."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import run_command, run_here
from training.errors import DataError
from training.evaluation.features import Features
from training.evaluation.rejection import SCORES, describe_rejection, measure_rejection
from training.feature_density import fit_feature_density
from training.photos import UNKNOWN, Photo, group_by_kind
from training.sources.clutter import draw_clutter

DIRECTIONS = np.eye(4, 8, dtype=np.float32)


def make_features(truth: np.ndarray, strength: float, seed: int) -> Features:
    """Features along the direction of each photo's class, and logits that follow from them."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.1, (len(truth), 8))
    embeddings = (strength * DIRECTIONS[truth] + noise).astype(np.float32)
    return Features(8 * embeddings[:, :4], embeddings, truth)


TRUTH = np.arange(60) % 4
TRAINING, KNOWN = make_features(TRUTH, 1, 0), make_features(TRUTH, 1, 1)
DENSITY = fit_feature_density(TRAINING.embeddings)


def test_every_score_tells_noise_from_known_things() -> None:
    noise = make_features(TRUTH, 0, 2)
    figures = measure_rejection(TRAINING, KNOWN, {"noise": noise, "same": KNOWN}, DENSITY, k=3)
    assert (figures["k"], figures["known_photos"]) == (3, 60)
    for name in SCORES:
        row = figures["kinds"]["noise"]["scores"][name]
        assert row["auroc"] > 0.9, name
        assert row["auroc_interval_95"][0] <= row["auroc"] <= row["auroc_interval_95"][1]
        assert figures["kinds"]["same"]["scores"][name]["auroc"] == pytest.approx(0.5), name
    assert figures["kinds"]["noise"]["scores"]["max_probability"]["auroc_gain"] == 0
    json.dumps(figures)


def test_the_table_names_every_score_and_kind() -> None:
    figures = measure_rejection(TRAINING, KNOWN, {"noise": make_features(TRUTH, 0, 2)}, DENSITY)
    text = "\n".join(describe_rejection(figures))
    assert text.startswith("noise: 60 photos against 60 of known things")
    assert all(f"| {name} |" in text for name in SCORES)


def test_without_unknown_things_it_says_how_to_have_some() -> None:
    with pytest.raises(DataError, match=r"add a folder unknown/.*data\.held_out.*data\.clutter"):
        measure_rejection(TRAINING, KNOWN, {}, DENSITY)


def test_photos_are_grouped_by_kind() -> None:
    own = Photo("unknown/a.jpg", UNKNOWN, bytes)
    held = Photo("held-out/val/b.jpg", UNKNOWN, bytes)
    clutter = draw_clutter(0, 2)
    grouped = group_by_kind([own, *clutter, held])
    assert grouped == {"clutter": clutter, "held-out": (held,), "unknown": (own,)}


def test_some_photos_can_be_chosen_and_probabilities_sum_to_one() -> None:
    chosen = KNOWN.select(TRUTH == 2)
    assert chosen.class_indices.tolist() == [2] * 15
    assert chosen.probabilities.sum(axis=1) == pytest.approx(1)
    assert (chosen.probabilities.argmax(axis=1) == 2).all()


def test_the_command_measures_a_checkpoint_on_clutter(
    trained_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "unknown.json"
    clutter = ("--set", "data.clutter=22", "--set", "data.train_per_class=4")
    done = run_command(
        "training", "unknown", trained_checkpoint, *clutter, "--workers", "0", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "| gen | probabilities |" in done.stdout
    assert "| known_score | known score |" in done.stdout
    figures = json.loads(out.read_text())
    assert figures["kinds"]["clutter"]["photos"] == 22
    assert figures["kinds"]["clutter"]["scores"]["gen"]["auroc"] > 0.6
    assert figures["kinds"]["clutter"]["scores"]["known_score"]["auroc"] > 0.6


def test_the_command_refuses_other_classes(trained_checkpoint: Path) -> None:
    held_out = ("--set", 'data.held_out=["lime"]', "--set", "data.train_per_class=1")
    done = run_here("training", "unknown", trained_checkpoint, *held_out)
    assert done.returncode == 1
    assert "trained without with --set data.held_out" in done.stderr
