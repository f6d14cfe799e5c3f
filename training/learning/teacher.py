"""A trained network that another one learns from."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training.checkpoint import load_checkpoint
from training.errors import TrainingError
from training.labels import LabelSet
from training.networks.normalise import Normalise
from training.recipe import DistillSettings


class Teacher:
    """Answers on the same views that the student sees, at a size of its own.

    Args:
        settings: table [distill], which names a checkpoint.
        labels: the student's.
        normalise: the student's scaling of pixels.
        device: where to compute.

    Attributes:
        side_px: side of the photos that it sees, in pixels.
        name: its architecture and that side, in words.
        sha256: of its checkpoint.

    Raises:
        CheckpointError: the checkpoint is missing or was changed.
        TrainingError: the teacher has other labels, or scales pixels in another way.
    """

    def __init__(
        self,
        settings: DistillSettings,
        labels: LabelSet,
        normalise: Normalise,
        device: torch.device,
    ) -> None:
        checkpoint = load_checkpoint(Path(settings.teacher).expanduser())
        if checkpoint.labels != labels:
            changes = labels.describe_changes(checkpoint.labels)
            raise TrainingError(
                f"distill.teacher {settings.teacher} has other classes than these photos: {changes}"
            )
        if checkpoint.normalise != normalise:
            raise TrainingError(
                f"distill.teacher {settings.teacher} scales pixels by {checkpoint.normalise}, "
                f"this network by {normalise}: they must be the same"
            )
        self.side_px = settings.teacher_px or checkpoint.settings.model.input_px
        self.name = f"{checkpoint.architecture} at {self.side_px} pixels"
        self.sha256 = checkpoint.sha256
        self._model = checkpoint.model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.no_grad()
    def answer(self, x_nchw: Tensor) -> Tensor:
        """Returns logits, shape [N, classes], for normalised photos of any side."""
        logits: Tensor = self._model(resize(x_nchw, self.side_px))
        return logits.float()


def resize(x_nchw: Tensor, side_px: int) -> Tensor:
    """Returns photos at another side, antialiased where they shrink, and as they are where equal.

    Args:
        x_nchw: float32, shape [N, C, H, W], H equal to W.
        side_px: the wanted side, in pixels.
    """
    if x_nchw.shape[-1] == side_px:
        return x_nchw
    size = (side_px, side_px)
    return F.interpolate(x_nchw, size, mode="bilinear", antialias=True, align_corners=False)
