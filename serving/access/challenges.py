"""What tells a client which key it lacks: `WWW-Authenticate` (RFC 6750, RFC 7617)."""

from flask import Response, request

from serving.errors import KeyNeededError, ScopeError

_REALM = 'realm="ghostlens"'


def add_challenge(response: Response, error: KeyNeededError | ScopeError) -> None:
    """Says in an answer what is asked for; a browser that shows a page asks its user."""
    words = [_REALM]
    if isinstance(error, ScopeError):
        words += ['error="insufficient_scope"', *([f'scope="{error.scope}"'] * bool(error.scope))]
    elif error.is_wrong:
        words.append('error="invalid_token"')
    response.headers["WWW-Authenticate"] = f"Bearer {', '.join(words)}"
    if _shows_page() and isinstance(error, KeyNeededError):
        # Whatever name is given, the password is the key.
        response.headers.add("WWW-Authenticate", f'Basic {_REALM}, charset="UTF-8"')


def _shows_page() -> bool:
    # A script that fetches asks its user itself: a dialog of the browser's would come before it.
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return False
    return request.method == "GET" and "text/html" in request.headers.get("Accept", "")
