"""Mixup and CutMix: each photo of a batch is mixed with its neighbour, and its target with it."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def mix(
    x_nchw: Tensor,
    truth: Tensor,
    classes: int,
    generator: torch.Generator,
    mixup: float,
    cutmix: float,
) -> tuple[Tensor, Tensor]:
    """Mixes the photos of a batch in pairs: 0 with 1, 2 with 3, and so on.

    The order of a batch is random already, so neighbours are a random choice; and processes that
    share a batch in even slices form the same pairs as one process would. The last photo of an odd
    batch stays as it is. All pairs of a batch share one ratio (and one rectangle), as in the
    authors' code.

    Args:
        x_nchw: photos, floating point, shape [N, C, H, W].
        truth: class indices, int64, shape [N].
        classes: number of classes.
        generator: on the CPU; where it stands decides everything random.
        mixup: alpha of Mixup's Beta distribution (arXiv 1710.09412); 0 for none.
        cutmix: alpha of CutMix's Beta distribution (arXiv 1905.04899); 0 for none. With both,
            each batch takes one of the two, either with probability one half.

    Returns:
        The mixed photos, in the memory format of `x_nchw`, and their targets, float32, shape
        [N, classes], each row with sum 1. With both alphas 0 the photos are returned as they are.
    """
    targets = functional.one_hot(truth, classes).float()
    if mixup == 0 and cutmix == 0:
        return x_nchw, targets
    # numpy's, because torch samples a Beta distribution only from its global generator.
    seed = int(torch.randint(2**62, (), generator=generator, dtype=torch.int64))
    random = np.random.default_rng(seed)
    partner = pair_neighbours(len(truth)).to(truth.device)
    if mixup > 0 and (cutmix == 0 or random.random() < 0.5):
        kept = float(random.beta(mixup, mixup))
        x_mixed = x_nchw * kept + x_nchw[partner] * (1 - kept)
    else:
        height, width = x_nchw.shape[2:]
        top, bottom, left, right = draw_box(height, width, 1 - random.beta(cutmix, cutmix), random)
        x_mixed = x_nchw.clone()
        x_mixed[:, :, top:bottom, left:right] = x_nchw[partner, :, top:bottom, left:right]
        kept = 1 - (bottom - top) * (right - left) / (height * width)
    return x_mixed, targets * kept + targets[partner] * (1 - kept)


def pair_neighbours(count: int) -> Tensor:
    """Returns the partner of each of `count` photos: int64, its own index for a last odd one."""
    indices = torch.arange(count)
    partner = indices ^ 1
    return torch.where(partner < count, partner, indices)


def draw_box(
    height: int, width: int, share: float, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draws CutMix's rectangle (arXiv 1905.04899, section 3.1), cut off at the photo's borders.

    Args:
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        share: of the photo's area, 0 to 1, before it is cut off.
        random: decides the centre, anywhere in the photo.

    Returns:
        Top, bottom, left and right, in pixels; bottom and right lie just outside.
    """
    side = math.sqrt(share)
    half_height, half_width = round(height * side) // 2, round(width * side) // 2
    y, x = int(random.integers(height)), int(random.integers(width))
    rows = max(y - half_height, 0), min(y + half_height, height)
    columns = max(x - half_width, 0), min(x + half_width, width)
    return *rows, *columns
