"""What is no request that HTTP allows never reaches the app: gunicorn refuses it, in our form."""

import json
import socket
import uuid

from gunicorn.util import write_nonblock  # type: ignore[import-untyped]

from serving.errors import MEDIA_TYPE
from serving.observing.request_ids import HEADER


def write_problem(connection: socket.socket, status: int, reason: str, detail: str) -> None:
    """Writes a whole answer to a connection; takes the place of `gunicorn.util.write_error`.

    Args:
        connection: of the client; it is closed next.
        status: as a head that is too long has 431.
        reason: the status in words.
        detail: what is wrong, in gunicorn's words.
    """
    request_id = uuid.uuid4().hex
    problem = {
        "type": "about:blank",
        "title": reason,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    body = json.dumps(problem).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
        f"X-Content-Type-Options: nosniff\r\n{HEADER}: {request_id}\r\n\r\n"
    )
    write_nonblock(connection, head.encode("latin-1") + body)
