"""Bodies in JSON: of that type, of a bounded length, and within a time.

Views that take photos or tensors receive their bodies themselves, once they have a place.
"""

import json
from collections.abc import Iterator

from apiflask import HTTPError
from flask import Flask, current_app, request

from serving.api.forms import read_form
from serving.context import get_settings
from serving.errors import MalformedError, MediaTypeError, explain_json
from serving.inference.bodies import receiving

# The longest check that our forms allow has about 20 kB.
MAX_JSON_BYTES = 1 << 20
_NUL = "\0"
_NUL_CODED = b"%00"


def receive_json() -> None:
    """Receives the body of the request at hand, where its view takes JSON.

    Raises:
        MediaTypeError: it is said to be something else.
        SlowBodyError: it did not arrive in time.
        MalformedError: it is no JSON that can be read.
        HTTPError: 422, it has the character U+0000.
    """
    # Browsers ask first whether a page elsewhere may send one.
    if request.method == "OPTIONS" or not takes_json(current_app, request.endpoint):
        return
    request.max_content_length = min(MAX_JSON_BYTES, get_settings().max_upload_bytes)
    if not request.is_json:
        raise MediaTypeError(
            f"the body is {request.mimetype or 'of no stated type'}: allowed is application/json"
        )
    if "Content-Encoding" in request.headers:
        raise MediaTypeError("a JSON body with a Content-Encoding: allowed is one without")
    with receiving(get_settings().receive_wait_s):
        data = request.get_data()
    _check_json(data)


def refuse_nul() -> None:
    """Refuses the character U+0000 in address and query: no database takes it as text.

    Raises:
        HTTPError: 422, with the places.
    """
    query = request.query_string
    if _NUL not in request.path and _NUL_CODED not in query and b"\0" not in query:
        return
    places = {
        "path": dict(_find_nul(dict(request.view_args or {}))),
        "query": dict(_find_nul(request.args.to_dict(flat=False))),
    }
    _refuse({place: found for place, found in places.items() if found})


def _refuse(places: dict[str, dict[str, list[str]]]) -> None:
    if places:
        raise HTTPError(422, "Validation error", places)


def _find_nul(value: object, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yields the places of a text with U+0000, nested ones by a path as in "runtimes.0.name"."""
    if isinstance(value, str):
        if _NUL in value:
            yield name, [f"The character {_NUL!a} is not allowed."]
    elif isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            shown = str(key).replace(_NUL, "\ufffd")
            place = f"{name}.{shown}" if name else shown
            if _NUL in str(key):
                yield place, [f"The character {_NUL!a} is not allowed."]
            yield from _find_nul(inner, place)


def _check_json(data: bytes) -> None:
    # webargs would let a number through that Python refuses to read for its length.
    try:
        value = json.loads(data)
        # Looked for where it can be: written out, or in text as it is, which JSON forbids.
        found = dict(_find_nul(value)) if b"\\u0000" in data else {}
    except (ValueError, RecursionError) as error:
        raise MalformedError(explain_json(error)) from error
    _refuse({"json": found} if found else {})


def takes_json(app: Flask, endpoint: str | None) -> bool:
    """Returns whether a view has a form for a JSON body."""
    form = read_form(app.view_functions.get(endpoint or ""))
    return "body" in form and form.get("content_type", "application/json") == "application/json"
