"""What a key may do, and which of it each view needs."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Flask

from serving.errors import SettingsError

RECOGNISE, PULL, REPORT = "recognise", "pull", "report"
PUBLISH, OBSERVE, ADMIN = "publish", "observe", "admin"
SCOPES = {
    RECOGNISE: "ask for names of photos, and what models take and give",
    PULL: "see which versions there are, and download them",
    REPORT: "report how a version does, count scans, and correct answers",
    PUBLISH: "hold versions back, and let them go on",
    OBSERVE: "read metrics and the dashboard",
    ADMIN: "all of these, and review corrections",
}
# Endpoints that never need a key: whether the server lives, what its API is, and pages without
# data, which ask with the key that they are given.
PUBLIC_ENDPOINTS = frozenset(
    {
        "static",
        "scan.move",
        "scan.page",
        "scan.server",
        "openapi.spec",
        "openapi.docs",
        "health.show_live",
        "health.show_ready",
        "inference.show_live",
        "inference.show_ready",
        "inference.show_server",
    }
)
_MARK = "ghostlens_scope"
_View = TypeVar("_View", bound=Callable[..., Any])


def needs(scope: str) -> Callable[[_View], _View]:
    """Declares which scope a view needs; place it directly below the line with the address.

    Nothing is checked here: `serving.access.gate` does that, before a request's body is read. A
    view that declares nothing needs `admin`, unless it stands in `PUBLIC_ENDPOINTS`.

    Raises:
        SettingsError: there is no such scope.
    """
    check_scopes([scope])

    def mark(view: _View) -> _View:
        setattr(view, _MARK, scope)
        return view

    return mark


def find_scope(app: Flask, endpoint: str) -> str | None:
    """Returns the scope that an endpoint needs, or None where it needs no key."""
    if endpoint in PUBLIC_ENDPOINTS:
        return None
    return find_declared(app, endpoint) or ADMIN


def find_declared(app: Flask, endpoint: str) -> str | None:
    """Returns the scope that an endpoint's view declares, or None."""
    return getattr(app.view_functions[endpoint], _MARK, None)


def check_scopes(scopes: Iterable[str]) -> None:
    """Checks names of scopes.

    Raises:
        SettingsError: one is unknown; the message says which there are.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise SettingsError(f"no scope {scope!r}: allowed are {', '.join(SCOPES)}")


def read_scopes(text: str) -> tuple[str, ...]:
    """Returns the scopes in a list such as "recognise,pull", or "all" of them.

    Raises:
        SettingsError: one is unknown.
    """
    if text.strip() == "all":
        return tuple(SCOPES)
    scopes = [part.strip() for part in text.split(",") if part.strip()]
    check_scopes(scopes)
    return tuple(scope for scope in SCOPES if scope in scopes)
