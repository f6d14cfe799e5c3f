"""What needs no key: what a setting names, or all of it for somebody at this very machine."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from flask import request

from serving.access.origins import comes_from_allowed_page
from serving.access.scopes import SCOPES
from serving.settings import Settings

_LOCALHOST = "localhost"


def list_public_scopes(settings: Settings) -> tuple[str, ...]:
    """Returns what the request at hand needs no key for."""
    if settings.public_scopes is not None:
        return settings.public_scopes
    return tuple(SCOPES) if is_from_this_machine(settings) else ()


def is_from_this_machine(settings: Settings) -> bool:
    """Tells whether somebody at this machine asks, and no page from elsewhere in their name.

    Behind a proxy nobody is: it may stand on this machine, and send what the whole world asks.
    """
    if settings.proxies or not _leads_here(request.remote_addr or ""):
        return False
    # Whoever owns a name may let it lead here, and their page then asks as one of our own.
    if not _leads_here(_read_name(request.host)):
        return False
    return comes_from_allowed_page(settings.cors_origins)


def describe_public_scopes(settings: Settings) -> str:
    """Returns in words what needs no key."""
    if settings.public_scopes is None and not settings.proxies:
        return "asking from this machine needs no key; GHOSTLENS_PUBLIC_SCOPES changes that"
    scopes = settings.public_scopes or ()
    if not scopes:
        return (
            "everything needs a key: `python -m serving keys create NAME --scope SCOPE`, with the "
            "same --repository, --state or --database, makes one"
        )
    return f"NO KEY is needed by anybody for: {', '.join(scopes)}"


# Each request asks for its address and its host, and most have the same ones.
@lru_cache(maxsize=256)
def _leads_here(host: str) -> bool:
    return is_loopback(host)


@lru_cache(maxsize=256)
def _read_name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def is_loopback(host: str) -> bool:
    """Tells whether a name or address leads to this machine alone."""
    if host == _LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
