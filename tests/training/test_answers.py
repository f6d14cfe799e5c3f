"""Answers stay photo by photo, whatever is taken of them."""

import numpy as np
import pytest

from training.answers import Answers
from training.errors import DataError


def make_answers(photos: int) -> Answers:
    random = np.random.default_rng(0)
    rows = random.dirichlet(np.ones(3), photos).astype(np.float32)
    return Answers(rows, random.normal(size=photos).astype(np.float32))


@pytest.mark.parametrize(
    "chosen", [slice(2, 5), np.array([4, 0]), np.arange(6) % 2 == 0, slice(0, 0)]
)
def test_both_outputs_are_taken_alike(chosen: slice | np.ndarray) -> None:
    answers = make_answers(6)
    taken = answers[chosen]
    np.testing.assert_array_equal(taken.probabilities, answers.probabilities[chosen])
    np.testing.assert_array_equal(taken.known_scores, answers.known_scores[chosen])
    assert len(taken) == len(answers.known_scores[chosen])


def test_batches_come_together_again() -> None:
    answers = make_answers(7)
    whole = Answers.concatenate(answers[start : start + 3] for start in range(0, 7, 3))
    np.testing.assert_array_equal(whole.probabilities, answers.probabilities)
    np.testing.assert_array_equal(whole.known_scores, answers.known_scores)


@pytest.mark.parametrize("scores", [np.zeros(2), np.zeros((3, 1))])
def test_outputs_of_other_photos_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"\[N, classes\] and \[N\]"):
        Answers(np.ones((3, 2), np.float32), scores.astype(np.float32))
