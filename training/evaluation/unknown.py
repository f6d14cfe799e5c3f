"""Scores that tell photos of known things from photos of unknown ones. Free of torch.

Every score is higher for what looks known. A phone has those of `SCORES`; see `docs/unknown.md`
for what each is worth.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from training.errors import DataError
from training.feature_density import on_sphere

Floats = npt.NDArray[np.float64]

# GEN's exponent and number of classes as Liu et al., CVPR 2023, use them for ImageNet.
GEN_GAMMA = 0.1
GEN_TOP = 100
_CHUNK = 1024  # photos compared with all training photos at once
_TINY = 1e-12  # keeps a division by nothing finite


def max_probability(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Returns the probability of the best answer (Hendrycks and Gimpel, arXiv 1610.02136).

    Args:
        probabilities: shape [N, classes], rows sum to 1.

    Returns:
        Float64, shape [N], 1 / classes to 1.
    """
    best: Floats = np.asarray(probabilities, np.float64).max(axis=1)
    return best


def gen(
    probabilities: npt.NDArray[np.floating], gamma: float = GEN_GAMMA, top: int = GEN_TOP
) -> Floats:
    """Returns minus the generalised entropy of the best answers.

    GEN, "Pushing the Limits of Softmax-Based Out-of-Distribution Detection", Liu, Lochman and
    Zach, CVPR 2023: the sum of p^gamma (1 - p)^gamma. A small exponent makes it
    sensitive to probabilities near 0, which the largest probability does not see.

    Args:
        probabilities: shape [N, classes], rows sum to 1.
        gamma: exponent, over 0 and below 1.
        top: how many of the largest probabilities count; all, where there are fewer.

    Returns:
        Float64, shape [N], at most 0.
    """
    best = np.sort(np.asarray(probabilities, np.float64), axis=1)[:, -top:]
    # Rounding may leave a probability a hair outside 0 to 1, whose power is no number.
    best = np.clip(best, 0, 1)
    spread: Floats = -((best * (1 - best)) ** gamma).sum(axis=1)
    return spread


# What tells known things from unknown ones: the second output of every network and artifact, or
# something that is computed from calibrated probabilities alone.
KNOWN_SCORE = "known_score"
_OF_PROBABILITIES: Mapping[str, Callable[[Floats], Floats]] = {
    "max_probability": max_probability,
    "gen": gen,
}
SCORES = (KNOWN_SCORE, *_OF_PROBABILITIES)


def score_known(score: str, calibrated: Floats, known_scores: npt.NDArray[np.floating]) -> Floats:
    """Returns how much each photo looks like a known thing, by the score that is asked for.

    Args:
        score: one of `SCORES`.
        calibrated: probabilities after the temperature, shape [N, classes].
        known_scores: the second output, shape [N].

    Returns:
        float64, shape [N]; higher is better known.
    """
    if score == KNOWN_SCORE:
        return np.asarray(known_scores, np.float64)
    return _OF_PROBABILITIES[score](calibrated)


def entropy(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Returns minus the Shannon entropy of the answers, in nats.

    Args:
        probabilities: shape [N, classes], rows sum to 1.

    Returns:
        Float64, shape [N], -log(classes) to 0.
    """
    given = np.asarray(probabilities, np.float64)
    # The limit of p log p at 0 is 0.
    certain: Floats = (given * np.log(np.where(given > 0, given, 1))).sum(axis=1)
    return certain


def max_logit(logits: npt.NDArray[np.floating]) -> Floats:
    """Returns the largest logit (Hendrycks et al., arXiv 1911.11132).

    Args:
        logits: shape [N, classes].
    """
    best: Floats = np.asarray(logits, np.float64).max(axis=1)
    return best


def energy(logits: npt.NDArray[np.floating]) -> Floats:
    """Returns minus the free energy at temperature 1 (Liu et al., arXiv 2010.03759).

    Args:
        logits: shape [N, classes]; what a softmax leaves of them does not suffice.
    """
    given = np.asarray(logits, np.float64)
    largest = given.max(axis=1)
    summed: Floats = largest + np.log(np.exp(given - largest[:, None]).sum(axis=1))
    return summed


class NearestNeighbours:
    """Distance to the k-th nearest training photo (Sun et al., arXiv 2204.06507).

    Args:
        training: features of training photos, shape [M, features].
        k: which neighbour, 1 to M. The paper's best are about a thousandth of M: 50 for CIFAR-10,
            1000 for ImageNet.
    """

    def __init__(self, training: npt.NDArray[np.floating], k: int) -> None:
        if not 1 <= k <= len(training):
            raise DataError(f"k is {k}: allowed are 1 to the {len(training)} training photos")
        self._training, self._k = on_sphere(training), k

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        """Returns minus the distance on the unit sphere, float64 [N], -2 to 0.

        Args:
            features: shape [N, features].
        """
        scores = np.empty(len(features))
        for start in range(0, len(features), _CHUNK):
            cosines = on_sphere(features[start : start + _CHUNK]) @ self._training.T
            nearest = np.partition(cosines, -self._k, axis=1)[:, -self._k]
            scores[start : start + _CHUNK] = -np.sqrt(np.maximum(2 - 2 * nearest, 0))
        return scores


class ClassMeans:
    """Likeness to the nearest class mean; as cheap as a classifier, and so fit for a phone.

    The nearest-mean rule of Mensink et al. (IEEE TPAMI 35, 2013), on the unit sphere.

    Args:
        training: features of training photos, shape [M, features].
        truth: class of each, shape [M].
    """

    def __init__(self, training: npt.NDArray[np.floating], truth: npt.NDArray[np.int64]) -> None:
        self._means = on_sphere(_class_means(on_sphere(training), truth))

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        """Returns the largest cosine, float64 [N], -1 to 1.

        Args:
            features: shape [N, features].
        """
        cosines: Floats = (on_sphere(features) @ self._means.T).max(axis=1)
        return cosines


class Mahalanobis:
    """Distance to the nearest class under one covariance for all (Lee et al., arXiv 1807.03888).

    On the unit sphere, as Mueller and Hein found better (Mahalanobis++, arXiv 2505.18032).

    Args:
        training: features of training photos, shape [M, features].
        truth: class of each, shape [M].
        shrinkage: share of the covariance that is replaced by its mean variance, over 0 to 1: with
            fewer photos than features it has no inverse.
    """

    def __init__(
        self,
        training: npt.NDArray[np.floating],
        truth: npt.NDArray[np.int64],
        shrinkage: float = 0.1,
    ) -> None:
        features = on_sphere(training)
        self._means = _class_means(features, truth)
        spread = features - self._means[np.unique(truth, return_inverse=True)[1]]
        covariance = spread.T @ spread / len(features)
        mean_variance = max(float(np.trace(covariance)) / len(covariance), _TINY)
        covariance *= 1 - shrinkage
        covariance[np.diag_indices_from(covariance)] += shrinkage * mean_variance
        # Features times this have a covariance of one.
        self._whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T
        self._means = self._means @ self._whiten

    def __call__(self, features: npt.NDArray[np.floating]) -> Floats:
        """Returns minus the squared distance, float64 [N], at most 0.

        Args:
            features: shape [N, features].
        """
        whitened = on_sphere(features) @ self._whiten
        squares = (whitened**2).sum(axis=1)[:, None] + (self._means**2).sum(axis=1)
        nearest: Floats = (squares - 2 * whitened @ self._means.T).min(axis=1)
        return -np.maximum(nearest, 0)


def _class_means(features: Floats, truth: npt.NDArray[np.int64]) -> Floats:
    return np.stack([features[truth == index].mean(axis=0) for index in np.unique(truth)])
