"""The known score as a part of a network; see `training.feature_density`."""

import torch
from torch import Tensor, nn

from training.feature_density import FeatureDensity

_TINY = 1e-12  # features of length 0 score as the middle of the sphere does


class KnownScore(nn.Module):
    """Scores features: higher for what looks like the training photos.

    Written with products, sums and one reciprocal root alone, which every runtime has.

    Args:
        density: fitted to the features of the training photos.
    """

    def __init__(self, density: FeatureDensity) -> None:
        super().__init__()
        rank, count = density.directions.shape
        self.project = nn.Linear(count, rank, bias=False)
        with torch.no_grad():
            self.project.weight.copy_(torch.from_numpy(density.directions))
        self.mean: Tensor
        self.register_buffer("mean", torch.from_numpy(density.mean))
        self.precision = density.precision

    def forward(self, features: Tensor) -> Tensor:
        """Maps features, float32 [N, features], to scores, float32 [N, 1]."""
        length = torch.rsqrt((features * features).sum(dim=1, keepdim=True) + _TINY)
        away = features * length - self.mean
        along: Tensor = self.project(away)
        near = (along * along).sum(dim=1, keepdim=True)
        far = (away * away).sum(dim=1, keepdim=True)
        return near - self.precision * far
