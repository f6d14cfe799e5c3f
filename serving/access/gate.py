"""Decides before each request whether it may be answered; what is not allowed is refused."""

from apiflask import APIFlask
from flask import Response, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

from serving.access.caller import Key, current_key, note_key
from serving.access.cors import allow_origins
from serving.access.credentials import read_token
from serving.access.limiting import add_fields
from serving.access.public import list_public_scopes
from serving.access.rates import REFUSED
from serving.access.scopes import RECOGNISE, find_scope
from serving.context import get_key_ring, get_limiter, get_settings
from serving.errors import KeyNeededError, ProxyError, ScopeError

# What a proxy adds (RFC 7239, and the older names).
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
_FORWARDED_KEYS = {f"HTTP_{name.upper().replace('-', '_')}": name for name in _FORWARDED}


def attach(app: APIFlask) -> None:
    """Makes an app ask for keys."""
    with app.app_context():
        settings = get_settings()
    if settings.proxies:
        # Proxies add what they saw at the end, so that what a client wrote there itself is not
        # read. Its name for us comes as `Host`, and a prefix is not taken from anybody.
        trusted = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted, x_proto=trusted, x_host=0)  # type: ignore[method-assign]
    allow_origins(app, settings.cors_origins)
    app.before_request(check_request)
    app.after_request(finish_answer)


def check_request() -> None:
    """Lets the request at hand pass, or says why not.

    Raises:
        ProxyError: it came through a proxy that the server was not told of.
        KeyNeededError: it needs a key, and has none that counts.
        ScopeError: its key may not do that.
        QuotaError: its key, or its client, asked too often.
        RequestError: its key stands where it must not.
        StateError: keys cannot be looked up; nothing is allowed then.
    """
    _refuse_unknown_proxy()
    endpoint = request.endpoint
    if endpoint is None or request.method == "OPTIONS":
        return  # no such address, or Flask itself answers
    scope = find_scope(current_app, endpoint)
    if scope is None:
        return
    key = _find_key()
    if key is None:
        _check_public(scope)
        return
    note_key(key)
    _check_key(key, scope)
    get_limiter().count_request(scope, key, "")
    if scope == RECOGNISE and request.method == "POST":
        get_limiter().reserve_photo(key)


def finish_answer(response: Response) -> Response:
    """Says what the limits are, and forbids caches that several clients share to keep it."""
    get_limiter().settle()
    add_fields(response)
    if current_key() is not None and not response.cache_control.no_store:
        response.cache_control.public = False
        response.cache_control.private = True
    return response


def _find_key() -> Key | None:
    """Returns the key of the request at hand; counts a client whose key is none."""
    try:
        token = read_token(get_settings())
        return None if token is None else get_key_ring().find(token)
    except KeyNeededError:
        get_limiter().count_request(REFUSED, None, request.remote_addr or "")
        raise


def _check_public(scope: str) -> None:
    settings = get_settings()
    if scope not in list_public_scopes(settings):
        raise KeyNeededError(
            f"{request.method} {request.path} needs a key for {scope}, as `Authorization: Bearer "
            "<key>` or `X-API-Key: <key>`"
        )
    if settings.public_scopes is not None:  # else whoever asks is at this machine
        get_limiter().count_request(scope, None, request.remote_addr or "")


def _check_key(key: Key, scope: str) -> None:
    if not key.allows(scope):
        raise ScopeError(f"the key {key.name!r} may not {scope}", scope)
    model = _find_model()
    if key.models and model is not None and model not in key.models:
        allowed = ", ".join(sorted(key.models))
        raise ScopeError(f"the key {key.name!r} is not for {model!r}: allowed are {allowed}")


def _find_model() -> str | None:
    """Returns the model that the request at hand is about, where it is about one."""
    given = request.view_args or {}
    if "model" in given:
        return str(given["model"])
    # Files lie below the name of their model.
    return str(given["path"]).partition("/")[0] if "path" in given else None


def _refuse_unknown_proxy() -> None:
    environ = request.environ
    found = [name for key, name in _FORWARDED_KEYS.items() if key in environ]
    if found and not get_settings().proxies:
        raise ProxyError(
            f"the request came through a proxy ({found[0]}), and this server was told of none: "
            "GHOSTLENS_PROXIES says how many stand before it"
        )
