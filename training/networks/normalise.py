"""Scaling of pixels to what the network was trained on: the inside of every deployed model."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Mean and deviation of ImageNet's RGB values on the 0-1 scale, as every published GhostNet uses.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Normalise:
    """Turns raw RGB pixels into network input.

    Attributes:
        mean: subtracted from each channel on the 0-1 scale.
        std: divides each channel afterwards.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __call__(self, x_nhwc: Tensor) -> Tensor:
        """Maps pixels to normalised values.

        Args:
            x_nhwc: RGB 0 to 255, uint8 or float32, shape [N, H, W, 3].

        Returns:
            `x_nchw`: float32, shape [N, 3, H, W], in channels-last memory order.
        """
        mean = torch.tensor(self.mean, device=x_nhwc.device)
        std = torch.tensor(self.std, device=x_nhwc.device)
        return ((x_nhwc.float() / 255.0 - mean) / std).permute(0, 3, 1, 2)
