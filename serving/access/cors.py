"""What pages of other origins may ask from a browser (CORS)."""

import re
from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

_MAX_AGE_S = 600
_METHODS = ("GET", "HEAD", "POST")
# Headers that such a page may send, beside those that need no leave.
_SENT = (
    "Authorization",
    "Content-Digest",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Inference-Header-Content-Length",
    "Range",
    "Repr-Digest",
    "Want-Content-Digest",
    "Want-Repr-Digest",
    "X-API-Key",
    "X-Request-ID",
    "traceparent",
    "tracestate",
)
# Headers of answers that it may read.
_READ = (
    "Accept-Ranges",
    "Content-Digest",
    "Content-Encoding",
    "Content-Range",
    "Deprecation",
    "ETag",
    "Idempotent-Replayed",
    "Inference-Header-Content-Length",
    "Link",
    "RateLimit",
    "RateLimit-Policy",
    "Repr-Digest",
    "Retry-After",
    "Sunset",
    "WWW-Authenticate",
    "X-Request-ID",
)


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Lets pages of some origins ask an app, and nobody else's.

    They send their key themselves; what a browser would add, cookies and passwords, is never
    allowed (`Access-Control-Allow-Credentials`).
    """
    if not origins:
        return
    CORS(
        app,
        # The library takes text with certain signs for patterns; these are none.
        origins=[re.compile(re.escape(origin) + r"\Z") for origin in origins],
        methods=list(_METHODS),
        allow_headers=list(_SENT),
        expose_headers=list(_READ),
        max_age=_MAX_AGE_S,
        supports_credentials=False,
    )
    app.after_request(_vary)


def _vary(response: Response) -> Response:
    # Also where this answer allows nothing: a cache must not give it to another origin.
    response.vary.add("Origin")
    return response
