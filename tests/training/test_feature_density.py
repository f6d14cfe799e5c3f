"""The density of features, and the same as a part of a network."""

import numpy as np
import pytest
import torch

from training.errors import DataError
from training.feature_density import FeatureDensity, fit_feature_density
from training.networks.known_score import KnownScore


def make_features(count: int, seed: int, shift: float = 0) -> np.ndarray:
    """Features near a plane of three dimensions in forty, further along by `shift`."""
    random = np.random.default_rng(seed)
    plane = np.random.default_rng(0).normal(size=(3, 40))
    return 5 + random.normal(size=(count, 3)) @ plane + shift * random.normal(size=(count, 40))


def test_what_was_not_seen_scores_lower() -> None:
    density = fit_feature_density(make_features(500, 1, 0.1), rank=8)
    known, far = density(make_features(300, 2, 0.1)), density(make_features(300, 3, 2.0))
    assert np.quantile(known, 0.05) > np.quantile(far, 0.95)
    assert known.max() <= 1e-3


def test_full_rank_is_the_mahalanobis_distance_to_the_mean() -> None:
    training, asked = make_features(2000, 1, 0.5), make_features(10, 2, 0.7)
    unit = training / np.linalg.norm(training, axis=1, keepdims=True)
    covariance = np.cov(unit.T, bias=True)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / 40 * np.eye(40)
    away = asked / np.linalg.norm(asked, axis=1, keepdims=True) - unit.mean(axis=0)
    expected = -np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) / 40
    # 39 axes keep their variance, and the last has its own.
    np.testing.assert_allclose(fit_feature_density(training, 39)(asked), expected, rtol=1e-4)


def test_length_of_features_does_not_matter() -> None:
    density = fit_feature_density(make_features(100, 1, 0.3), rank=4)
    asked = make_features(5, 2)
    np.testing.assert_allclose(density(asked), density(7 * asked), rtol=1e-9)


def test_the_network_part_scores_alike() -> None:
    density = fit_feature_density(make_features(100, 1, 0.3), rank=4)
    asked = make_features(6, 2, 1.0).astype(np.float32)
    scores = KnownScore(density)(torch.from_numpy(asked))
    assert scores.shape == (6, 1)
    np.testing.assert_allclose(scores[:, 0].detach().numpy(), density(asked), rtol=1e-4, atol=1e-5)


def test_rank_is_bounded_by_the_photos() -> None:
    assert fit_feature_density(make_features(3, 1, 0.3)).directions.shape == (2, 40)


def test_features_that_never_vary_give_finite_scores() -> None:
    density = fit_feature_density(np.ones((5, 8)))
    assert np.isfinite(density(np.ones((1, 8)))).all()


@pytest.mark.parametrize(
    ("photos", "rank", "shrinkage"), [(1, 4, 0.1), (5, 0, 0.1), (5, 4, 0.0), (5, 4, 1.1)]
)
def test_too_little_to_fit_is_refused(photos: int, rank: int, shrinkage: float) -> None:
    with pytest.raises(DataError, match="at least 2 and 1, and over 0 to 1"):
        fit_feature_density(np.ones((photos, 8)), rank, shrinkage)


def test_full_shrinkage_is_the_distance_to_the_mean_alone() -> None:
    training, asked = make_features(200, 1, 0.5), make_features(10, 2, 0.7)
    density = fit_feature_density(training, 8, shrinkage=1)
    away = asked / np.linalg.norm(asked, axis=1, keepdims=True) - density.mean
    np.testing.assert_allclose(
        density(asked), -density.precision * (away**2).sum(axis=1), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("mean", "directions", "precision"),
    [
        (np.ones(3), np.ones((2, 4)), 1.0),
        (np.ones(3), np.ones(3), 1.0),
        (np.full(3, np.nan), np.ones((2, 3)), 1.0),
        (np.ones(3), np.ones((2, 3)), 0.0),
    ],
)
def test_a_damaged_density_is_refused(
    mean: np.ndarray, directions: np.ndarray, precision: float
) -> None:
    with pytest.raises(DataError, match="feature density"):
        FeatureDensity(mean.astype(np.float32), directions.astype(np.float32), precision)
