"""Rate limits as settings name them: "recognise=300/minute, report=none"."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from serving.access.scopes import ADMIN, OBSERVE, PUBLISH, PULL, RECOGNISE, REPORT
from serving.errors import SettingsError

# Not a scope: requests whose key was none.
REFUSED = "refused"
_NONE = "none"
_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RATE = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_UNITS_S)})", re.ASCII)


@dataclass(frozen=True)
class Rate:
    """So many in a window of time, which begins with the first of them.

    Attributes:
        number: how many are allowed.
        window_s: how long a window is, in seconds.
    """

    number: int
    window_s: int


def _of_minute(number: int) -> Rate:
    return Rate(number, _UNITS_S["minute"])


def of_day(number: int) -> Rate:
    """Returns so many in a day."""
    return Rate(number, _UNITS_S["day"])


# A key may stand in an app that thousands of phones run; 3,000 photos a minute are what two cores
# recognise.
KEY_LIMITS: Mapping[str, Rate] = {
    RECOGNISE: _of_minute(3_000),
    PULL: _of_minute(6_000),
    REPORT: _of_minute(6_000),
    PUBLISH: _of_minute(60),
    OBSERVE: _of_minute(600),
    ADMIN: _of_minute(600),
}
# An address may be that of a whole shop.
ADDRESS_LIMITS: Mapping[str, Rate] = {
    RECOGNISE: _of_minute(300),
    PULL: _of_minute(600),
    REPORT: _of_minute(600),
    PUBLISH: _of_minute(10),
    OBSERVE: _of_minute(60),
    ADMIN: _of_minute(60),
    REFUSED: _of_minute(60),
}


def read_limits(text: str, defaults: Mapping[str, Rate]) -> dict[str, Rate]:
    """Returns the limits by scope; what the text does not name has its default.

    Args:
        text: as in "recognise=300/minute, report=none".
        defaults: the limits that may be named.

    Raises:
        SettingsError: another form, or another name.
    """
    found = dict(defaults)
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, words = (word.strip() for word in part.partition("="))
        if name not in defaults:
            raise SettingsError(f"no limit of {name!r}: allowed are {', '.join(defaults)}")
        if words == _NONE:
            found.pop(name, None)
            continue
        rate = _RATE.fullmatch(words)
        if rate is None:
            raise SettingsError(
                f"the limit {part!r} is not understood: allowed are as {name}=300/minute, a number "
                f"and one of {', '.join(_UNITS_S)}, and {name}={_NONE}"
            )
        found[name] = Rate(int(rate[1]), _UNITS_S[rate[2]])
    return found
