"""`Idempotency-Key`: a request that is sent again is answered again, and done once.

After draft-ietf-httpapi-idempotency-key-header-07: a client that got no answer sends the same
request with the same key, and gets the answer that the first one had. Only successes are
remembered: what was refused has changed nothing, and is judged anew.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any, BinaryIO, ParamSpec

from apiflask import Schema
from apiflask.fields import String
from flask import Response, current_app, request
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy import String as Characters

from serving.access import current_key
from serving.api.forms import add_to_form, read_form
from serving.api.receiving import MAX_JSON_BYTES
from serving.context import get_database, get_settings
from serving.errors import IdempotencyError, RequestError, RunningError
from serving.inference.bodies import receiving
from serving.schemas import describe
from serving.state.database import Database, metadata
from serving.state.times import DAY_MS, now_ms

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEEP_MS = DAY_MS
# Longer than what is done under a key takes, its body being there already: who is silent for so
# long was killed, and the next one may try.
LEASE_MS = 60 * 1000
# RFC 9651, section 3.3.3: a String, in quotes; and a bare word, which most clients send.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[A-Za-z0-9._:+/=-]+")
_MOST_CHARS = 255
_KEPT_HEADERS = ("Content-Type", "Cache-Control", "Location")
_PART_BYTES = 1 << 16
_MOST_DELETED = 100
_P = ParamSpec("_P")

answers = Table(
    "idempotency",
    metadata,
    # Of who asks, the method, the path and the key: nobody is answered what another asked.
    Column("key_sha256", Characters(64), primary_key=True),
    Column("request_sha256", Characters(64), nullable=False),
    Column("run_id", Characters(32), nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # of the lease, then of the answer
    Column("status", Integer),  # NULL while it runs
    Column("headers", Text),  # JSON
    Column("body", Text),
)
Index("idempotency_aged", answers.c.until_ms)


class IdempotencyHeader(Schema):
    """The header of a request that may be sent again."""

    key = String(
        data_key=HEADER,
        metadata=describe(
            "Made by the client for this request, as a UUID. The same request with the same key is "
            "done once, and answered alike for 24 hours; another request with it is refused.",
            '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
        ),
    )


def idempotent(view: Callable[_P, Any]) -> Callable[_P, Any]:
    """Makes a view take `Idempotency-Key`; stands above what reads the request's body.

    The body is received within the server's time for that before the view runs, with a key or
    without. Answers must be text.

    Raises:
        IdempotencyError: the key was used for another request.
        RunningError: the first request with the key is not answered yet.
        RequestError: the header is no key, or the body ended before its end.
    """

    @wraps(view)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        text = request.headers.get(HEADER)
        key = None if text is None else _read_key(text)
        if request.is_json:
            request.max_content_length = min(MAX_JSON_BYTES, get_settings().max_upload_bytes)
        with receiving(get_settings().receive_wait_s):
            fingerprint = _hash_request()
        if key is None:
            return view(*args, **kwargs)
        memory = _Memory(get_database(), key, fingerprint)
        found = memory.begin()
        if found is not None:
            return _replay(found)
        try:
            response = current_app.make_response(view(*args, **kwargs))
        except BaseException:
            memory.forget()
            raise
        if response.status_code // 100 == 2:
            memory.keep(response)
        else:
            memory.forget()
        return response

    _describe(run)
    return run


class _Memory:
    """What is remembered of one key."""

    def __init__(self, database: Database, key: str, request_sha256: str) -> None:
        self._database, self._request_sha256 = database, request_sha256
        self._key = answers.c.key_sha256 == key
        self._own = {"key_sha256": key, "run_id": uuid.uuid4().hex}

    def begin(self) -> "Row[Any] | None":
        """Takes the key; returns the answer where there is one."""
        now = now_ms()
        with self._database.write() as connection:
            old = select(answers.c.key_sha256).where(answers.c.until_ms < now)
            old = old.order_by(answers.c.until_ms).limit(_MOST_DELETED)
            connection.execute(delete(answers).where(answers.c.key_sha256.in_(old)))
            found = connection.execute(select(answers).where(self._key)).first()
            if found is not None and found.until_ms < now:
                connection.execute(delete(answers).where(self._key))
                found = None
            if found is None:
                row = {"request_sha256": self._request_sha256, "until_ms": now + LEASE_MS}
                connection.execute(insert(answers).values({**self._own, **row}))
                return None
        if found.request_sha256 != self._request_sha256:
            raise IdempotencyError(
                f"{HEADER} was used for another request: allowed is a new key for a new request, "
                "and the same body with the same key"
            )
        if found.status is None:
            raise RunningError(f"the first request with this {HEADER} is not answered yet")
        return found

    def keep(self, response: Response) -> None:
        """Remembers the answer."""
        headers = {
            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
        }
        answer = {
            "until_ms": now_ms() + KEEP_MS,
            "status": response.status_code,
            "headers": json.dumps(headers),
            "body": response.get_data(as_text=True),
        }
        with self._database.write() as connection:
            connection.execute(update(answers).filter_by(**self._own).values(answer))

    def forget(self) -> None:
        """Gives the key back: nothing was done."""
        with self._database.write() as connection:
            connection.execute(delete(answers).filter_by(**self._own))


def _read_key(text: str) -> str:
    """Returns what a key is remembered under."""
    quoted = _QUOTED.fullmatch(text.strip())
    bare = _BARE.fullmatch(text.strip())
    key = quoted[1] if quoted else bare[0] if bare else ""
    if not 0 < len(key) <= _MOST_CHARS:
        raise RequestError(
            f"{HEADER} is no key: allowed are 1 to {_MOST_CHARS} printable characters in double "
            "quotes, as of a UUID"
        )
    return _hash(_find_asker(), request.method, request.path, key)


def _find_asker() -> str:
    key = current_key()
    return "" if key is None else key.id


def _hash(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _hash_request() -> str:
    """Returns the SHA-256 of what was sent.

    Of a form it is of what the fields hold: its boundary is new each time that a client writes it.
    """
    digest = hashlib.sha256(
        _hash(request.query_string.decode("latin-1"), request.mimetype).encode()
    )
    if request.mimetype != "multipart/form-data":
        digest.update(request.get_data())
        return digest.hexdigest()
    for name, texts in sorted(request.form.lists()):
        digest.update(_hash("text", name, *texts).encode())
    for name, files in sorted(request.files.lists()):
        for file in files:
            digest.update(_hash("file", name, _hash_stream(file.stream)).encode())
    return digest.hexdigest()


def _hash_stream(stream: Any) -> str:
    digest = hashlib.sha256()
    for part in _read_parts(stream):
        digest.update(part)
    stream.seek(0)
    return digest.hexdigest()


def _read_parts(stream: BinaryIO) -> Iterator[bytes]:
    while part := stream.read(_PART_BYTES):
        yield part


def _replay(found: "Row[Any]") -> Response:
    response = Response(found.body, found.status, json.loads(found.headers))
    response.headers[REPLAYED] = "true"
    return response


def _describe(view: Any) -> None:
    """Adds the header to what the OpenAPI document says of a view, and what can go wrong."""
    form = read_form(view)
    args = [*(form.get("args") or ()), (IdempotencyHeader(), "headers")]
    described = form.get("responses") or []
    conflict = HTTPStatus.CONFLICT.value
    if isinstance(described, dict):
        responses: Any = {conflict: "Not now, or not so", **described}
    else:
        responses = [*described, conflict]
    add_to_form(view, args=args, responses=responses)
