"""Progressive resolution: the side of the photos in each epoch. Free of torch.

Small photos first, the full size last (Touvron et al., arXiv 1906.06423; Tan and Le, arXiv
2104.00298, section 4): most of what is learned early does not need fine detail, and an epoch at
half the side takes about a quarter of the time.
"""

from training.recipe import TrainSettings

_MULTIPLE_PX = 32  # the network halves the side five times


def side_at(train: TrainSettings, input_px: int, epoch: int) -> int:
    """Returns the side of an epoch's photos, in pixels.

    Sides grow evenly from `start_px`, in multiples of 32; the last `finish_epochs`, at least one,
    run at `finish_px`.

    Args:
        train: the recipe.
        input_px: side of the network's input, in pixels: what 0 stands for.
        epoch: from 0.
    """
    finish_px = train.finish_px or input_px
    start_px = train.start_px or finish_px
    growing = train.epochs - max(1, train.finish_epochs)
    if epoch >= growing:
        return finish_px
    side_px = start_px + (finish_px - start_px) * epoch / growing
    return int(side_px // _MULTIPLE_PX * _MULTIPLE_PX)


def largest_side(train: TrainSettings, input_px: int) -> int:
    """Returns the largest side of any epoch's photos, in pixels."""
    return max(side_at(train, input_px, epoch) for epoch in range(train.epochs))
