"""A teacher sees the student's view, at its own size."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.checkpoint import load_checkpoint
from training.errors import CheckpointError, TrainingError
from training.learning.teacher import Teacher, resize
from training.networks.normalise import Normalise
from training.recipe import DistillSettings

CPU = torch.device("cpu")


def test_a_smaller_view_is_antialiased() -> None:
    stripes = torch.arange(64).remainder(2).float().expand(1, 3, 64, 64)
    # Without antialiasing every fourth line is taken, and all of these are alike.
    assert (resize(stripes, 16)[..., 2:-2] - 0.5).abs().max() < 0.05
    assert resize(stripes, 64) is stripes


def test_a_teacher_answers_like_its_checkpoint_and_without_gradients(
    trained_checkpoint: Path,
) -> None:
    checkpoint = load_checkpoint(trained_checkpoint)
    settings = DistillSettings(teacher=str(trained_checkpoint))
    teacher = Teacher(settings, checkpoint.labels, Normalise(), CPU)
    assert teacher.side_px == 64
    x_nchw = torch.randn(2, 3, 64, 64)
    answers = teacher.answer(x_nchw)
    assert not answers.requires_grad
    with torch.no_grad():
        assert torch.allclose(answers, checkpoint.model(x_nchw), atol=1e-5)
    assert teacher.answer(torch.randn(2, 3, 128, 128)).shape == answers.shape


def test_a_teacher_that_scales_pixels_in_another_way_or_is_missing_is_refused(
    trained_checkpoint: Path, tmp_path: Path
) -> None:
    labels = load_checkpoint(trained_checkpoint).labels
    settings = DistillSettings(teacher=str(trained_checkpoint))
    with pytest.raises(TrainingError, match="scales pixels"):
        Teacher(settings, labels, Normalise(mean=(0.5, 0.5, 0.5)), CPU)
    missing = replace(settings, teacher=str(tmp_path / "none"))
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        Teacher(missing, labels, Normalise(), CPU)
