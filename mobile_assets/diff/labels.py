"""Labels and coarse classes of two releases: added, removed, renamed, moved."""

import difflib
import unicodedata
from dataclasses import dataclass

from training.hierarchy import Hierarchy
from training.labels import LabelSet

# difflib's own measure of "close": its documentation calls ratios over 0.6 close matches.
_CLOSE = 0.6


@dataclass(frozen=True)
class Regrouped:
    """A label that belongs to another coarse class now."""

    label: str
    old: str
    new: str


@dataclass(frozen=True)
class LabelChanges:
    """What changed in the names of the outputs.

    Attributes:
        old_count: how many there were.
        new_count: how many there are.
        added: names that are new, in the new order.
        removed: names that are gone, in the old order.
        renamed: (old, new) names that look like the same thing: equal but for case, spaces and
            punctuation; or alike, in the same place of as many labels. A person must say so.
        moved: labels of both releases are in another order, or at another output: an app that
            keeps indices instead of names breaks.
        grouped: whether the (old, new) release has coarse classes.
        regrouped: labels with another coarse class, where both releases have some.
    """

    old_count: int
    new_count: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    moved: bool
    grouped: tuple[bool, bool]
    regrouped: tuple[Regrouped, ...]


def compare_labels(
    old: LabelSet,
    new: LabelSet,
    old_hierarchy: Hierarchy | None = None,
    new_hierarchy: Hierarchy | None = None,
) -> LabelChanges:
    """Compares the labels of two releases, and their coarse classes."""
    old_places = {name: place for place, name in enumerate(old.names)}
    new_places = {name: place for place, name in enumerate(new.names)}
    renamed = _pair_renamed(old, new)
    taken = {name for pair in renamed for name in pair}
    pairs = [*((name, name) for name in old.names if name in new_places), *renamed]
    grouped = (old_hierarchy is not None, new_hierarchy is not None)
    groups = [
        Regrouped(
            after,
            _coarse_of(old_hierarchy, old_places[before]),
            _coarse_of(new_hierarchy, new_places[after]),
        )
        for before, after in pairs
        if all(grouped)
    ]
    return LabelChanges(
        old_count=len(old),
        new_count=len(new),
        added=tuple(name for name in new.names if name not in old_places and name not in taken),
        removed=tuple(name for name in old.names if name not in new_places and name not in taken),
        renamed=renamed,
        moved=any(old_places[before] != new_places[after] for before, after in pairs),
        grouped=grouped,
        regrouped=tuple(entry for entry in groups if entry.old != entry.new),
    )


def _pair_renamed(old: LabelSet, new: LabelSet) -> tuple[tuple[str, str], ...]:
    before, after = set(old.names), set(new.names)
    come: dict[str, list[str]] = {}
    for name in new.names:
        if name not in before:
            come.setdefault(_letters(name), []).append(name)
    pairs = []
    for place, name in enumerate(old.names):
        if name in after:
            continue
        fitting = come.get(_letters(name), [])
        there = new.names[place] if len(old) == len(new) else ""
        if fitting:
            pairs.append((name, fitting.pop(0)))
        elif there in come.get(_letters(there), []) and _is_close(name, there):
            come[_letters(there)].remove(there)
            pairs.append((name, there))
    return tuple(pairs)


def _letters(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isalnum())


def _is_close(old: str, new: str) -> bool:
    matcher = difflib.SequenceMatcher(None, _letters(old), _letters(new), autojunk=False)
    return matcher.ratio() > _CLOSE


def _coarse_of(hierarchy: Hierarchy | None, place: int) -> str:
    return "" if hierarchy is None else hierarchy.coarse.names[hierarchy.parents[place]]
