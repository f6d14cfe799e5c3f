"""Coarse classes above the labels: "Apple" above "Granny-Smith". Free of torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import LabelsError
from training.labels import MIN_CLASSES, LabelSet


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

    @classmethod
    def from_names(cls, parents: Sequence[str]) -> "Hierarchy":
        """Makes a hierarchy from the name of each label's coarse class.

        Args:
            parents: one name a label, in the order of the labels; the coarse classes are sorted
                by Unicode code point.

        Raises:
            LabelsError: fewer than two coarse classes, or a name that `LabelSet` refuses.
        """
        try:
            coarse = LabelSet(tuple(sorted(set(parents))))
        except LabelsError as error:
            raise LabelsError(f"coarse classes: {error}") from None
        return cls(coarse, tuple(coarse.index(name) for name in parents))

    def select(self, kept: Sequence[int]) -> "Hierarchy | None":
        """Returns the hierarchy of some of the labels, without the coarse classes that lose all.

        Args:
            kept: indices of the labels, in their new order.

        Returns:
            None where fewer than two coarse classes are left, which tell nothing apart.
        """
        left = sorted({self.parents[index] for index in kept})
        if len(left) < MIN_CLASSES:
            return None
        coarse = LabelSet(tuple(self.coarse.names[parent] for parent in left))
        return Hierarchy(coarse, tuple(left.index(self.parents[index]) for index in kept))

    def to_json(self) -> dict[str, Any]:
        """Returns what `config.json` and the manifest hold."""
        return {"coarse": list(self.coarse.names), "parents": list(self.parents)}

    @classmethod
    def from_json(cls, value: object, labels: LabelSet) -> "Hierarchy | None":
        """Reads what `to_json` gave; None stays None.

        Args:
            value: the JSON value.
            labels: the labels that it must cover.

        Raises:
            LabelsError: of another form, or for another number of labels.
        """
        if value is None:
            return None
        if not isinstance(value, dict) or set(value) != {"coarse", "parents"}:
            raise LabelsError(f"hierarchy is {value!r}: it must hold coarse and parents")
        names, parents = value["coarse"], value["parents"]
        named = isinstance(names, list) and all(type(name) is str for name in names)
        counted = isinstance(parents, list) and all(type(parent) is int for parent in parents)
        if not named or not counted or len(parents) != len(labels):
            raise LabelsError(
                f"hierarchy must hold names of coarse classes, and the index of one for each of "
                f"the {len(labels)} labels"
            )
        return cls(LabelSet(tuple(names)), tuple(parents))

    def sum_coarse(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Adds up the probabilities of the labels of each coarse class.

        Args:
            probabilities: float32, shape [N, labels].

        Returns:
            float32, shape [N, coarse classes].
        """
        return probabilities @ self._members

    @cached_property
    def _members(self) -> npt.NDArray[np.float32]:
        members = np.zeros((len(self.parents), len(self.coarse)), np.float32)
        members[np.arange(len(self.parents)), self.parents] = 1
        return members
