"""The connections to another server of the Open Inference Protocol, each call within its time."""

import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProtocolError

from serving.errors import RemoteError
from serving.inference.messages import HEADER_LENGTH
from serving.inference.remote_messages import read_answer, read_tensors, write_question
from serving.inference.watch import limited, shut_reading
from training.answers import Answers

_EVERY_VERSION = "/v2/models/{model}/versions/{version}"
# An answer for 16 photos of a thousand labels has 1.3 MB where it is JSON.
_MAX_ANSWER_BYTES = 8 << 20
_PIECE_BYTES = 1 << 16
_MAX_RETRY_AFTER_S = 60
_HTTP_OK = 200


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        # The timeout of a socket counts from the last byte: a head could drip for ever.
        with limited(self.timeout or 0, partial(shut_reading, self.sock)):
            return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with limited(self.timeout or 0, partial(shut_reading, self.sock)):
            return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@dataclass(frozen=True)
class RemoteModel:
    """A version of a model on the other server.

    Attributes:
        path: its address there, without the host.
        name: what its answers must call the model.
        version: what they must call the version; None where its address names none.
    """

    path: str
    name: str
    version: str | None


class RemoteLine:
    """Asks the other server. Safe to use from threads."""

    def __init__(self, url: str, key: str, connections: int) -> None:
        """Connects to nothing yet.

        Args:
            url: of the server, http or https; a path in it is that of one version of a model, with
                `{model}` and `{version}`.
            key: is sent as a bearer token; empty sends none.
            connections: how many are kept for the next call.
        """
        parts = urlsplit(url)
        make = _TlsPool if parts.scheme == "https" else _Pool
        self._pool = make(parts.hostname or "", parts.port, maxsize=connections)
        self.host = parts.netloc.rpartition("@")[2]
        self._path = parts.path.rstrip("/") or _EVERY_VERSION
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def find(self, model: str, version: str) -> RemoteModel:
        """Returns where the other server has a version of a model."""
        path = self._path.replace("{model}", model).replace("{version}", version)
        steps = path.split("/")
        named = {
            key: unquote(steps[steps.index(key) + 1])
            for key in ("models", "versions")
            if key in steps[:-1]
        }
        return RemoteModel(path, named.get("models", model), named.get("versions"))

    def describe(self, model: RemoteModel, side_px: int, classes: int, limit_s: float) -> int:
        """Checks what a model takes and gives; returns how many photos at a time.

        Raises:
            RemoteError: it is not the release's, or did not answer in time.
        """
        body, _ = self._exchange("GET", model.path, b"", {}, limit_s)
        return read_tensors(body, side_px, classes)

    def ask(
        self, model: RemoteModel, x_nhwc: npt.NDArray[np.float32], classes: int, limit_s: float
    ) -> Answers:
        """Asks for the answers to some photos.

        Raises:
            RemoteError: it did not answer in time, or not as it should.
        """
        body, header_length = write_question(x_nhwc)
        headers = {HEADER_LENGTH: str(header_length), "Content-Type": "application/octet-stream"}
        answer, length = self._exchange("POST", f"{model.path}/infer", body, headers, limit_s)
        return read_answer(answer, length, (model.name, model.version), (len(x_nhwc), classes))

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str], limit_s: float
    ) -> tuple[bytes, int | None]:
        deadline_s = time.monotonic() + limit_s
        try:
            response = self._send(method, path, body, headers, deadline_s)
            if response.status != _HTTP_OK:
                response.close()
                raise RemoteError(f"it answers {response.status}", _read_retry_after_s(response))
            return _read_body(response, deadline_s), _read_header_length(response)
        except (HTTPError, OSError, ValueError) as error:
            raise RemoteError(f"it did not answer: {type(error).__name__}") from error

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str], deadline_s: float
    ) -> BaseHTTPResponse:
        def send() -> BaseHTTPResponse:
            left_s = max(0.001, deadline_s - time.monotonic())
            return self._pool.urlopen(
                method,
                path,
                body,
                {**self._headers, **headers},
                retries=False,
                redirect=False,
                timeout=Timeout(total=left_s),
                preload_content=False,
                decode_content=False,
            )

        try:
            return send()
        except ProtocolError:
            # A kept connection that the other side closed in this very moment.
            return send()


def _read_body(response: BaseHTTPResponse, deadline_s: float) -> bytes:
    pieces, size_bytes = [], 0
    assert isinstance(response, HTTPResponse)
    try:
        with limited(max(0.0, deadline_s - time.monotonic()), response.shutdown):
            while piece := response.read1(_PIECE_BYTES):
                pieces.append(piece)
                size_bytes += len(piece)
                if size_bytes > _MAX_ANSWER_BYTES:
                    raise RemoteError(f"its answer has more than {_MAX_ANSWER_BYTES} bytes")
    except BaseException:
        response.close()  # what is left of it would be read as the next answer
        raise
    response.release_conn()
    return b"".join(pieces)


def _read_header_length(response: BaseHTTPResponse) -> int | None:
    text = response.headers.get(HEADER_LENGTH)
    return None if text is None else int(text)


def _read_retry_after_s(response: BaseHTTPResponse) -> int:
    text = response.headers.get("Retry-After", "")
    return min(int(text), _MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() else 1
