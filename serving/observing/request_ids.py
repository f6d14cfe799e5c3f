"""Each request has an id, which stands in its answer, in its log lines and in what it caused."""

import os
import re

from flask import Flask, Response, g, has_request_context, request

HEADER = "X-Request-ID"
_VARIABLE = "HTTP_X_REQUEST_ID"
_KEY = "ghostlens_request_id"
# What proxies make: UUIDs, hexadecimal digits, base64. Nothing of it ends a line, quotes or
# colours a terminal, so that an id can be written anywhere as it is.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}", re.ASCII)


def request_id() -> str:
    """Returns the id of the request at hand; empty where there is none.

    It is what the client or a proxy sent as `X-Request-ID`, where that is up to 128 letters,
    digits and `._:+/=-`; else it is made.
    """
    if not has_request_context():
        return ""
    found: str | None = g.get(_KEY)
    if found is None:
        found = _choose(request.environ.get(_VARIABLE, ""))
        setattr(g, _KEY, found)
    return found


def register(app: Flask) -> None:
    """Makes an app name the id of each request in its answer."""
    app.after_request(_add_header)


def _choose(sent: str) -> str:
    return sent if _WELL_FORMED.fullmatch(sent) else os.urandom(16).hex()


def _add_header(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
