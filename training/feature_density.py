"""How much a photo's features look like those of the training photos. Free of torch.

The score is a density, not a class: it tells what the network was shown from what it never saw.
It is computed from the features that the classifier reads, so it costs an artifact next to
nothing, and it tells far things apart that probabilities do not (`docs/unknown.md`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.errors import DataError

DEFAULT_RANK = 64
DEFAULT_SHRINKAGE = 0.1
_TINY = 1e-12  # keeps a division by nothing finite


@dataclass(frozen=True, eq=False)
class FeatureDensity:
    """A normal density of features on the unit sphere, in few numbers.

    Probabilistic PCA (Tipping and Bishop, J. R. Stat. Soc. B 61, 1999): the `rank` widest axes of
    the features keep their variance, all others share one. With `d = u - mean` of features `u` of
    length 1, the score is `sum((directions @ d) ** 2) - precision * sum(d ** 2)`, which is minus
    the squared Mahalanobis distance to the mean, divided by the number of features.

    Attributes:
        mean: of the training photos' features, float32, shape [features].
        directions: float32, shape [rank, features].
        precision: one over the shared variance and the number of features, over 0.
    """

    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    precision: float

    def __post_init__(self) -> None:
        shape = self.directions.shape
        if self.mean.ndim != 1 or len(shape) != 2 or shape[1] != len(self.mean):
            raise DataError(
                f"a feature density with a mean of shape {self.mean.shape} and directions of "
                f"shape {shape}: allowed are [features] and [rank, features]"
            )
        numbers = (self.mean, self.directions, np.array(self.precision))
        if not all(np.isfinite(part).all() for part in numbers) or self.precision <= 0:
            raise DataError("a feature density holds numbers that are not finite, or no precision")

    def __call__(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Returns the score of each photo: at most 0, but for rounding; higher is better known.

        Args:
            features: what the classifier reads, shape [N, features].

        Returns:
            float64, shape [N].
        """
        away = on_sphere(features) - self.mean
        along = away @ self.directions.T.astype(np.float64)
        scores: npt.NDArray[np.float64] = (along**2).sum(axis=1) - self.precision * (away**2).sum(
            axis=1
        )
        return scores


def fit_feature_density(
    features: npt.NDArray[np.floating],
    rank: int = DEFAULT_RANK,
    shrinkage: float = DEFAULT_SHRINKAGE,
) -> FeatureDensity:
    """Fits the density to features of training photos, seen as an app sees them.

    Args:
        features: shape [M, features], M of at least 2.
        rank: how many axes keep their own variance, from 1; less where photos or features are few.
        shrinkage: share of the covariance that its mean variance replaces, over 0 to 1: few
            photos say little of small axes.

    Raises:
        DataError: fewer than two photos, a rank below 1, or a shrinkage out of its range.
    """
    if len(features) < 2 or rank < 1 or not 0 < shrinkage <= 1:
        raise DataError(
            f"a feature density of {len(features)} photos, rank {rank} and shrinkage {shrinkage}: "
            "at least 2 and 1, and over 0 to 1"
        )
    unit = on_sphere(features)
    mean = unit.mean(axis=0)
    count = unit.shape[1]
    spread = unit - mean
    covariance = spread.T @ spread / len(unit)
    variances, axes = np.linalg.eigh(covariance)
    variances = np.maximum(variances[::-1], 0)
    average = max(float(variances.mean()), _TINY)
    variances = (1 - shrinkage) * variances + shrinkage * average
    rank = min(rank, len(unit) - 1, count - 1)
    shared = float(variances[rank:].mean())
    # What each wide axis takes off the distance that the shared variance alone would give.
    relief = np.sqrt(np.maximum(1 / shared - 1 / variances[:rank], 0) / count)
    directions = axes[:, ::-1][:, :rank].T * relief[:, None]
    return FeatureDensity(
        mean.astype(np.float32), directions.astype(np.float32), 1 / (shared * count)
    )


def on_sphere(features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Returns features scaled to length 1, float64, shape [N, features]; those of 0 stay 0."""
    given = np.asarray(features, np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float64] = given / np.maximum(lengths, _TINY)
    return scaled
