"""The order of versions: of models and apps, of operating systems, of ExecuTorch's runtimes.

Every client decides by these rules, so they are few, exact on numbers of any length, and bound by
`clients/vectors.json`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mobile_assets.errors import VersionError

MAX_VERSION_CHARS = 128
MAX_RANGE_CHARS = 256
MAX_BOUNDS = 8
_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
# Semantic Versioning 2.0.0, sections 2, 9 and 10.
SEMANTIC = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
BOUND = re.compile(r"(>=|>|<=|<|=)(.+)")
# "16", "17.4.1": one to four numbers, of which none is absurd.
SYSTEM = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){0,3}")
_SYSTEM_PARTS = 4
MAJOR_MINOR = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(?:[.+-].*)?")

# Numbers come before names, and a release after all of its pre-releases.
_Identifier = tuple[int, int, str]
VersionKey = tuple[int, int, int, bool, tuple[_Identifier, ...]]
_OPERATORS: dict[str, Callable[[VersionKey, VersionKey], bool]] = {
    ">=": lambda version, bound: version >= bound,
    ">": lambda version, bound: version > bound,
    "<=": lambda version, bound: version <= bound,
    "<": lambda version, bound: version < bound,
    "=": lambda version, bound: version == bound,
}


def version_key(version: str) -> VersionKey:
    """Returns what semantic versions are sorted by (Semantic Versioning 2.0.0, section 11).

    Build metadata ("+...") are allowed, as apps have them, and do not count.

    Raises:
        VersionError: not a semantic version.
    """
    match = SEMANTIC.fullmatch(version) if len(version) <= MAX_VERSION_CHARS else None
    if match is None:
        raise VersionError(
            f"the version {version[:MAX_VERSION_CHARS]!r}: allowed are semantic versions of up "
            f"to {MAX_VERSION_CHARS} characters, as in 1.2.0 or 1.2.0-beta.1"
        )
    identifiers = match[4].split(".") if match[4] else []
    prerelease = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in identifiers
    )
    return int(match[1]), int(match[2]), int(match[3]), not prerelease, prerelease


def compare_versions(left: str, right: str) -> int:
    """Returns -1, 0 or 1: whether the left semantic version comes before, with, or after.

    Raises:
        VersionError: see `version_key`.
    """
    first, second = version_key(left), version_key(right)
    return (first > second) - (first < second)


@dataclass(frozen=True)
class VersionRange:
    """Which versions are meant, as in ">=1.2.0 <3.0.0".

    One to eight bounds with one space between them, all of which must hold. Only the precedence
    counts: "<3.0.0" holds for 3.0.0-rc.1, and ">=3.0.0" does not.

    Attributes:
        text: as it was written.

    Raises:
        VersionError: not of this form.
    """

    text: str

    def __post_init__(self) -> None:
        self._bounds()

    def __contains__(self, version: str) -> bool:
        """Returns whether a version is meant; VersionError where it is none."""
        key = version_key(version)
        return all(_OPERATORS[operator](key, bound) for operator, bound in self._bounds())

    def _bounds(self) -> list[tuple[str, VersionKey]]:
        parts = self.text.split(" ") if len(self.text) <= MAX_RANGE_CHARS else []
        matches = [match for part in parts if (match := BOUND.fullmatch(part))]
        if not 1 <= len(matches) == len(parts) <= MAX_BOUNDS:
            raise VersionError(
                f"the range {self.text[:MAX_RANGE_CHARS]!r}: allowed are 1 to {MAX_BOUNDS} "
                "bounds of >=, >, <=, < or = and a version, with one space between them, as in "
                "'>=1.2.0 <3.0.0'"
            )
        return [(match[1], version_key(match[2])) for match in matches]


def system_key(version: str) -> tuple[int, ...]:
    """Returns what versions of operating systems are sorted by: "16" is "16.0.0".

    Raises:
        VersionError: not one to four numbers with dots between them.
    """
    if not SYSTEM.fullmatch(version):
        raise VersionError(
            f"the system's version {version[:MAX_VERSION_CHARS]!r}: allowed are 1 to "
            f"{_SYSTEM_PARTS} numbers with dots between them, as in 17.4"
        )
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (_SYSTEM_PARTS - len(numbers)))


def runs_on_executorch(made_with: str, runtime: str) -> bool:
    """Returns whether a `.pte` file runs on a version of ExecuTorch's runtime.

    It runs on the minor version that made it and on the next one: the least that ExecuTorch
    promises (runtime/COMPATIBILITY.md of its repository). That promise also holds for a major
    version that follows directly, which no client can know, so that it does not count here; nor
    does what follows the minor number. A text that is no such version runs nothing.

    Args:
        made_with: the version that exported the file, as in "1.4.1".
        runtime: the version that the app links.
    """
    file, app = MAJOR_MINOR.fullmatch(made_with), MAJOR_MINOR.fullmatch(runtime)
    if file is None or app is None or file[1] != app[1]:
        return False
    return int(app[2]) - int(file[2]) in (0, 1)
