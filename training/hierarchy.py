"""Coarse classes above the labels: "Apple" above "Granny-Smith". Free of torch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.errors import LabelsError
from training.labels import LabelSet


@dataclass(frozen=True)
class Hierarchy:
    """The coarse class of each label.

    Attributes:
        coarse: names of the coarse classes.
        parents: for each label, in order, the index of its coarse class.

    Raises:
        LabelsError: a parent is no index of a coarse class, or a coarse class has no label.
    """

    coarse: LabelSet
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        childless = sorted(set(range(len(self.coarse))) - set(self.parents))
        unknown = sorted(set(self.parents) - set(range(len(self.coarse))))
        if unknown:
            raise LabelsError(
                f"coarse class {unknown[0]} is not there: allowed are 0 to {len(self.coarse) - 1}"
            )
        if childless:
            raise LabelsError(f"no label belongs to {self.coarse.names[childless[0]]!r}")

    def sum_coarse(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Adds up the probabilities of the labels of each coarse class.

        Args:
            probabilities: float32, shape [N, labels].

        Returns:
            float32, shape [N, coarse classes].
        """
        members = np.zeros((len(self.parents), len(self.coarse)), np.float32)
        members[np.arange(len(self.parents)), self.parents] = 1
        return probabilities @ members
