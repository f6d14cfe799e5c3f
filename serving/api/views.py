"""The API's document and its page, and the files that pages need."""

import json
import threading
from functools import cache
from importlib.resources import files
from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app
from werkzeug.exceptions import NotFound

from serving.access.public import list_public_scopes
from serving.api import document, page
from serving.api.sending import send_representation
from serving.coding import Representation, from_bytes
from serving.context import get_settings

blueprint = APIBlueprint("openapi", __name__, enable_openapi=False)
_CACHE = "ghostlens-api-documents"
# Asked for again each time, which costs a 304: what they show changes with a new server.
_ASK_AGAIN = "no-cache"
# One at a time: APIFlask keeps in the app what it is just building with.
_building = threading.Lock()
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@blueprint.get("/openapi.json", endpoint="spec")
def send_document() -> Response:
    """Give the API's description to tools."""
    data = _find("application/json", lambda spec: json.dumps(spec, ensure_ascii=False))
    return send_representation(data, "application/json", _ASK_AGAIN)


@blueprint.get("/docs", endpoint="docs")
def send_page() -> Response:
    """Give the API's description to people."""
    html = "text/html; charset=utf-8"
    return send_representation(_find(html, page.render), html, _ASK_AGAIN)


def send_static(filename: str) -> Response:
    """Give a file that pages need; its tag is of its content, and so the same on all replicas.

    Raises:
        NotFound: there is no such file.
    """
    found = _list_static().get(filename)
    if found is None:
        raise NotFound
    return send_representation(*found, _ASK_AGAIN)


def _find(kind: str, write: Any) -> Representation:
    """Returns a form of the document, made once for each set of scopes that need no key."""
    public = list_public_scopes(get_settings())
    made: dict[object, Representation] = current_app.extensions.setdefault(_CACHE, {})
    if (kind, public) not in made:
        with _building:
            if (kind, public) not in made:
                spec = document.build(current_app, public)  # type: ignore[arg-type]
                made[kind, public] = from_bytes(write(spec).encode())
    return made[kind, public]


@cache
def _list_static() -> dict[str, tuple[Representation, str]]:
    return {
        entry.name: (from_bytes(entry.read_bytes()), kind)
        for entry in (files("serving") / "static").iterdir()
        if (kind := _TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None
    }
