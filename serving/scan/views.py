"""Sends the scan page: the files that `serving/scan/app` was built into."""

import gzip
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from apiflask import APIBlueprint
from flask import Response, jsonify, redirect, request
from werkzeug.datastructures import ContentSecurityPolicy
from werkzeug.exceptions import NotFound

from serving.api.sending import send_representation
from serving.coding import GZIP, Representation, from_bytes, prefers_gzip
from serving.context import get_settings

blueprint = APIBlueprint("scan", __name__, enable_openapi=False)
_TYPES = {
    "css": "text/css",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
}
# The names of these change with what they hold; all others are asked for again, which costs a 304.
_HASHED = ("assets/", "litert/")
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


@blueprint.get("/scan", endpoint="move")
def move_to_page() -> Response:
    """Send to the page, whose files lie below its address."""
    return redirect("/scan/", 308)  # type: ignore[return-value]


@blueprint.get("/scan/server.json", endpoint="server")
def describe_server() -> Response:
    """Tell the page where the files of models lie, where that is not this server."""
    answer = jsonify(files_url=get_settings().files_url.rstrip("/") or None)
    answer.headers["Cache-Control"] = _ASK_AGAIN
    return answer


@blueprint.get("/scan/", defaults={"name": "index.html"}, endpoint="page")
@blueprint.get("/scan/<path:name>", endpoint="page")
def send_page(name: str) -> Response:
    """Give the scan page, or a file of it.

    Raises:
        NotFound: there is no such file.
    """
    entry = _list_files().get(name)
    kind = _TYPES.get(name.rpartition(".")[2])
    if entry is None or kind is None:
        raise NotFound
    # What is text is compressed where it is sent.
    packed = entry.name.endswith(".gz")
    as_stored = (
        packed
        and not kind.startswith("text/")
        and "Range" not in request.headers
        and prefers_gzip(request.accept_encodings)
    )
    data = _read(name, unpacked=packed and not as_stored)
    caching = _FOR_EVER if name.startswith(_HASHED) else _ASK_AGAIN
    response = send_representation(data, kind, caching)
    if packed:
        response.vary.add("Accept-Encoding")
    if as_stored:
        response.content_encoding = GZIP
    # Also of scripts: a worker obeys the policy that its own file came with.
    response.headers["Content-Security-Policy"] = _write_policy().to_header()
    response.headers["Permissions-Policy"] = "camera=(self)"
    return response


def _write_policy() -> ContentSecurityPolicy:
    """Returns what the page may do: run its own files and WebAssembly, and fetch models."""
    return ContentSecurityPolicy(
        {
            "default-src": "'none'",
            "script-src": "'self' 'wasm-unsafe-eval'",
            "style-src": "'self'",
            "img-src": "'self' blob: data:",
            "media-src": "'self' blob:",
            "connect-src": get_settings().file_sources,
            "worker-src": "'self'",
            "manifest-src": "'self'",
            "form-action": "'none'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
    )


@lru_cache(maxsize=1)
def _list_files() -> dict[str, Traversable]:
    """Returns the files by the address below `/scan/`; packed ones by the name without `.gz`."""
    return {
        name.removesuffix(".gz"): entry for name, entry in _walk(files("serving") / "scan/built")
    }


def _walk(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    found = []
    for entry in folder.iterdir():
        name = above + entry.name
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found


@lru_cache(maxsize=64)
def _read(name: str, unpacked: bool) -> Representation:
    data = _list_files()[name].read_bytes()
    return from_bytes(gzip.decompress(data) if unpacked else data)
