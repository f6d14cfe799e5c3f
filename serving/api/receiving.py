"""Bodies in JSON: of that type, of a bounded length, and within a time.

Views that take photos or tensors receive their bodies themselves, once they have a place.
"""

import json

from flask import Flask, current_app, request

from serving.context import get_settings
from serving.errors import MalformedError, MediaTypeError
from serving.inference.bodies import receiving

# The longest check that our forms allow has about 20 kB.
MAX_JSON_BYTES = 1 << 20


def receive_json() -> None:
    """Receives the body of the request at hand, where its view takes JSON.

    Raises:
        MediaTypeError: it is said to be something else.
        SlowBodyError: it did not arrive in time.
        MalformedError: it is no JSON that can be read.
    """
    if not takes_json(current_app, request.endpoint):
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


def _check_json(data: bytes) -> None:
    # webargs would let a number through that Python refuses to read for its length.
    try:
        json.loads(data)
    except RecursionError:
        raise MalformedError("the body is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"the body is no JSON that can be read: {error}") from error


def takes_json(app: Flask, endpoint: str | None) -> bool:
    """Returns whether a view has a form for a JSON body."""
    view = app.view_functions.get(endpoint or "")
    # Where APIFlask keeps what `@blueprint.input` was given.
    form: dict[str, object] = getattr(view, "_spec", {})
    return "body" in form and form.get("content_type", "application/json") == "application/json"
