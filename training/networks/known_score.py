"""The known score as a part of a network; see `training.feature_density`."""

from typing import cast

import torch
from torch import Tensor, nn

from training.feature_density import FeatureDensity

_TINY = 1e-12  # features of length 0 score as the middle of the sphere does


class KnownScore(nn.Module):
    """Scores features: higher for what looks like the training photos.

    Written with matrix products, elementwise ones and one reciprocal root alone, which every
    runtime has. Sums are products with a row of ones: XNNPACK has no sum of a row.

    Args:
        density: fitted to the features of the training photos.
    """

    def __init__(self, density: FeatureDensity) -> None:
        super().__init__()
        rank, count = density.directions.shape
        self.project = _multiply(torch.from_numpy(density.directions))
        self.sum_features = _multiply(torch.ones(1, count))
        self.sum_along = _multiply(torch.ones(1, rank))
        self.mean: Tensor
        self.tiny: Tensor
        self.register_buffer("mean", torch.from_numpy(density.mean).reshape(1, count))
        # A tensor, because coremltools takes it for a bias, and no bare number for one.
        self.register_buffer("tiny", torch.full((1, 1), _TINY))
        self.precision = density.precision

    def forward(self, features: Tensor) -> Tensor:
        """Maps features, float32 [N, features], to scores, float32 [N, 1]."""
        inverse_length = torch.rsqrt(self.sum_features(features * features) + self.tiny)
        away = features * inverse_length - self.mean
        along = self.project(away)
        near, far = self.sum_along(along * along), self.sum_features(away * away)
        return cast(Tensor, near - self.precision * far)


def _multiply(matrix: Tensor) -> nn.Linear:
    """Returns the product with a fixed matrix [outputs, inputs]."""
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(matrix.clone(), requires_grad=False)
    return layer
