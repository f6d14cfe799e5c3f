"""`python -m serving keys ...`: who may ask."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from serving.access.keys import (
    StoredKey,
    Wish,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from serving.access.ring import FRESH_S, STALE_S
from serving.access.scopes import SCOPES
from serving.errors import StateError
from serving.options import NAME, find_actor, find_state_place, takes_served_state
from serving.settings import Settings
from serving.state.database import Database
from serving.state.times import now_ms

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(0|[1-9][0-9]{0,4})([mhd])", re.ASCII)


@click.group("keys")
def keys_group() -> None:
    """API keys: who may ask the server, and what."""


def _open(repository: Path | str | None, state: Path | str | None) -> Database:
    settings = Settings.from_environment(None, repository=repository)
    return Database(find_state_place(settings.repository, state))


def _find(repository: Path | str | None, state: Path | str | None) -> Database:
    found = _open(repository, state)
    if not found.exists():
        raise StateError(f"there is no {found.name} yet, and so no key in it")
    return found


def _read_duration(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Returns a time as in 30m, 12h or 90d, in milliseconds."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r}: allowed are a number and one of m, h, d, as in 90d")
    return int(found[1]) * _UNITS_MS[found[2]]


@keys_group.command("create")
@click.argument("key_name", metavar="NAME")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(SCOPES)),
    help="What it may do; can be given several times.",
)
@click.option(
    "--model", "models", multiple=True, metavar="MODEL", help="Only about these. Default: all."
)
@click.option(
    "--photos-a-day", type=click.IntRange(1), help="Photos it may have recognised in a day."
)
@click.option(
    "--expires",
    "lifetime_ms",
    callback=_read_duration,
    metavar="TIME",
    help="When it stops, as in 90d. Default: never.",
)
@takes_served_state
@NAME
def create_command(
    key_name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    photos_a_day: int | None,
    lifetime_ms: int | None,
    repository: Path | str | None,
    state: Path | str | None,
    name: str | None,
) -> None:
    """Make a key called NAME; it is printed once, and kept nowhere."""
    at_ms = now_ms()
    wish = Wish(
        key_name,
        frozenset(scopes),
        frozenset(models),
        photos_a_day,
        None if lifetime_ms is None else at_ms + lifetime_ms,
    )
    database = _open(repository, state)
    token = create_key(database, wish, find_actor(name), at_ms)
    click.echo(f"the key {key_name!r} counts for servers of {database.name}", err=True)
    click.echo("this is shown once, and kept nowhere:", err=True)
    click.echo(token)


@keys_group.command("list")
@takes_served_state
def list_command(repository: Path | str | None, state: Path | str | None) -> None:
    """List the keys: what they may do, and when they were last used."""
    at_ms = now_ms()
    for stored in list_keys(_find(repository, state)):
        click.echo(_describe(stored, at_ms))


@keys_group.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    "overlap_ms",
    callback=_read_duration,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="For how long the token before still counts; 0m ends it at once.",
)
@takes_served_state
@NAME
def rotate_command(
    key_id: str,
    overlap_ms: int,
    repository: Path | str | None,
    state: Path | str | None,
    name: str | None,
) -> None:
    """Give the key ID a new token; the one before counts on for a while."""
    at_ms = now_ms()
    token = rotate_key(_find(repository, state), key_id, overlap_ms, find_actor(name), at_ms)
    until = _format(at_ms + overlap_ms)
    click.echo(f"the token before stops at {until}; the new one, shown this once:", err=True)
    click.echo(token)


@keys_group.command("revoke")
@click.argument("key_id", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@takes_served_state
@NAME
def revoke_command(
    key_id: str,
    reason: str,
    repository: Path | str | None,
    state: Path | str | None,
    name: str | None,
) -> None:
    """Make the key ID count no more, for ever."""
    key = revoke_key(_find(repository, state), key_id, reason, find_actor(name), now_ms())
    click.echo(
        f"the key {key.name!r} is revoked; servers learn of it within {FRESH_S:g} s, and those "
        f"that cannot reach the database stop taking it after {STALE_S:g} s"
    )


def _describe(stored: StoredKey, at_ms: int) -> str:
    key, end = stored.key, stored.find_end(at_ms)
    words = [", ".join(scope for scope in SCOPES if scope in key.scopes)]
    if key.models:
        words.append(f"of {', '.join(sorted(key.models))}")
    if key.photos_a_day is not None:
        words.append(f"{key.photos_a_day} photos a day")
    if end is not None:
        words.append(end.upper())
    elif stored.expires_ms is not None:
        words.append(f"expires {_format(stored.expires_ms)}")
    if stored.former_until_ms is not None and stored.former_until_ms > at_ms:
        words.append(f"the token before counts until {_format(stored.former_until_ms)}")
    used = "never used" if stored.used_ms is None else f"last used {_format(stored.used_ms)}"
    return f"{key.id}  {key.name}: {'; '.join([*words, used])}"


def _format(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d %H:%MZ}"
