"""The labels of a model: an ordered list of class names. Free of torch."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from training.errors import LabelsError

MIN_CLASSES = 2
MAX_LABEL_CHARS = 200
# Unicode categories: control characters, line and paragraph separators, halves of characters.
_REFUSED = ("Cc", "Zl", "Zp", "Cs")


@dataclass(frozen=True)
class LabelSet:
    """Class names in the order of the network's outputs.

    Names are kept as given (any alphabet), must be unique after Unicode NFC normalisation, and
    hold no control characters and no spaces at either end.

    Attributes:
        names: one name per output, at least two.

    Raises:
        LabelsError: fewer than two names, a repeated name, or one that is not allowed.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < MIN_CLASSES:
            raise LabelsError(
                f"a recogniser needs at least {MIN_CLASSES} classes, got {len(self.names)}: "
                f"{list(self.names)}"
            )
        seen: dict[str, int] = {}
        for index, name in enumerate(self.names):
            _check_name(index, name)
            key = unicodedata.normalize("NFC", name)
            if key in seen:
                raise LabelsError(f"label {name!r} stands at {seen[key]} and again at {index}")
            seen[key] = index

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Returns the output index of a class name.

        Raises:
            LabelsError: no such label.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise LabelsError(f"no label {name!r}; allowed are {list(self.names)}") from None

    def describe_changes(self, former: "LabelSet") -> str:
        """Says in words how these labels differ from former ones."""
        added = sorted(set(self.names) - set(former.names))
        removed = sorted(set(former.names) - set(self.names))
        parts = [
            f"{what}: {', '.join(map(repr, names))}"
            for what, names in (("added", added), ("removed", removed))
            if names
        ]
        if parts:
            return "; ".join(parts)
        return "none" if self.names == former.names else "the same classes in another order"

    def to_text(self) -> str:
        """Returns the names one a line, in output order: the content of a `labels.txt`."""
        return "".join(f"{name}\n" for name in self.names)

    @classmethod
    def from_text(cls, text: str, where: str = "labels") -> "LabelSet":
        """Reads names, one a line, in output order.

        Raises:
            LabelsError: see the class; the message names `where`.
        """
        try:
            return cls(tuple(text.splitlines()))
        except LabelsError as error:
            raise LabelsError(f"{where}: {error}") from None

    @classmethod
    def from_file(cls, path: Path) -> "LabelSet":
        """Reads a `labels.txt` (UTF-8).

        Raises:
            LabelsError: the file is missing, not UTF-8, or its names are not allowed.
        """
        try:
            # utf-8-sig drops the byte order mark that some editors write.
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise LabelsError(f"no label file at {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise LabelsError(f"cannot read labels from {path}: {error}") from error
        return cls.from_text(text, str(path))


def clean_label(text: str | None) -> str:
    """Returns a label as a table's cell means it: without spaces around, in form NFC."""
    return unicodedata.normalize("NFC", (text or "").strip())


def is_plain(text: str) -> bool:
    """Tells whether a text has no control characters, line separators or halves of characters."""
    return not any(unicodedata.category(character) in _REFUSED for character in text)


def _check_name(index: int, name: str) -> None:
    if not name or name != name.strip() or len(name) > MAX_LABEL_CHARS:
        raise LabelsError(
            f"label {index} is {name!r}: allowed are 1 to {MAX_LABEL_CHARS} characters "
            "without spaces at the ends"
        )
    if not is_plain(name):
        raise LabelsError(f"label {index} is {name!r}: control characters are not allowed")
