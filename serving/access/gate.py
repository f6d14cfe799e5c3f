"""Decides before each request whether it may be answered; what is not allowed is refused."""

from apiflask import APIFlask
from flask import current_app, request

from serving.access.caller import current_key
from serving.access.public import list_public_scopes
from serving.access.scopes import ADMIN, find_scope
from serving.context import get_settings
from serving.errors import KeyNeededError, ProxyError, ScopeError

# What a proxy adds (RFC 7239, and the older names).
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def attach(app: APIFlask) -> None:
    """Makes an app ask for keys."""
    app.before_request(check_request)


def check_request() -> None:
    """Lets the request at hand pass, or says why not.

    Raises:
        ProxyError: it came through a proxy that the server was not told of.
        KeyNeededError: it needs a key, and has none that counts.
        ScopeError: its key may not do that.
    """
    _refuse_unknown_proxy()
    endpoint = request.endpoint
    if endpoint is None or request.method == "OPTIONS":
        return  # no such address, or Flask itself answers
    scope = find_scope(current_app, endpoint)
    if scope is None:
        return
    key = current_key()
    if key is None:
        if scope not in list_public_scopes(get_settings()):
            raise KeyNeededError(f"{request.method} {request.path} needs a key for {scope}")
    elif not key.scopes & {scope, ADMIN}:
        raise ScopeError(f"the key {key.name!r} may not {scope}")


def _refuse_unknown_proxy() -> None:
    found = [name for name in _FORWARDED if name in request.headers]
    if found and not get_settings().proxies:
        raise ProxyError(
            f"the request came through a proxy ({found[0]}), and this server was told of none: "
            "GHOSTLENS_PROXIES says how many stand before it"
        )
