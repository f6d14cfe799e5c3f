"""Checks of settings: each names the key, its value and what is allowed. Free of torch."""

from training.errors import ConfigError


def check(holds: bool, name: str, value: object, allowed: str) -> None:
    """Raises `ConfigError` unless a setting is within its limits.

    Args:
        holds: whether it is.
        name: the setting, for example "train.epochs".
        value: what was given.
        allowed: what may be given, in words.
    """
    if not holds:
        raise ConfigError(f"{name} is {value!r}: allowed are {allowed}")


def check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises `ConfigError` unless a setting is one of some words."""
    check(value in allowed, name, value, ", ".join(allowed))
