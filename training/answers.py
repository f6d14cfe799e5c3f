"""What a network or an artifact answers on photos. Free of torch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.errors import DataError

Probabilities = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """Both outputs on some photos, in their order; takes slices, flags and indices in brackets.

    Attributes:
        probabilities: of each label, as the network gives them, float32, shape [N, classes].
        known_scores: how much each photo looks like the training photos, float32, shape [N];
            see `training.feature_density`.
    """

    probabilities: Probabilities
    known_scores: Scores

    def __post_init__(self) -> None:
        rows, scores = self.probabilities.shape, self.known_scores.shape
        if len(rows) != 2 or scores != rows[:1]:
            raise DataError(
                f"answers with probabilities of shape {rows} and known scores of shape {scores}: "
                "allowed are [N, classes] and [N]"
            )

    def __len__(self) -> int:
        return len(self.known_scores)

    def __getitem__(
        self, chosen: slice | npt.NDArray[np.bool_] | npt.NDArray[np.integer]
    ) -> "Answers":
        return Answers(self.probabilities[chosen], self.known_scores[chosen])

    @classmethod
    def concatenate(cls, parts: Iterable["Answers"]) -> "Answers":
        """Returns the answers of some batches, one after the other.

        Args:
            parts: at least one.
        """
        listed = list(parts)
        return cls(
            np.concatenate([part.probabilities for part in listed]),
            np.concatenate([part.known_scores for part in listed]),
        )
