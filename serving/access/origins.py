"""The origins whose pages may ask, and requests that a page made a browser send."""

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import request

from serving.errors import SettingsError

_SAFE_METHODS = ("GET", "HEAD")


def read_origins(text: str) -> tuple[str, ...]:
    """Returns the origins in a list such as "https://shop.example,http://localhost:5173".

    Raises:
        SettingsError: one is no origin; "*" is none, as whoever asks shall be known.
    """
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            raise SettingsError(
                f"no origin {origin!r}: allowed are as https://shop.example, without a path or *"
            )
        if not parts.hostname or set("@*") & set(origin) or origin != origin.lower():
            raise SettingsError(
                f"no origin {origin!r}: allowed is each by its name, in small letters"
            )
    return origins


def comes_from_allowed_page(allowed: Collection[str]) -> bool:
    """Tells whether no page of another origin can be what makes a browser send this request.

    Browsers name the origin of the page behind whatever is not plain reading, and let pages of
    other origins read answers only where these are allowed to.
    """
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is None or request.method in _SAFE_METHODS:
        return True
    return urlsplit(origin).netloc == request.host or origin in allowed
