"""Densities for networks whose known score is not what a test is about."""

import numpy as np

from training.feature_density import FeatureDensity, fit_feature_density
from training.networks.ghostnet import HEAD_CHANNELS


def random_density(seed: int = 0) -> FeatureDensity:
    """A density of features that no network gave."""
    features = np.random.default_rng(seed).random((40, HEAD_CHANNELS))
    return fit_feature_density(features, rank=4)
