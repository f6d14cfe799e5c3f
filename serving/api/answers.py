"""What all answers share that are made for a request: compressed, known by a tag, hashed.

Files and documents, which are there before anybody asks, go out by `serving.api.sending`.
"""

from flask import Response, request
from werkzeug.http import is_resource_modified

from serving.api.digests import choose_algorithm, digest, format_digest
from serving.coding import shrink_answer
from serving.problems import make_problem
from training.files import sha256_bytes

_WANTS = {"Content-Digest": "HTTP_WANT_CONTENT_DIGEST", "Repr-Digest": "HTTP_WANT_REPR_DIGEST"}


def finish_answer(response: Response) -> Response:
    """Adds to an answer what its request allows or asks for."""
    if response.direct_passthrough or response.is_streamed or "ETag" in response.headers:
        return response
    plain = response.get_data()
    response = shrink_answer(response)
    if _is_kept(response):
        # Of the content alone: replicas, and servers that start anew, give the same.
        tag = sha256_bytes(plain)
        response.set_etag(f"{tag}-{response.content_encoding}" if _is_coded(response) else tag)
        if not is_resource_modified(request.environ, response.headers["ETag"]):
            return _answer_condition(response)
    _add_digests(response)
    return response


def _is_kept(response: Response) -> bool:
    is_read = request.method in ("GET", "HEAD") and response.status_code == 200
    return is_read and not response.cache_control.no_store


def _is_coded(response: Response) -> bool:
    return bool(response.content_encoding)


def _answer_condition(response: Response) -> Response:
    if "If-Match" in request.headers:
        return make_problem(412, f"what is there now is {response.headers['ETag']}")
    response.status_code = 304
    response.set_data(b"")
    for name in ("Content-Type", "Content-Length", "Content-Encoding"):
        response.headers.pop(name, None)
    return response


def _add_digests(response: Response) -> None:
    """Adds the digests that the client asks for; they are of the bytes as they are sent."""
    environ = request.environ
    for field, want in _WANTS.items():
        wanted = environ.get(want)
        algorithm = wanted and choose_algorithm(wanted)
        # A HEAD has no content, and whoever wants its hash knows it.
        is_empty = request.method == "HEAD" and field == "Content-Digest"
        if algorithm and not is_empty:
            found = digest(algorithm, response.get_data())
            response.headers[field] = format_digest(algorithm, found)
