"""Some of many photos, at even distances: sources list them class by class."""

import numpy as np
import numpy.typing as npt


def spread_places(photos: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Returns places among photos.

    Args:
        photos: how many there are, at least 1.
        limit: how many are wanted, fewer where there are fewer; None for all.

    Returns:
        Ascending places, int64, from 0 to `photos - 1`.
    """
    count = photos if limit is None else min(limit, photos)
    return np.linspace(0, photos - 1, count).round().astype(np.int64)
