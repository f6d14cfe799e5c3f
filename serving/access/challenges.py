"""What tells a client which key it lacks: `WWW-Authenticate` (RFC 6750, RFC 7617)."""

from flask import Response, request

from serving.errors import KeyNeededError, ScopeError

_REALM = 'realm="ghostlens"'
# Scripts of pages that need a login send it with the value "browser".
LOGIN_HEADER = "X-Login"
PEOPLE_VARY = ("Accept", "Sec-Fetch-Mode")


def add_challenge(response: Response, error: KeyNeededError | ScopeError) -> None:
    """Says in an answer what is asked for; a browser that shows a page asks its user."""
    words = [_REALM]
    if isinstance(error, ScopeError):
        words += ['error="insufficient_scope"', *([f'scope="{error.scope}"'] * bool(error.scope))]
    elif error.is_wrong:
        words.append('error="invalid_token"')
    response.headers["WWW-Authenticate"] = f"Bearer {', '.join(words)}"
    if isinstance(error, KeyNeededError) and _may_use_login():
        # Whatever name is given, the password is the key.
        response.headers.add("WWW-Authenticate", f'Basic {_REALM}, charset="UTF-8"')


def _may_use_login() -> bool:
    """Returns whether the browser shall ask its user, or give what they entered before.

    That is for pages, for the pictures in them, and for scripts of pages that need a login
    themselves, which say so. Any other script asks its user itself: a dialog of the browser's would
    come before it.
    """
    headers = request.headers
    if headers.get(LOGIN_HEADER) == "browser":
        return True
    if headers.get("Sec-Fetch-Dest") == "image":
        return headers.get("Sec-Fetch-Site") == "same-origin"
    return is_for_people()


def is_for_people() -> bool:
    """Returns whether a browser asks in order to show the answer; `PEOPLE_VARY` is what decides."""
    headers = request.headers
    is_page = headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return is_page and request.method == "GET" and "text/html" in headers.get("Accept", "")
