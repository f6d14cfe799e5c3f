"""A strict reader of JSON from outside: every error names the path of the bad key."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mobile_assets.errors import ManifestError

_SHOWN_CHARS = 60
MAX_DEPTH = 32
MAX_TEXT_CHARS = 2000
MAX_NUMBER = 1e30
SHA256 = re.compile(r"[0-9a-f]{64}")
SCHEMA_NAME = re.compile(r"(.+)/([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Node:
    """One value of a JSON document.

    Attributes:
        value: as `json` gives it.
        path: where it stands, as in `artifacts[1].sha256`; empty for the document.
        document: what is read, as in "manifest", for messages.
    """

    value: Any
    path: str
    document: str

    def fail(self, allowed: str) -> NoReturn:
        """Raises a `ManifestError` that names the path, the value and what is allowed."""
        shown = repr(self.value)
        if len(shown) > _SHOWN_CHARS:
            shown = shown[:_SHOWN_CHARS] + "..."
        where = f"{self.document}: {self.path}" if self.path else self.document
        raise ManifestError(f"{where} is {shown}: {allowed}")

    def table(self, *keys: str) -> dict[str, "Node"]:
        """Returns the members of an object that has exactly these keys."""
        members = self.members()
        missing = [key for key in keys if key not in members]
        if missing:
            raise ManifestError(f"{self.document}: {self._below(missing[0])} is missing")
        unknown = sorted(set(members) - set(keys))
        if unknown:
            name = self._below(unknown[0])
            raise ManifestError(
                f"{self.document}: {name} is not known: allowed are {', '.join(keys)}"
            )
        return members

    def members(self) -> dict[str, "Node"]:
        """Returns the members of an object with any keys."""
        if not isinstance(self.value, dict):
            self.fail("it must be an object")
        return {
            key: Node(value, self._below(key), self.document) for key, value in self.value.items()
        }

    def member(self, key: str) -> "Node":
        """Returns one member of an object that may have others."""
        members = self.members()
        if key not in members:
            raise ManifestError(f"{self.document}: {self._below(key)} is missing")
        return members[key]

    def find(self, key: str) -> "Node | None":
        """Returns one member of an object that may have others; None where it is null or absent."""
        found = self.members().get(key)
        return None if found is None or found.value is None else found

    def items(self, most: int, least: int = 0) -> list["Node"]:
        """Returns the items of a list of `least` to `most`."""
        if not isinstance(self.value, list) or not least <= len(self.value) <= most:
            self.fail(f"it must be a list of {least} to {most} items")
        return [
            Node(value, f"{self.path}[{index}]", self.document)
            for index, value in enumerate(self.value)
        ]

    def text(self, most_chars: int = MAX_TEXT_CHARS) -> str:
        """Returns a string of 1 to `most_chars` characters."""
        if not isinstance(self.value, str) or not 1 <= len(self.value) <= most_chars:
            self.fail(f"it must be a text of 1 to {most_chars} characters")
        return self.value

    def matching(self, pattern: re.Pattern[str], allowed: str) -> str:
        """Returns a string that the whole pattern fits."""
        if not isinstance(self.value, str) or not pattern.fullmatch(self.value):
            self.fail(f"allowed are {allowed}")
        return self.value

    def one_of(self, allowed: Sequence[str]) -> str:
        """Returns a string that is one of those allowed."""
        if not isinstance(self.value, str) or self.value not in allowed:
            self.fail(f"allowed are {', '.join(allowed)}")
        return self.value

    def sha256(self) -> str:
        """Returns 64 lower-case hexadecimal digits."""
        return self.matching(SHA256, "64 lower-case hexadecimal digits")

    def whole(self, least: int, most: int) -> int:
        """Returns a whole number of `least` to `most`."""
        if type(self.value) is not int or not least <= self.value <= most:
            self.fail(f"it must be a whole number from {least} to {most}")
        return self.value

    def number(self, least: float = -MAX_NUMBER, most: float = MAX_NUMBER) -> float:
        """Returns a finite number of `least` to `most`."""
        if type(self.value) not in (int, float) or not least <= self.value <= most:
            self.fail(f"it must be a number from {least} to {most}")
        return float(self.value)

    def flag(self) -> bool:
        """Returns true or false."""
        if type(self.value) is not bool:
            self.fail("it must be true or false")
        return self.value

    def plain(self) -> Any:
        """Returns any value made of objects, lists, texts, finite numbers, true, false, null."""
        return self.value

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def read_json(data: bytes, document: str, max_bytes: int) -> Node:
    """Parses JSON, stricter than `json.loads`.

    Refused are: more than `max_bytes`, bytes that are not UTF-8, a key given twice, NaN and
    infinity, numbers of absurd length, unpaired surrogates, and deep nesting.

    Raises:
        ManifestError: not such a document.
    """
    if len(data) > max_bytes:
        raise ManifestError(f"{document} has {len(data)} bytes: allowed are {max_bytes}")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except ManifestError as error:
        raise ManifestError(f"{document}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{document} is not JSON: {error}") from None
    node = Node(value, "", document)
    _check_plain(node, 0)
    return node


def check_schema(root: Node, *schemas: str) -> None:
    """Checks that a document names a schema that this code reads.

    Args:
        root: the document.
        schemas: name, slash and number, as in "ghostlens.bundle/1"; the newest last.

    Raises:
        ManifestError: another schema; a newer number is told apart from a foreign name.
    """
    found = root.members().get("schema")
    if found is None:
        raise ManifestError(f"{root.document}: schema is missing: allowed is {schemas[-1]!r}")
    newest = schemas[-1]
    name, _, number = newest.rpartition("/")
    given = SCHEMA_NAME.fullmatch(str(found.value))
    if given and given[1] == name and int(given[2]) > int(number):
        found.fail(f"it is newer than {newest!r}, which this Ghostlens reads; update Ghostlens")
    if found.value not in schemas:
        found.fail(f"allowed is {' or '.join(map(repr, schemas))}")


def canonical_json(value: Any) -> bytes:
    """Returns the one way to write a value: sorted keys, two spaces, UTF-8, a newline at the end.

    Raises:
        ManifestError: a number is not finite, or a text is not Unicode.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()
    except ValueError as error:
        raise ManifestError(f"cannot be written as JSON: {error}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ManifestError(f"the key {twice!r} is given twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ManifestError(f"{name} is not a number that JSON knows")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ManifestError(f"the number {text} is too large")
    return value


def _check_plain(node: Node, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ManifestError(f"{node.document} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(node.value, dict):
        for key, member in node.members().items():
            _check_text(key, node)
            _check_plain(member, depth + 1)
    elif isinstance(node.value, list):
        for item in node.items(len(node.value)):
            _check_plain(item, depth + 1)
    elif isinstance(node.value, str):
        _check_text(node.value, node)


def _check_text(text: str, node: Node) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ManifestError(
            f"{node.document}: {node.path or 'a key'} holds half of a surrogate pair"
        )
