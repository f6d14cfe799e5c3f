"""Scores of a known thing: what they say of answers and features that are plain to see."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.errors import DataError
from training.evaluation.unknown import (
    ClassMeans,
    Mahalanobis,
    NearestNeighbours,
    energy,
    entropy,
    gen,
    max_logit,
    max_probability,
)

SURE, TORN, LOST = [0.98, 0.01, 0.01], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]


@pytest.mark.parametrize("score", [max_probability, entropy, gen])
def test_surer_answers_score_higher(score) -> None:  # type: ignore[no-untyped-def]
    sure, lost = score(np.array([SURE, LOST], np.float32))
    assert sure > lost


def test_scores_of_probabilities_have_their_known_values() -> None:
    rows = np.array([TORN, LOST, [1, 0, 0]])
    assert max_probability(rows) == pytest.approx([0.5, 1 / 3, 1])
    assert entropy(rows) == pytest.approx([-math.log(2), -math.log(3), 0])
    assert gen(rows) == pytest.approx([-2 * 0.25**0.1, -3 * (2 / 9) ** 0.1, 0])


def test_gen_counts_the_largest_probabilities_alone() -> None:
    row = np.array([[0.6, 0.3, 0.1]])
    assert gen(row, top=2) == pytest.approx([-(0.24**0.1) - 0.21**0.1])
    assert gen(row, top=9) == pytest.approx(gen(row))


def test_gen_sees_what_the_largest_probability_does_not() -> None:
    rows = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5 - 2e-6, 1e-6, 1e-6]])
    assert max_probability(rows)[0] == max_probability(rows)[1]
    assert gen(rows)[0] > gen(rows)[1] + 0.4


@given(arrays(np.float64, (3, 5), elements=st.floats(-1e4, 1e4)))
def test_scores_are_finite_whatever_the_logits(logits: np.ndarray) -> None:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    for scores in (
        *(score(probabilities) for score in (max_probability, entropy, gen)),
        *(score(logits) for score in (max_logit, energy)),
    ):
        assert scores.shape == (3,)
        assert np.isfinite(scores).all()
    assert (energy(logits) >= max_logit(logits)).all()


def test_energy_is_the_log_of_summed_exponentials() -> None:
    logits = np.array([[0.0, 0.0], [1000.0, 1000.0]])
    assert energy(logits) == pytest.approx([math.log(2), 1000 + math.log(2)])
    assert max_logit(logits) == pytest.approx([0, 1000])


def test_the_nearest_training_photos_decide() -> None:
    training = np.array([[1.0, 0, 0], [3.0, 0.3, 0], [0, 2.0, 0]])
    asked = np.array([[5.0, 0, 0], [0, 0, 1.0]])
    near, far = NearestNeighbours(training, 1)(asked)
    assert near == pytest.approx(0)  # lengths do not count
    assert far == pytest.approx(-math.sqrt(2))
    assert NearestNeighbours(training, 2)(asked)[0] < 0
    assert NearestNeighbours(training, 3)(asked)[0] == pytest.approx(-math.sqrt(2))


@pytest.mark.parametrize("k", [0, 4])
def test_a_neighbour_that_is_not_there_is_refused(k: int) -> None:
    with pytest.raises(DataError, match=f"k is {k}: allowed are 1 to the 3"):
        NearestNeighbours(np.eye(3), k)


def test_likeness_to_a_class_mean_is_a_cosine() -> None:
    training = np.array([[1.0, 1.0, 0], [1.0, -1.0, 0], [0, 0, 5.0]])
    score = ClassMeans(training, np.array([0, 0, 1]))
    asked = np.array([[7.0, 0, 0], [0, 0, 1.0], [1.0, 0, 1.0], [0, 1.0, 0]])
    assert score(asked) == pytest.approx([1, 1, math.sqrt(0.5), 0])


def test_distance_counts_more_where_photos_of_a_class_agree() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 100)
    means = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    training = means[truth] + rng.normal(0, 1, (200, 4)) * [0.01, 0.01, 0.2, 0.01]
    score = Mahalanobis(training, truth)
    along, across = score(np.array([[1.0, 0, 0.2, 0], [1.0, 0, 0, 0.2]]))
    assert along > 4 * across
    assert score(training).mean() > across


def test_identical_training_photos_give_finite_distances() -> None:
    training = np.repeat([[1.0, 0], [0, 1.0]], 3, axis=0)
    scores = Mahalanobis(training, np.repeat([0, 1], 3))(np.array([[1.0, 0], [1.0, 1.0], [0, 0]]))
    assert np.isfinite(scores).all()
    assert scores[0] == pytest.approx(0)
    assert scores[1] < -0.1
